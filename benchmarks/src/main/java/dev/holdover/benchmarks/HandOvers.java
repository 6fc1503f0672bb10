package dev.holdover.benchmarks;

import dev.holdover.vmstate.Phase;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How long a guest stands still when it goes from one process to another of the same host, each time between two that are
 * fresh. Ours tell it themselves, part by part, from clocks that both share. QEMU is told to save to a file and to load
 * from it, and timed from outside.
 */
final class HandOvers {
    /** Two VMMs and a hand-over, with the wait for an idle machine, about. */
    static final long EXPECTED_MILLIS = 1_500;

    /** Likewise, with a luod and its questions. */
    static final long REPLACE_MILLIS = 2_000;

    private static final List<String> PARTS = List.of("pause", "save", "send", "apply", "enter");

    /** The phases that a replacement's parts end with, by the part's name; the first begins when the guest stands still. */
    static final Map<String, String> REPLACE_PARTS = replaceParts();

    private static Map<String, String> replaceParts() {
        Map<String, String> parts = new LinkedHashMap<>();
        parts.put("preserve", Phase.READY.text());
        parts.put("end and start", Phase.CLAIMED.text());
        parts.put("retrieve", Phase.RAM_RETRIEVED.text());
        parts.put("make", Phase.KVM_BUILT.text());
        parts.put("enter", Phase.RUNNING.text());
        return parts;
    }

    private final List<Contestant> contestants;
    private final Lines lines;
    private final Idle idle;

    HandOvers(List<Contestant> contestants, Lines lines, Idle idle) {
        this.contestants = contestants;
        this.lines = lines;
        this.idle = idle;
    }

    /** To a process that stands by. */
    void run(int mib, int rounds, Progress progress) throws IOException, InterruptedException {
        run("HandOver", EXPECTED_MILLIS, HandOvers::measure, mib, rounds, progress);
    }

    /** To one that is started when the first has ended; in between the guest is held by nobody who could run it. */
    void replace(int mib, int rounds, Progress progress) throws IOException, InterruptedException {
        run("HeldHandOver", REPLACE_MILLIS, HandOvers::measureReplaced, mib, rounds, progress);
    }

    @FunctionalInterface
    private interface Measure {
        void of(Contestant contestant, Path directory, int mib, Map<String, Object> line)
                throws IOException, InterruptedException;
    }

    private void run(String benchmark, long expected, Measure measure, int mib, int rounds, Progress progress)
            throws IOException, InterruptedException {
        for (int round = 0; round < rounds; round++) {
            for (Contestant contestant : contestants) {
                progress.step(
                        benchmark + " " + mib + " MiB, round " + (round + 1) + ": " + contestant.name(), expected);
                try (Scratch scratch = Scratch.inMemory()) {
                    idle.await();
                    Map<String, Object> line = new LinkedHashMap<>();
                    line.put("benchmark", benchmark);
                    line.put("contestant", contestant.name());
                    line.put("round", round);
                    line.put("mib", mib);
                    measure.of(contestant, scratch.path(), mib, line);
                    lines.add(line);
                } catch (IOException e) {
                    progress.leftOut(e.getMessage());
                }
                lines.flush();
            }
        }
    }

    private static void measure(Contestant contestant, Path directory, int mib, Map<String, Object> line)
            throws IOException, InterruptedException {
        if (contestant instanceof Qemu qemu) {
            Path ram = directory.resolve("ram");
            line.put("nanos", qemu.handOver(ram, mib, directory.resolve("state")));
            Files.deleteIfExists(ram);
        } else if (contestant instanceof Holdover holdover) {
            Map<String, Object> report = holdover.handOver(directory, mib);
            Map<String, Object> parts = new LinkedHashMap<>();
            long sum = 0;
            for (String part : PARTS) {
                long nanos = ((Number) report.get(part + "-us")).longValue() * 1000;
                parts.put(part, nanos);
                sum += nanos;
            }
            line.put("nanos", sum);
            line.put("parts", parts);
        }
    }

    private static void measureReplaced(Contestant contestant, Path directory, int mib, Map<String, Object> line)
            throws IOException, InterruptedException {
        if (contestant instanceof Qemu qemu) {
            Path ram = directory.resolve("ram");
            line.put("nanos", qemu.replace(ram, mib, directory.resolve("state")));
            Files.deleteIfExists(ram);
        } else if (contestant instanceof Holdover holdover) {
            Map<String, Long> phases = holdover.replace(directory, mib);
            Map<String, Object> parts = new LinkedHashMap<>();
            long before = 0;
            for (Map.Entry<String, String> part : REPLACE_PARTS.entrySet()) {
                Long after = phases.get(part.getValue());
                if (after == null) {
                    throw new IOException(contestant.name() + ": its timeline has no '" + part.getValue() + "'");
                }
                parts.put(part.getKey(), (after - before) * 1000);
                before = after;
            }
            line.put("nanos", before * 1000);
            line.put("parts", parts);
        }
    }
}
