package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** On a pseudo-terminal: the controller is the person at the keyboard, the terminal is what the VMM has as stdin. */
class TtyTest {
    private static final int TIOCSWINSZ = 0x5414;

    private final Arena arena = Arena.ofShared();
    private Tty.Pty pty;
    private Fd terminal;

    @BeforeEach
    void openTerminal() {
        pty = Tty.openPty();
        terminal = Fd.open(pty.path(), Fd.O_RDWR);
        pty.controller().setNonBlocking(true);
        terminal.setNonBlocking(true);
    }

    @AfterEach
    void closeTerminal() {
        terminal.close();
        pty.controller().close();
        arena.close();
    }

    private void type(String keys) {
        byte[] bytes = keys.getBytes(StandardCharsets.US_ASCII);
        assertThat(pty.controller().tryWrite(arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes)))
                .isEqualTo(bytes.length);
    }

    /** What can be read now; "" if nothing. A pty hands over what was written within the write call or soon after. */
    private String read(Fd from, int atLeast) {
        MemorySegment buffer = arena.allocate(100);
        StringBuilder read = new StringBuilder();
        try (Epoll epoll = new Epoll()) {
            epoll.add(from, Epoll.EPOLLIN, 0);
            while (read.length() < atLeast && epoll.await(Patience.host().millis(10_000)) > 0) {
                long n = from.tryRead(buffer);
                for (int i = 0; i < n; i++) {
                    read.append((char) buffer.get(ValueLayout.JAVA_BYTE, i));
                }
            }
        }
        return read.toString();
    }

    @Test
    void rawModeHandsOverEachKeyUnechoed() {
        byte[] before = Tty.makeRaw(terminal);
        assertThat(before).hasSize(36);
        type("a\3\21\r\4\177"); // Ctrl-C, Ctrl-Q, Return, Ctrl-D, Backspace: none may be the terminal's own
        assertThat(read(terminal, 6)).isEqualTo("a\3\21\r\4\177");
        assertThat(Errno.EAGAIN.is(pty.controller().tryRead(arena.allocate(9))))
                .as("nothing is echoed")
                .isTrue();
    }

    @Test
    void rawModeStillMovesTheCursorBackOnANewline() {
        Tty.makeRaw(terminal);
        terminal.tryWrite(arena.allocateFrom(ValueLayout.JAVA_BYTE, (byte) 'x', (byte) '\n'));
        assertThat(read(pty.controller(), 3)).isEqualTo("x\r\n");
    }

    @Test
    void restoreBringsEveryModeBack() {
        byte[] before = Tty.makeRaw(terminal);
        byte[] raw = modes();
        assertThat(raw).isNotEqualTo(before);
        Tty.restore(terminal, before);
        assertThat(modes()).isEqualTo(before);
        type("li\177ne\r");
        assertThat(read(terminal, 4)).as("lines are edited again").isEqualTo("lne\n");
        Tty.restore(terminal, raw);
        assertThat(modes()).isEqualTo(raw);
    }

    private byte[] modes() {
        MemorySegment termios = arena.allocate(36, 8);
        terminal.ioctl("TCGETS", 0x5401, termios);
        return termios.toArray(ValueLayout.JAVA_BYTE);
    }

    @Test
    void aTerminalThatIsGoneIsNoErrorToRestore() {
        byte[] before = Tty.makeRaw(terminal);
        pty.controller().close();
        Tty.restore(terminal, before);
    }

    @Test
    void tellsTheWindowsSize() {
        assertThat(Tty.windowSize(terminal)).isZero();
        MemorySegment size = arena.allocate(8, 8);
        size.set(ValueLayout.JAVA_SHORT, 0, (short) 25);
        size.set(ValueLayout.JAVA_SHORT, 2, (short) 132);
        pty.controller().ioctl("TIOCSWINSZ", TIOCSWINSZ, size);
        assertThat(Tty.windowSize(terminal)).isEqualTo(132 << 16 | 25);
    }

    @Test
    void tellsTerminalsFromOthers() {
        assertThat(Tty.isTerminal(terminal)).isTrue();
        try (EventFd event = new EventFd()) {
            assertThat(Tty.isTerminal(event.fd())).isFalse();
            assertThat(Tty.windowSize(event.fd())).isZero();
            assertThatThrownBy(() -> Tty.makeRaw(event.fd())).isInstanceOf(ErrnoException.class);
        }
    }
}
