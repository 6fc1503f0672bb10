package dev.holdover.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** One line on stderr that says how far it is; where that is no terminal, a line now and then. */
final class Progress {
    private static final long EVERY_NANOS = 30_000_000_000L;

    private final boolean terminal = isTerminal();
    private final long start = System.nanoTime();
    private final long expected;
    private int runs;
    private long done;
    private long doing;
    private int failures;
    private long last = start - EVERY_NANOS;

    /** @param expected how long all runs take, about; in any unit, as those of {@link #step} */
    Progress(long expected) {
        this.expected = Math.max(expected, 1);
    }

    /** Whether stderr is one; {@link System#console} asks for stdin and stdout. */
    private static boolean isTerminal() {
        try {
            String target = Files.readSymbolicLink(Path.of("/proc/self/fd/2")).toString();
            return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty");
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * Begins a run.
     *
     * @param share of what is expected in all
     */
    void step(String what, long share) {
        long now = System.nanoTime();
        done += doing;
        doing = share;
        runs++;
        String left = done == 0 ? "" : ", " + time((now - start) / done * (expected - done)) + " left";
        String line = "bench: " + (100 * done / expected) + " %" + left + ": " + what;
        if (terminal) {
            System.err.print("\r\033[K" + line);
        } else if (now - last >= EVERY_NANOS) {
            last = now;
            System.err.println(line);
        }
    }

    /** Says why a run is not among the results; the others go on. */
    void leftOut(String why) {
        failures++;
        clear();
        System.err.println("bench: left out: " + why);
    }

    /** How many runs were left out. */
    int failures() {
        return failures;
    }

    private void clear() {
        if (terminal) {
            System.err.print("\r\033[K");
        }
    }

    /** Ends the line. */
    void end() {
        clear();
        System.err.println("bench: " + runs + " runs in " + time(System.nanoTime() - start));
    }

    private static String time(long nanos) {
        Duration time = Duration.ofNanos(nanos);
        return time.toMinutes() > 0
                ? time.toMinutes() + " min " + time.toSecondsPart() + " s"
                : time.toSecondsPart() + " s";
    }
}
