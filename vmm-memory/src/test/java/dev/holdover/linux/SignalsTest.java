package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class SignalsTest {
    private static final int KICKS = 1000;

    @Test
    @Timeout(60)
    void eachKickInterruptsABlockingRead() throws Exception {
        Signals.installKick();
        Signals.installKick(); // does nothing
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        AtomicInteger threadId = new AtomicInteger();
        AtomicInteger interrupted = new AtomicInteger();
        AtomicInteger other = new AtomicInteger();
        try (UnixSocket here = pair[0];
                UnixSocket there = pair[1]) {
            Thread reader = Thread.ofPlatform().name("reader").start(() -> {
                Signals.unblockKick();
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment buffer = arena.allocate(1);
                    threadId.set(Signals.threadId());
                    long n;
                    while ((n = here.fd().tryRead(buffer)) != 1) {
                        (Errno.EINTR.is(n) ? interrupted : other).incrementAndGet();
                    }
                }
            });
            while (threadId.get() == 0) {
                Thread.onSpinWait();
            }
            for (int i = 0; i < KICKS; i++) {
                awaitBlockedIn(threadId.get(), Syscall.READ, here.fd().number());
                Signals.kick(threadId.get());
                while (interrupted.get() == i && other.get() == 0) {
                    Thread.onSpinWait();
                }
            }
            try (Arena arena = Arena.ofConfined()) {
                there.fd().tryWrite(arena.allocate(1));
            }
            reader.join();
            Signals.kick(threadId.get()); // a thread that has ended
        }
        assertThat(other).hasValue(0);
        assertThat(interrupted).hasValue(KICKS);
    }

    /** Waits until a thread sleeps in that system call on that descriptor; a kick before it would be no kick of it. */
    private static void awaitBlockedIn(int threadId, int call, int fd) throws Exception {
        String blocked = call + " 0x" + Integer.toHexString(fd) + " ";
        Path state = Path.of("/proc/self/task/" + threadId + "/syscall");
        try {
            while (!Files.readString(state).startsWith(blocked)) {
                Thread.onSpinWait();
            }
        } catch (NoSuchFileException e) {
            throw new AssertionError("the reader has ended", e);
        }
    }
}
