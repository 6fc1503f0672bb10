package dev.holdover.benchmarks;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * How long something took with Holdover, divided by how long it took with a reference that was measured by turns with it.
 *
 * @param what the benchmark and the contestant
 * @param which the parameters; may be empty
 * @param reference what it is divided by
 * @param runs of both, as "5, 5"
 * @param text the ratio of medians, with its range over the rounds where there are several
 */
record Ratio(String what, String which, String reference, String runs, String text) {
    private static final Map<String, String> PROCESSES = new LinkedHashMap<>();

    static {
        PROCESSES.put("ColdRestore", "cold restore");
        PROCESSES.put("ColdStart", "cold start");
        PROCESSES.put("HandOver", "hand-over blackout");
        PROCESSES.put("HeldHandOver", "replacement blackout");
    }

    /** Of everything that was measured with a reference beside it. */
    static List<Ratio> all(Measurements lines) {
        List<Ratio> ratios = new ArrayList<>();
        PROCESSES.forEach((benchmark, title) -> ofProcesses(ratios, lines, benchmark, title));
        String calls = "its system calls";
        ofPairs(ratios, lines, "RestoreBenchmark", "restore in a warm process", calls, "mib", "touched", "cpus", "ram");
        ofPairs(ratios, lines, "SaveBenchmark", "save in a warm process, in all", calls, "mib", "cpus", "store");
        ofPairs(ratios, lines, "ExitBenchmark", "exit", "KVM_RUN in a loop", "rom", "flags");
        add(
                ratios,
                "interrupt by irqfd",
                "",
                "by KVM_IRQ_LINE",
                lines.nanos("benchmark", "InterruptBenchmark", "contestant", "irqfd"),
                lines.nanos("benchmark", "InterruptBenchmark", "contestant", "line"));
        for (String cpus : lines.values("cpus", "benchmark", "StateBenchmark")) {
            for (String what : List.of("encode", "check", "decode")) {
                Object[] which = {"benchmark", "StateBenchmark", "cpus", cpus};
                add(
                        ratios,
                        "state file: " + what,
                        word("cpus", cpus),
                        "a copy and its CRC32C",
                        lines.nanos(Measurements.and(which, "contestant", what)),
                        lines.nanos(Measurements.and(which, "contestant", what + "Floor")));
            }
        }
        return ratios;
    }

    private static void ofProcesses(List<Ratio> ratios, Measurements lines, String benchmark, String title) {
        List<String> names = lines.values("contestant", "benchmark", benchmark);
        for (String mib : lines.values("mib", "benchmark", benchmark)) {
            for (String name : names) {
                for (String qemu : names) {
                    if (!name.startsWith("QEMU") && qemu.startsWith("QEMU")) {
                        Object[] which = {"benchmark", benchmark, "mib", mib};
                        add(
                                ratios,
                                title + ", " + name,
                                Report.size(mib),
                                qemu,
                                lines.nanos(Measurements.and(which, "contestant", name)),
                                lines.nanos(Measurements.and(which, "contestant", qemu)));
                    }
                }
            }
        }
    }

    /** Holdover and its floor, once for each choice of parameters. */
    private static void ofPairs(
            List<Ratio> ratios,
            Measurements lines,
            String benchmark,
            String title,
            String reference,
            String... parameters) {
        List<Object[]> choices = new ArrayList<>();
        choices.add(new Object[] {"benchmark", benchmark});
        for (String parameter : parameters) {
            List<Object[]> longer = new ArrayList<>();
            for (Object[] choice : choices) {
                for (String value : lines.values(parameter, choice)) {
                    longer.add(Measurements.and(choice, parameter, value));
                }
            }
            choices = longer;
        }
        for (Object[] choice : choices) {
            add(
                    ratios,
                    title,
                    text(choice),
                    reference,
                    lines.nanos(Measurements.and(choice, "contestant", "holdover")),
                    lines.nanos(Measurements.and(choice, "contestant", "floor")));
        }
    }

    private static String text(Object[] choice) {
        List<String> words = new ArrayList<>();
        for (int i = 2; i < choice.length; i += 2) {
            words.add(word((String) choice[i], (String) choice[i + 1]));
        }
        return String.join(", ", words);
    }

    private static String word(String parameter, String value) {
        return switch (parameter) {
            case "mib" -> Report.size(value);
            case "touched" -> value.equals("true") ? "touched" : "untouched";
            case "cpus" -> value + (value.equals("1") ? " vCPU" : " vCPUs");
            case "ram" -> "RAM in " + value.toLowerCase(Locale.ROOT);
            case "store" -> "state in " + value;
            case "rom" -> Report.exit(value);
            case "flags" -> Report.compiler(value);
            default -> parameter + "=" + value;
        };
    }

    private static void add(
            List<Ratio> ratios, String what, String which, String reference, Sample ours, Sample theirs) {
        if (!ours.isEmpty() && !theirs.isEmpty()) {
            String runs = ours.size() + ", " + theirs.size();
            ratios.add(new Ratio(what, which, reference, runs, ours.ratioTo(theirs)));
        }
    }

    /** For a terminal. */
    String line() {
        return what + (which.isEmpty() ? "" : ", " + which) + " ÷ " + reference + ": " + text;
    }
}
