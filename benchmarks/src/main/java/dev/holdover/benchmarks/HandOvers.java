package dev.holdover.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How long a guest is paused when it goes from one process to another of the same host, each time between two that are
 * fresh. Ours tell it themselves, part by part, from clocks that both share. QEMU is told to save to a file and to load
 * from it, and timed from outside.
 */
final class HandOvers {
    /**
     * How the guest comes to the other process.
     *
     * @param expectedMillis all that is started and one hand-over, with the wait for an idle machine, about
     * @param parts of ours, in their order
     */
    record Way(String benchmark, long expectedMillis, List<String> parts) {
        /** To one that stands by. */
        static final Way STANDBY = new Way("HandOver", 1_500, List.of("pause", "save", "send", "apply", "enter"));
        /** To one that is started when the first has ended; in between the guest is held by nobody who could run it. */
        static final Way REPLACED = new Way("HeldHandOver", 2_000, List.copyOf(Holdover.REPLACE_PARTS.keySet()));
    }

    private final List<Contestant> contestants;
    private final Lines lines;
    private final Idle idle;

    HandOvers(List<Contestant> contestants, Lines lines, Idle idle) {
        this.contestants = contestants;
        this.lines = lines;
        this.idle = idle;
    }

    void run(Way way, int mib, int rounds, Progress progress) throws IOException, InterruptedException {
        for (int round = 0; round < rounds; round++) {
            for (Contestant contestant : contestants) {
                progress.step(
                        way.benchmark() + " " + mib + " MiB, round " + (round + 1) + ": " + contestant.name(),
                        way.expectedMillis());
                try (Scratch scratch = Scratch.inMemory()) {
                    idle.await();
                    Map<String, Object> line = new LinkedHashMap<>();
                    line.put("benchmark", way.benchmark());
                    line.put("contestant", contestant.name());
                    line.put("round", round);
                    line.put("mib", mib);
                    measure(contestant, way, scratch.path(), mib, line);
                    lines.add(line);
                } catch (IOException e) {
                    progress.leftOut(e.getMessage());
                }
                lines.flush();
            }
        }
    }

    private static void measure(Contestant contestant, Way way, Path directory, int mib, Map<String, Object> line)
            throws IOException, InterruptedException {
        if (contestant instanceof Qemu qemu) {
            Path ram = directory.resolve("ram");
            Path state = directory.resolve("state");
            line.put("nanos", way.equals(Way.STANDBY) ? qemu.handOver(ram, mib, state) : qemu.replace(ram, mib, state));
            Files.deleteIfExists(ram);
        } else if (contestant instanceof Holdover holdover) {
            Map<String, Long> parts = way.equals(Way.STANDBY)
                    ? holdover.handOver(directory, mib, way.parts())
                    : holdover.replace(directory, mib);
            long sum = 0;
            for (long nanos : parts.values()) {
                sum += nanos;
            }
            line.put("nanos", sum);
            line.put("parts", parts);
        }
    }
}
