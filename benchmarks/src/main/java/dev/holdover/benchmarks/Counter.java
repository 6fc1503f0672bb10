package dev.holdover.benchmarks;

import dev.holdover.device.BusDevice;

/** The device that the guests write to: counts, and tells when the first write came. One vCPU at a time. */
final class Counter implements BusDevice {
    private static final long DEADLINE_NANOS = 20_000_000_000L;

    private volatile long count;
    private volatile long firstAt;

    @Override
    public long read(long offset, int width) {
        return -1;
    }

    @Override
    @SuppressWarnings("NonAtomicVolatileUpdate") // one writer
    public void write(long offset, int width, long value) {
        if (count == 0) {
            firstAt = System.nanoTime();
            count = 1;
        } else {
            count++;
        }
    }

    long count() {
        return count;
    }

    /**
     * Spins until the first write has come, and says when: {@link System#nanoTime}. A thread that slept would be woken on
     * the processor of the guest, which goes on, and have to wait for it.
     */
    long awaitFirst() {
        awaitCount(1);
        return firstAt;
    }

    /** Spins until so many writes have come. */
    void awaitCount(long wanted) {
        long deadline = System.nanoTime() + DEADLINE_NANOS;
        while (count < wanted) {
            Thread.onSpinWait();
            requireBefore(deadline);
        }
    }

    private static void requireBefore(long deadline) {
        if (System.nanoTime() > deadline) {
            throw new IllegalStateException("the guest has written nothing for 20 s");
        }
    }
}
