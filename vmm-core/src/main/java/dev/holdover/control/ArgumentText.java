package dev.holdover.control;

import dev.holdover.json.Json;
import dev.holdover.json.JsonException;
import dev.holdover.linux.UsageException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Arguments of a command as people write them, and replies as people read them. */
public final class ArgumentText {
    private ArgumentText() {}

    /**
     * Reads {@code key=value …}, or one JSON object. A value that is JSON is taken as such: {@code true}, {@code 4096},
     * {@code ["a"]}, {@code "4096"}; anything else is a string.
     */
    public static Map<String, Object> parse(List<String> words) {
        if (words.size() == 1 && words.getFirst().startsWith("{")) {
            try {
                Map<String, Object> object = Json.object(Json.parse(words.getFirst()));
                if (object != null) {
                    return object;
                }
            } catch (JsonException e) {
                throw new UsageException(words.getFirst() + ": " + e.getMessage());
            }
        }
        Map<String, Object> arguments = new LinkedHashMap<>();
        for (String word : words) {
            int equals = word.indexOf('=');
            if (equals <= 0) {
                throw new UsageException(word + ": expected key=value, or one JSON object");
            }
            if (arguments.put(word.substring(0, equals), value(word.substring(equals + 1))) != null) {
                throw new UsageException(word + ": " + word.substring(0, equals) + " is given twice");
            }
        }
        return arguments;
    }

    private static Object value(String text) {
        try {
            Object value = Json.parse(text);
            return value == null ? text : value;
        } catch (JsonException e) {
            return text;
        }
    }

    /** What a command returned, as JSON on several lines. */
    public static String pretty(Object value) {
        return Json.writePretty(value);
    }
}
