package dev.holdover.virtio;

import static dev.holdover.virtio.DriverQueue.Buffer.out;
import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A driver and a device on two processors that each go to sleep when they see nothing to do, and are woken only as the
 * rings' rules demand: if a notification or an interrupt is suppressed wrongly, both sleep for ever.
 */
@Timeout(120)
class LostWakeupTest {
    private static final int REQUESTS = 50_000;
    private static final long DEADLINE_NANOS = Patience.host().nanos(20_000);

    private final AtomicInteger notifications = new AtomicInteger();
    private final AtomicInteger interrupts = new AtomicInteger();
    private volatile boolean over;

    @ParameterizedTest
    @CsvSource({"false, 1", "false, 3", "true, 1", "true, 3"})
    void neitherSleepsForEver(boolean eventIndex, int inFlight) throws InterruptedException {
        try (TestRam ram = new TestRam()) {
            DriverQueue driver = new DriverQueue(ram, 0, 4, eventIndex);
            VirtQueue queue = new VirtQueue(ram.memory, 0);
            queue.setSize(4);
            queue.setDescriptors(driver.descriptors);
            queue.setAvailable(driver.available);
            queue.setUsed(driver.used);
            queue.enable();
            queue.start(false, eventIndex);
            AtomicReference<Throwable> failure = new AtomicReference<>();
            Thread device = Thread.ofPlatform().start(() -> {
                try {
                    work(queue);
                } catch (RuntimeException | Error e) {
                    failure.set(e);
                }
            });
            try {
                drive(driver, inFlight);
            } finally {
                over = true;
                device.join();
            }
            assertThat(failure.get()).isNull();
        }
    }

    private void work(VirtQueue queue) {
        int seen = 0;
        while (!over) {
            for (DescriptorChain chain = queue.next(); chain != null; chain = queue.next()) {
                queue.push(chain.head(), 0);
                queue.publish();
                if (queue.wantsInterrupt()) {
                    interrupts.getAndIncrement();
                }
            }
            for (int spins = 0; notifications.get() == seen && !over; spins++) {
                relax(spins);
            }
            seen = notifications.get();
        }
    }

    private void drive(DriverQueue driver, int inFlight) {
        int submitted = 0;
        int done = 0;
        int seen = 0;
        while (done < REQUESTS) {
            while (submitted < REQUESTS && submitted - done < inFlight) {
                driver.add(out(TestRam.BASE, 1));
                submitted++;
                if (driver.publish()) {
                    notifications.getAndIncrement();
                }
            }
            while (driver.take() != null) {
                done++;
            }
            if (done < submitted && !driver.enableInterrupt()) {
                long deadline = System.nanoTime() + DEADLINE_NANOS;
                for (int spins = 0; interrupts.get() == seen; spins++) {
                    relax(spins);
                    if (System.nanoTime() > deadline) {
                        throw new AssertionError("both sleep after request " + done);
                    }
                }
                seen = interrupts.get();
            }
        }
        assertThat(done).isEqualTo(submitted);
    }

    /** Spins while the other is at work on another processor, and makes room for it if there is none. */
    private static void relax(int spins) {
        if (spins < 2_000) {
            Thread.onSpinWait();
        } else {
            LockSupport.parkNanos(1_000);
        }
    }
}
