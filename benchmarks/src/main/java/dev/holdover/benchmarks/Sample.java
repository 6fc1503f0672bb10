package dev.holdover.benchmarks;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;

/** Figures of one kind, and in which round each was taken. */
final class Sample {
    private final List<Double> values = new ArrayList<>();
    private final Map<Integer, Sample> rounds = new TreeMap<>();
    private double[] sorted;

    private Sample() {}

    /** The figures of those lines that are meant. */
    static Sample of(
            List<Map<String, Object>> lines,
            Predicate<Map<String, Object>> meant,
            ToDoubleFunction<Map<String, Object>> figure) {
        Sample sample = new Sample();
        for (Map<String, Object> line : lines) {
            if (meant.test(line)) {
                double value = figure.applyAsDouble(line);
                sample.values.add(value);
                int round = ((Number) line.get("round")).intValue();
                sample.rounds.computeIfAbsent(round, key -> new Sample()).values.add(value);
            }
        }
        return sample;
    }

    boolean isEmpty() {
        return values.isEmpty();
    }

    int size() {
        return values.size();
    }

    /** From 0 for the least to 100 for the greatest, the nearest figure. */
    double percentile(double percent) {
        if (sorted == null) {
            sorted = new double[values.size()];
            for (int i = 0; i < sorted.length; i++) {
                sorted[i] = values.get(i);
            }
            Arrays.sort(sorted);
        }
        if (sorted.length == 0) {
            return Double.NaN;
        }
        return sorted[(int) Math.round(percent / 100 * (sorted.length - 1))];
    }

    double median() {
        return percentile(50);
    }

    double least() {
        return percentile(0);
    }

    /** For people: the ratio of medians, with its range over the rounds; a dash if one of the two is empty. */
    String ratioTo(Sample reference) {
        if (isEmpty() || reference.isEmpty()) {
            return "–";
        }
        double[] range = ratios(reference);
        String median = String.format(Locale.ROOT, "%.2f", median() / reference.median());
        return range[1] == 0 || rounds.size() == 1
                ? median
                : median + String.format(Locale.ROOT, " (rounds %.2f to %.2f)", range[0], range[1]);
    }

    /** Median through median, round by round where rounds have several figures: the least and the greatest of them. */
    double[] ratios(Sample reference) {
        double least = Double.MAX_VALUE;
        double greatest = 0;
        for (Map.Entry<Integer, Sample> round : rounds.entrySet()) {
            Sample other = reference.rounds.get(round.getKey());
            if (other != null) {
                double ratio = round.getValue().median() / other.median();
                least = Math.min(least, ratio);
                greatest = Math.max(greatest, ratio);
            }
        }
        return new double[] {least, greatest};
    }
}
