package dev.holdover.benchmarks;

import dev.holdover.device.BusDevice;
import java.util.concurrent.locks.LockSupport;

/** The device that the guests write to: counts, and tells when the first write came. One vCPU at a time. */
final class Counter implements BusDevice {
    private static final long DEADLINE_NANOS = 20_000_000_000L;

    private volatile long count;
    private volatile long firstAt;
    private volatile Thread waiter;

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
            LockSupport.unpark(waiter);
        } else {
            count++;
        }
    }

    long count() {
        return count;
    }

    /** Waits for the first write, and says when it came: {@link System#nanoTime}. */
    long awaitFirst() {
        waiter = Thread.currentThread();
        long deadline = System.nanoTime() + DEADLINE_NANOS;
        while (count == 0) {
            LockSupport.parkNanos(1_000_000);
            requireBefore(deadline);
        }
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
