package dev.holdover.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** Waits for the machine to be left alone, a while: what others do on its CPUs is the largest noise there is. */
final class Idle {
    private static final Path STAT = Path.of("/proc/stat");
    private static final long SLICE_MILLIS = 30;
    private static final double IDLE = 0.9;

    private final long patienceNanos;
    private int waits;
    private int busy;

    Idle(long patienceSeconds) {
        this.patienceNanos = TimeUnit.SECONDS.toNanos(patienceSeconds);
    }

    /** Returns when the CPUs have been idle for a moment, or the patience is at its end. */
    void await() throws IOException, InterruptedException {
        if (patienceNanos == 0) {
            return;
        }
        waits++;
        long deadline = System.nanoTime() + patienceNanos;
        long[] before = times();
        do {
            TimeUnit.MILLISECONDS.sleep(SLICE_MILLIS);
            long[] now = times();
            long all = now[1] - before[1];
            if (all > 0 && now[0] - before[0] >= all * IDLE) {
                return;
            }
            before = now;
        } while (System.nanoTime() < deadline);
        busy++;
    }

    /** Idle ticks, and all. */
    private static long[] times() throws IOException {
        String[] fields =
                Files.readString(STAT).lines().findFirst().orElseThrow().split(" +", -1);
        long all = 0;
        for (int i = 1; i <= 8; i++) {
            all += Long.parseLong(fields[i]);
        }
        return new long[] {Long.parseLong(fields[4]) + Long.parseLong(fields[5]), all};
    }

    /** The share of waits that ended without an idle machine. */
    double busyShare() {
        return waits == 0 ? 0 : (double) busy / waits;
    }
}
