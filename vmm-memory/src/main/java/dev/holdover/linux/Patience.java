package dev.holdover.linux;

import java.util.function.LongSupplier;
import java.util.zip.CRC32C;

/**
 * How many times longer than on a usual host this process waits before it treats another one as hung. Every time limit of
 * the project is a base limit, which holds on a usual host, times this factor.
 *
 * <p>The factor is {@value #VARIABLE} of the environment if that is set, else it is measured: 1 on a usual host, from 4 to
 * 20 on a slow one. It is measured once, when the process first needs a limit: that takes some microseconds on a usual host, a
 * few milliseconds on a slow one, beside the time to load two classes. VMMs of one host come to the same factor, so that
 * the limits of two that speak with each other keep their order.
 *
 * <p>Why no limit is met on a host that is 50 times slower: a base limit is at least ten times what the work takes on a
 * usual host, the start of a JVM included where one has to start. With the factor 20 it is 200 times that. A host where
 * everything takes 50 times longer is left a margin of four: one factor of two for a busy guest that takes one of two
 * CPUs, another for code that runs for the first time.
 *
 * <p>The end of the other process is noticed at once, by the end of its connection: that goes by no limit.
 */
public final class Patience {
    /** The environment variable that sets the factor. */
    public static final String VARIABLE = "HOLDOVER_PATIENCE";

    /** The largest factor that may be set. No base limit times it exceeds an {@code int} of milliseconds. */
    static final double MAX_SET = 1000;

    /** The largest factor that is measured: a wrong measurement must not hide a hung process for hours. */
    static final double MAX_MEASURED = 20;

    // CRC32C is a stub of hand-written machine code, whether its caller is interpreted or compiled, so the time does
    // not depend on what the JVM has compiled. Its instructions are the ones that an emulator of processors is slowest
    // at:
    // 4 KiB take 0.2 µs on a server processor of 2.6 GHz, 0.5 µs on a slow one, and 27 µs in QEMU's TCG on the former,
    // whose other work is 7 (arithmetic) to 60 times (class loading) slower.
    private static final int BYTES = 4096;
    private static final int UPDATES = 8;
    private static final double SLOW_PROCESSOR_NANOS = 500.0 * UPDATES;
    /** Processors differ by this much. */
    private static final double USUAL = 4;
    /** A process that loses its CPU loses it in some of so many rounds of microseconds, not in all of them. */
    private static final int ROUNDS = 10;

    private static final class Host {
        private static final Patience PATIENCE = of(System.getenv(VARIABLE), new Checksum());
    }

    /** The work that is timed: one call is one round, and returns the nanoseconds that it took. */
    private static final class Checksum implements LongSupplier {
        private final byte[] bytes = new byte[BYTES];
        private final CRC32C crc = new CRC32C();

        @Override
        public long getAsLong() {
            long start = System.nanoTime();
            for (int i = 0; i < UPDATES; i++) {
                crc.update(bytes, 0, BYTES);
            }
            return System.nanoTime() - start;
        }
    }

    private final double factor;

    private Patience(double factor) {
        this.factor = factor;
    }

    /**
     * This process's. Does not block; measures at the first call.
     *
     * @throws UsageException if {@value #VARIABLE} is set to something else than a factor; see {@link #requireValid}
     */
    public static Patience host() {
        String set = System.getenv(VARIABLE);
        if (set != null) {
            requireValid(set);
        }
        return Host.PATIENCE;
    }

    /**
     * One of a given factor, for a caller that does not go by the host's; a test may shorten limits by it.
     *
     * @param factor positive, at most 1000
     */
    public static Patience of(double factor) {
        if (!(factor > 0 && factor <= MAX_SET)) {
            throw new IllegalArgumentException("the factor " + factor + " is not in (0, 1000]");
        }
        return new Patience(factor);
    }

    /**
     * Refuses a value of {@value #VARIABLE} that is no factor; at the start of a program, and not in the middle of a
     * hand-over.
     *
     * @throws UsageException if it is no decimal number from 1 to 1000
     */
    public static void requireValid(String value) {
        parse(value);
    }

    static Patience of(String set, LongSupplier round) {
        return set == null ? new Patience(measure(round)) : parse(set);
    }

    private static Patience parse(String value) {
        if (value.matches("[0-9]{1,4}(\\.[0-9]{1,6})?")) {
            double factor = Double.parseDouble(value);
            if (factor >= 1 && factor <= MAX_SET) {
                return new Patience(factor);
            }
        }
        throw new UsageException(VARIABLE + "=" + value + ": expected a number from 1 to 1000, by which time limits are"
                + " multiplied, such as 20; or unset it, and the host's speed is measured");
    }

    /** The factor by the fastest of some rounds; the first one that is as fast as on a usual host suffices. */
    private static double measure(LongSupplier round) {
        double slowness = Double.MAX_VALUE;
        for (int i = 0; i < ROUNDS && slowness > USUAL; i++) {
            slowness = Math.min(slowness, round.getAsLong() / SLOW_PROCESSOR_NANOS);
        }
        return slowness > USUAL ? Math.min(slowness, MAX_MEASURED) : 1;
    }

    /** What base limits are multiplied by. */
    public double factor() {
        return factor;
    }

    /** A limit in milliseconds, of a base limit in milliseconds; at least one. */
    public int millis(int base) {
        return (int) Math.max(1, Math.min(Integer.MAX_VALUE, Math.round(base * factor)));
    }

    /** A limit in seconds, of a base limit in seconds, rounded up. */
    public int seconds(int base) {
        return (int) Math.min(Integer.MAX_VALUE, Math.ceil(base * factor));
    }

    /** A limit in nanoseconds, of a base limit in milliseconds; to be added to {@link System#nanoTime}. */
    public long nanos(int baseMillis) {
        return millis(baseMillis) * 1_000_000L;
    }

    /** A limit for people: "10 s", "2.5 s", "200 ms". */
    public static String text(int millis) {
        if (millis < 1000) {
            return millis + " ms";
        }
        int tenths = Math.round(millis / 100f);
        return (tenths % 10 == 0 ? String.valueOf(tenths / 10) : tenths / 10 + "." + tenths % 10) + " s";
    }
}
