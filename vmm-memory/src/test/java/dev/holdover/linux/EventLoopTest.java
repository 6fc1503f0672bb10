package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class EventLoopTest {
    private final BlockingQueue<Throwable> failures = new LinkedBlockingQueue<>();
    private final EventLoop loop = new EventLoop("test loop", failures::add);

    @AfterEach
    void close() {
        loop.close();
    }

    private static boolean acquired(Semaphore semaphore) throws InterruptedException {
        return semaphore.tryAcquire(Patience.host().seconds(20), TimeUnit.SECONDS);
    }

    @Test
    void callsAHandlerUntilItIsUnwatched() throws InterruptedException {
        try (EventFd event = new EventFd()) {
            Semaphore called = new Semaphore(0);
            AtomicLong key = new AtomicLong();
            loop.runAndWait(() -> key.set(loop.watch(event.fd(), Epoll.EPOLLIN, events -> {
                event.drain();
                called.release();
            })));
            event.signal();
            assertThat(acquired(called)).isTrue();
            event.signal();
            assertThat(acquired(called)).isTrue();
            loop.runAndWait(() -> loop.unwatch(key.get()));
            event.signal();
            loop.runAndWait(() -> {});
            assertThat(called.availablePermits()).isZero();
        }
    }

    @Test
    void aHandlerMayUnwatchOneThatIsReadyToo() throws InterruptedException {
        try (EventFd a = new EventFd();
                EventFd b = new EventFd()) {
            AtomicInteger calls = new AtomicInteger();
            long[] keys = new long[2];
            EventLoop.Handler handler = events -> {
                calls.incrementAndGet();
                loop.unwatch(keys[0]);
                loop.unwatch(keys[1]);
            };
            a.signal();
            b.signal();
            loop.runAndWait(() -> {
                keys[0] = loop.watch(a.fd(), Epoll.EPOLLIN, handler);
                keys[1] = loop.watch(b.fd(), Epoll.EPOLLIN, handler);
            });
            await("a call", () -> calls.get() > 0);
            loop.runAndWait(() -> {});
            assertThat(calls).hasValue(1);
        }
    }

    @Test
    void aRegularFileIsRefusedAndLeavesNothingBehind(@TempDir Path dir) {
        try (Fd file = Fd.open(dir.resolve("f").toString(), Fd.O_RDWR | Fd.O_CREAT, 0600)) {
            assertThatThrownBy(() -> loop.runAndWait(() -> loop.watch(file, Epoll.EPOLLIN, events -> {})))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EPERM));
        }
        loop.runAndWait(() -> {});
        assertThat(failures).isEmpty();
    }

    @Test
    void whatATaskThrowsComesOutOfRunAndWaitOnly() {
        assertThatThrownBy(() -> loop.runAndWait(() -> {
                    throw new IllegalStateException("no");
                }))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("no");
        loop.runAndWait(() -> loop.runAndWait(() -> {})); // on its own thread: at once
        assertThat(failures).isEmpty();
    }

    @Test
    void aHandlerThatThrowsEndsTheLoopAndIsTold() throws InterruptedException {
        loop.run(() -> {
            throw new IllegalStateException("broken");
        });
        assertThat(failures.poll(Patience.host().seconds(20), TimeUnit.SECONDS)).hasMessage("broken");
        Semaphore ran = new Semaphore(0);
        loop.run(ran::release);
        assertThat(acquired(ran)).isTrue();
        loop.runAndWait(() -> {});
    }

    @Test
    void afterTheEndTasksRunAndDescriptorsCanBeLetGo() {
        try (EventFd event = new EventFd()) {
            AtomicLong key = new AtomicLong();
            loop.runAndWait(() -> key.set(loop.watch(event.fd(), Epoll.EPOLLIN, events -> {})));
            loop.close();
            loop.close();
            loop.runAndWait(() -> loop.unwatch(key.get()));
            loop.runAndWait(() -> loop.unwatch(loop.watch(event.fd(), Epoll.EPOLLIN, events -> {})));
        }
    }

    @Test
    void theLoopCanBeClosedOnItsOwnThread() {
        loop.run(loop::close);
        loop.runAndWait(() -> {});
        loop.close();
    }

    /** Tasks that come while the loop ends: each runs exactly once. */
    @Test
    void noTaskIsLostAtTheEnd() throws InterruptedException {
        for (int round = 0; round < 200; round++) {
            EventLoop ending = new EventLoop("ending", failures::add);
            AtomicInteger ran = new AtomicInteger();
            Thread caller = new Thread(() -> {
                for (int i = 0; i < 50; i++) {
                    ending.run(ran::incrementAndGet);
                }
                ending.runAndWait(ran::incrementAndGet);
            });
            caller.start();
            ending.close();
            caller.join();
            await("51 tasks", () -> ran.get() >= 51);
            assertThat(ran).hasValue(51);
        }
        assertThat(failures).isEmpty();
    }

    private static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + Patience.host().nanos(30_000);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as(what).isLessThan(deadline);
            Thread.sleep(1);
        }
    }

    @Test
    void hasNoThreadUntilItHasATask() {
        EventLoop idle = new EventLoop("idle", failure -> {});
        assertThat(Thread.getAllStackTraces().keySet())
                .extracting(Thread::getName)
                .doesNotContain("idle");
        idle.close();
        idle.close();
        Thread[] ran = new Thread[1];
        idle.run(() -> ran[0] = Thread.currentThread());
        assertThat(ran[0]).isSameAs(Thread.currentThread());
    }
}
