package dev.holdover.benchmarks;

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

    private static final List<String> PARTS = List.of("pause", "save", "send", "apply", "enter");

    private final List<Contestant> contestants;
    private final Lines lines;
    private final Idle idle;

    HandOvers(List<Contestant> contestants, Lines lines, Idle idle) {
        this.contestants = contestants;
        this.lines = lines;
        this.idle = idle;
    }

    void run(int mib, int rounds, Progress progress) throws IOException, InterruptedException {
        for (int round = 0; round < rounds; round++) {
            for (Contestant contestant : contestants) {
                progress.step(
                        "HandOver " + mib + " MiB, round " + (round + 1) + ": " + contestant.name(), EXPECTED_MILLIS);
                try (Scratch scratch = Scratch.inMemory()) {
                    idle.await();
                    Map<String, Object> line = new LinkedHashMap<>();
                    line.put("benchmark", "HandOver");
                    line.put("contestant", contestant.name());
                    line.put("round", round);
                    line.put("mib", mib);
                    measure(contestant, scratch.path(), mib, line);
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
}
