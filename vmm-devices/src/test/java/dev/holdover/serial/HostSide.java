package dev.holdover.serial;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.platform.Uart16550;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/** Reads and writes descriptors as a user's program would, with a deadline. */
final class HostSide {
    private static final int DEADLINE_MILLIS = Patience.host().millis(20_000);
    private static final int FIONREAD = 0x541b;

    private HostSide() {}

    static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    /** All of {@code bytes}; blocks while the other side does not read. */
    static void write(Fd fd, byte[] bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
            long done = 0;
            while (done < bytes.length) {
                done += ErrnoException.check("write", fd.tryWrite(segment.asSlice(done)));
            }
        }
    }

    /** Exactly {@code length} bytes, or what came before the end or the deadline. */
    static byte[] read(Fd fd, int length) {
        ByteArrayOutputStream read = new ByteArrayOutputStream();
        try (Arena arena = Arena.ofConfined();
                Epoll epoll = new Epoll()) {
            epoll.add(fd, Epoll.EPOLLIN, 0);
            MemorySegment buffer = arena.allocate(4096);
            while (read.size() < length && epoll.await(DEADLINE_MILLIS) > 0) {
                long n = fd.tryRead(buffer.asSlice(0, Math.min(buffer.byteSize(), length - read.size())));
                if (n <= 0) {
                    break;
                }
                read.writeBytes(buffer.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE));
            }
        }
        return read.toByteArray();
    }

    static String readText(Fd fd, int length) {
        return new String(read(fd, length), StandardCharsets.ISO_8859_1);
    }

    /** Whether the other side closes before the deadline; what comes before is thrown away. */
    static boolean readsEnd(Fd fd) {
        return read(fd, Integer.MAX_VALUE).length < Integer.MAX_VALUE && hungUp(fd);
    }

    private static boolean hungUp(Fd fd) {
        try (Epoll epoll = new Epoll()) {
            epoll.add(fd, 0, 0);
            return epoll.await(DEADLINE_MILLIS) > 0;
        }
    }

    /** Bytes that could be read now. */
    static int available(Fd fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
            fd.ioctl("FIONREAD", FIONREAD, count);
            return count.get(ValueLayout.JAVA_INT, 0);
        }
    }

    /** A condition that another thread brings about. */
    @FunctionalInterface
    interface Condition {
        boolean holds();
    }

    static void await(String what, Condition condition) throws InterruptedException {
        long deadline = System.nanoTime() + DEADLINE_MILLIS * 1_000_000L;
        while (!condition.holds()) {
            assertThat(System.nanoTime()).as(what).isLessThan(deadline);
            Thread.sleep(1);
        }
    }

    /** Reads {@code length} bytes from the port as a polling guest does. */
    static byte[] guestReads(Uart16550 uart, int length) throws InterruptedException {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            if ((uart.read(5, 1) & 1) == 0) {
                await("byte " + i + " for the guest", () -> (uart.read(5, 1) & 1) != 0);
            }
            bytes[i] = (byte) uart.read(0, 1);
        }
        return bytes;
    }

    static void guestWrites(Uart16550 uart, byte[] bytes) {
        for (byte b : bytes) {
            uart.write(0, 1, b & 0xff);
        }
    }
}
