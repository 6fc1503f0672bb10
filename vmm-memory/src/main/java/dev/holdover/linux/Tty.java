package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Terminals: raw mode and back, the window's size, and pseudo-terminals. See ioctl_tty(2), termios(3). */
public final class Tty {
    private static final int TCGETS = 0x5401;
    private static final int TCSETS = 0x5402;
    private static final int TIOCGWINSZ = 0x5413;
    private static final int TIOCGPTN = 0x80045430;
    private static final int TIOCSPTLCK = 0x40045431;
    // struct termios of the kernel: iflag@0 oflag@4 cflag@8 lflag@12 line@16 cc@17[19]
    private static final int TERMIOS_SIZE = 36;
    private static final int VTIME = 5;
    private static final int VMIN = 6;

    private Tty() {}

    public static boolean isTerminal(Fd fd) {
        try (Arena arena = Arena.ofConfined()) {
            return fd.tryIoctl(TCGETS, arena.allocate(TERMIOS_SIZE, 8).address()) == 0;
        }
    }

    /**
     * Puts a terminal into raw mode, as cfmakeraw(3), but keeps output processing of newlines.
     *
     * @return the modes it had, for {@link #restore}
     */
    public static byte[] makeRaw(Fd terminal) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment termios = arena.allocate(TERMIOS_SIZE, 8);
            terminal.ioctl("ioctl TCGETS", TCGETS, termios);
            byte[] before = termios.toArray(ValueLayout.JAVA_BYTE);
            clear(termios, 0, 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x80 | 0x100 | 0x400); // IGNBRK…IXON
            clear(termios, 8, 0x30 | 0x100); // CSIZE, PARENB
            termios.set(ValueLayout.JAVA_INT, 8, termios.get(ValueLayout.JAVA_INT, 8) | 0x30); // CS8
            clear(termios, 12, 0x1 | 0x2 | 0x8 | 0x40 | 0x8000); // ISIG ICANON ECHO ECHONL IEXTEN
            termios.set(ValueLayout.JAVA_BYTE, 17 + VMIN, (byte) 1);
            termios.set(ValueLayout.JAVA_BYTE, 17 + VTIME, (byte) 0);
            terminal.ioctl("ioctl TCSETS", TCSETS, termios);
            return before;
        }
    }

    private static void clear(MemorySegment termios, int offset, int bits) {
        termios.set(ValueLayout.JAVA_INT, offset, termios.get(ValueLayout.JAVA_INT, offset) & ~bits);
    }

    /** Sets the modes that {@link #makeRaw} returned; a terminal that is gone is no error. */
    public static void restore(Fd terminal, byte[] modes) {
        try (Arena arena = Arena.ofConfined()) {
            terminal.tryIoctl(
                    TCSETS, arena.allocateFrom(ValueLayout.JAVA_BYTE, modes).address());
        }
    }

    /** Columns and rows, as {@code columns << 16 | rows}; 0 where it is no terminal or has no size. */
    public static int windowSize(Fd terminal) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(8, 8);
            if (terminal.tryIoctl(TIOCGWINSZ, size.address()) < 0) {
                return 0;
            }
            int rows = size.get(ValueLayout.JAVA_SHORT, 0) & 0xFFFF;
            int columns = size.get(ValueLayout.JAVA_SHORT, 2) & 0xFFFF;
            return columns << 16 | rows;
        }
    }

    /**
     * A new pseudo-terminal.
     *
     * @param controller the side the VMM reads and writes
     * @param path of the side a terminal program opens, /dev/pts/N
     */
    public record Pty(Fd controller, String path) {}

    /** Opens a pseudo-terminal (pts(4)) and unlocks its other side. */
    public static Pty openPty() {
        Fd controller = Fd.open("/dev/ptmx", Fd.O_RDWR);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment word = arena.allocate(ValueLayout.JAVA_INT);
            controller.ioctl("ioctl TIOCSPTLCK", TIOCSPTLCK, word);
            controller.ioctl("ioctl TIOCGPTN", TIOCGPTN, word);
            return new Pty(controller, "/dev/pts/" + word.get(ValueLayout.JAVA_INT, 0));
        } catch (ErrnoException e) {
            controller.close();
            throw e;
        }
    }
}
