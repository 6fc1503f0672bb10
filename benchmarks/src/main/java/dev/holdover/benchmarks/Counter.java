package dev.holdover.benchmarks;

import dev.holdover.linux.Patience;
import dev.holdover.platform.BusDevice;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** The device that the guests write to: counts, and tells when the first write came. One vCPU at a time. */
final class Counter implements BusDevice {
    private static final long DEADLINE_NANOS = Patience.host().nanos(20_000);

    private final CountDownLatch first = new CountDownLatch(1);
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
            first.countDown();
        } else {
            count++;
        }
    }

    long count() {
        return count;
    }

    /**
     * Sleeps until the first write has come, and says when it came: {@link System#nanoTime}. As the thread does that has
     * started a guest; one that spun could keep the processor that the guest's thread waits for.
     */
    long awaitFirst() {
        try {
            if (!first.await(DEADLINE_NANOS, TimeUnit.NANOSECONDS)) {
                throw silent();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the guest was waited for", e);
        }
        return firstAt;
    }

    /** Spins until so many writes have come. */
    void awaitCount(long wanted) {
        long deadline = System.nanoTime() + DEADLINE_NANOS;
        while (count < wanted) {
            Thread.onSpinWait();
            if (System.nanoTime() > deadline) {
                throw silent();
            }
        }
    }

    private static IllegalStateException silent() {
        return new IllegalStateException("the guest has written nothing for 20 s");
    }
}
