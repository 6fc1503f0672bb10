package dev.holdover.benchmarks;

import java.util.LinkedHashMap;
import java.util.Map;

/** How long the parts of one run took: name to nanoseconds, in their order. */
final class Parts {
    private final Map<String, Long> nanos = new LinkedHashMap<>();
    private final long start = System.nanoTime();
    private long last = start;

    /** What went by since the last part ended, or since this was made. */
    void done(String part) {
        long now = System.nanoTime();
        nanos.put(part, now - last);
        last = now;
    }

    /** The last part ended at that time of {@link System#nanoTime}, which this thread may notice late. */
    void endAt(long time) {
        last = time;
    }

    /** From the making of this to the end of the last part, nanoseconds; also what lies between parts. */
    long total() {
        return last - start;
    }

    /** A part that somebody else timed. */
    void add(String part, long time) {
        nanos.put(part, time);
    }

    Map<String, Long> nanos() {
        return nanos;
    }
}
