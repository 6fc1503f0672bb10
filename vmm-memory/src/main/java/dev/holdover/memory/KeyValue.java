package dev.holdover.memory;

import java.util.ArrayList;
import java.util.List;

/**
 * One part of an option's argument as QEMU writes them, {@code key=value,key=value}; a comma in a value is doubled.
 *
 * @param value null for a bare word without {@code =}
 */
public record KeyValue(String key, String value) {
    /** Splits an argument; every text is well-formed. */
    public static List<KeyValue> parse(String argument) {
        List<KeyValue> parts = new ArrayList<>();
        int at = 0;
        while (at < argument.length()) {
            StringBuilder part = new StringBuilder();
            while (at < argument.length()) {
                char c = argument.charAt(at++);
                if (c == ',') {
                    if (at == argument.length() || argument.charAt(at) != ',') {
                        break;
                    }
                    at++;
                }
                part.append(c);
            }
            int equals = part.indexOf("=");
            parts.add(
                    equals < 0
                            ? new KeyValue(part.toString(), null)
                            : new KeyValue(part.substring(0, equals), part.substring(equals + 1)));
        }
        return parts;
    }
}
