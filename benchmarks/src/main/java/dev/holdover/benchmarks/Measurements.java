package dev.holdover.benchmarks;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;

/** The lines of a run, and questions to them. Which lines are meant is said by keys and values in turn. */
final class Measurements {
    private final List<Map<String, Object>> lines;

    Measurements(List<Map<String, Object>> lines) {
        this.lines = lines;
    }

    private static Predicate<Map<String, Object>> is(Object... keysAndValues) {
        return line -> {
            for (int i = 0; i < keysAndValues.length; i += 2) {
                if (!String.valueOf(line.get(keysAndValues[i])).equals(String.valueOf(keysAndValues[i + 1]))) {
                    return false;
                }
            }
            return true;
        };
    }

    static Object[] and(Object[] keysAndValues, Object... more) {
        Object[] all = new Object[keysAndValues.length + more.length];
        System.arraycopy(keysAndValues, 0, all, 0, keysAndValues.length);
        System.arraycopy(more, 0, all, keysAndValues.length, more.length);
        return all;
    }

    static double number(Map<String, Object> line, String key) {
        return ((Number) line.get(key)).doubleValue();
    }

    Sample sample(ToDoubleFunction<Map<String, Object>> figure, Object... keysAndValues) {
        return Sample.of(lines, is(keysAndValues), figure);
    }

    Sample nanos(Object... keysAndValues) {
        return sample(line -> number(line, "nanos"), keysAndValues);
    }

    /** Nanoseconds of one part, of the lines that have it. */
    Sample part(String part, Object... keysAndValues) {
        return Sample.of(
                lines,
                is(keysAndValues).and(line -> parts(line).containsKey(part)),
                line -> ((Number) parts(line).get(part)).doubleValue());
    }

    private static Map<?, ?> parts(Map<String, Object> line) {
        return line.get("parts") instanceof Map<?, ?> parts ? parts : Map.of();
    }

    /** The values that a key has among the lines that are meant, as they come. */
    List<String> values(String key, Object... keysAndValues) {
        Set<String> values = new LinkedHashSet<>();
        for (Map<String, Object> line : lines) {
            if (is(keysAndValues).test(line) && line.containsKey(key)) {
                values.add(String.valueOf(line.get(key)));
            }
        }
        return new ArrayList<>(values);
    }
}
