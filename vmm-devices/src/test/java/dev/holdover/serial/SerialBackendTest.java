package dev.holdover.serial;

import static dev.holdover.serial.HostSide.ascii;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.Tty;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.platform.Uart16550;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class SerialBackendTest {
    private static final int PASTE = 10_240;

    private final BlockingQueue<Throwable> failures = new LinkedBlockingQueue<>();
    private final EventLoop loop = new EventLoop("serial input", failures::add);
    private final Semaphore quits = new Semaphore(0);

    @TempDir
    private Path dir;

    @AfterEach
    void close() {
        loop.close();
        assertThat(failures).isEmpty();
    }

    private Uart16550 start(SerialBackend backend) {
        Uart16550 uart = new Uart16550(high -> {}, backend);
        uart.write(2, 1, 0x01); // FIFOs on
        backend.start(uart);
        return uart;
    }

    private SerialBackend open(String config) {
        return SerialBackend.open(SerialConfig.parse(config), loop, quits::release);
    }

    private static byte[] paste() {
        byte[] bytes = new byte[PASTE];
        Random random = new Random(7);
        for (int i = 0; i < PASTE; i++) {
            bytes[i] = (byte) (' ' + random.nextInt(90));
        }
        return bytes;
    }

    private static Thread inBackground(Runnable task) {
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    // stdio

    @Test
    void aPipeOnStandardInputIsReadOnlyAsFarAsTheGuestReads() throws InterruptedException {
        UnixSocket[] in = UnixSocket.pair(UnixSocket.Kind.STREAM);
        UnixSocket[] out = UnixSocket.pair(UnixSocket.Kind.STREAM);
        byte[] sent = paste();
        sent[3] = 1; // no escapes here
        sent[4] = 'x';
        try (StdioSerial stdio = new StdioSerial(loop, in[0].fd(), out[0].fd(), quits::release)) {
            Uart16550 uart = start(stdio);
            HostSide.write(in[1].fd(), sent);
            HostSide.await("a full FIFO", () -> uart.state().received().length == 16);
            loop.runAndWait(() -> {});
            assertThat(HostSide.available(in[0].fd())).isEqualTo(PASTE - 16);
            assertThat(HostSide.guestReads(uart, PASTE)).isEqualTo(sent);

            in[1].close(); // the end of the input is not the end of the guest
            HostSide.guestWrites(uart, ascii("still here"));
            assertThat(HostSide.readText(out[1].fd(), 10)).isEqualTo("still here");
        }
        assertThat(quits.availablePermits()).isZero();
        out[1].close();
    }

    @Test
    void aRegularFileOnStandardInputIsReadToItsEnd() throws IOException, InterruptedException {
        Path script = dir.resolve("script");
        Files.write(script, paste());
        Fd in = Fd.open(script.toString(), Fd.O_RDONLY);
        Fd out = Fd.open(dir.resolve("out").toString(), Fd.O_WRONLY | Fd.O_CREAT, 0600);
        try (StdioSerial stdio = new StdioSerial(loop, in, out, quits::release)) {
            Uart16550 uart = start(stdio);
            assertThat(HostSide.guestReads(uart, PASTE)).isEqualTo(paste());
            HostSide.guestWrites(uart, ascii("bye"));
        }
        assertThat(dir.resolve("out")).hasContent("bye");
    }

    @Test
    void theEndOfItsReaderEndsTheVmm() throws InterruptedException {
        UnixSocket[] out = UnixSocket.pair(UnixSocket.Kind.STREAM);
        out[1].close();
        try (StdioSerial stdio = new StdioSerial(loop, null, out[0].fd(), quits::release)) {
            HostSide.guestWrites(start(stdio), ascii("x"));
            assertThat(quits.tryAcquire(Patience.host().seconds(20), TimeUnit.SECONDS))
                    .isTrue();
        }
    }

    @Test
    void closedStandardDescriptorsAreNoTrouble() {
        try (StdioSerial stdio = new StdioSerial(loop, null, null, quits::release)) {
            Uart16550 uart = start(stdio);
            HostSide.guestWrites(uart, ascii("x"));
            assertThat(stdio.dropped()).isEqualTo(1);
        }
    }

    @Test
    void aTerminalIsRawInBetweenAndEscapesAreTheVmms() throws InterruptedException {
        Tty.Pty pty = Tty.openPty();
        Fd terminal = Fd.open(pty.path(), Fd.O_RDWR);
        try (terminal) {
            StdioSerial stdio = new StdioSerial(loop, terminal.dup(), terminal.dup(), quits::release);
            Uart16550 uart = start(stdio);
            HostSide.write(pty.controller(), new byte[] {'l', 's', 1, 1, 1, 'q', 3, '\r'});
            assertThat(HostSide.guestReads(uart, 5))
                    .as("Ctrl-A sent by doubling, an unknown escape swallowed, Ctrl-C the guest's")
                    .containsExactly('l', 's', 1, 3, '\r');
            HostSide.guestWrites(uart, ascii("out"));
            assertThat(HostSide.readText(pty.controller(), 3)).as("no echo").isEqualTo("out");

            HostSide.write(pty.controller(), ascii("a guest that hangs does not read this"));
            HostSide.write(pty.controller(), new byte[] {1});
            HostSide.write(pty.controller(), ascii("x"));
            assertThat(quits.tryAcquire(Patience.host().seconds(20), TimeUnit.SECONDS))
                    .as("Ctrl-A x")
                    .isTrue();
            stdio.close();
            stdio.close();

            HostSide.write(pty.controller(), ascii("cooked\n"));
            assertThat(HostSide.readText(pty.controller(), 8))
                    .as("echoed again")
                    .isEqualTo("cooked\r\n");
        } finally {
            pty.controller().close();
        }
    }

    @Test
    void aPasteIntoATerminalArrivesWhole() throws InterruptedException {
        Tty.Pty pty = Tty.openPty();
        try (Fd terminal = Fd.open(pty.path(), Fd.O_RDWR);
                StdioSerial stdio = new StdioSerial(loop, terminal.dup(), terminal.dup(), quits::release)) {
            Uart16550 uart = start(stdio);
            Thread user = inBackground(() -> HostSide.write(pty.controller(), paste()));
            assertThat(HostSide.guestReads(uart, PASTE)).isEqualTo(paste());
            user.join();
        } finally {
            pty.controller().close();
        }
    }

    /** The JVM's own standard descriptors, in a process that SIGTERM ends. */
    @Test
    void sigtermRestoresTheTerminalAndWritesTheLastBytes() throws IOException, InterruptedException {
        Tty.Pty pty = Tty.openPty();
        Fd shell = Fd.open(pty.path(), Fd.O_RDWR); // keeps the terminal when the VMM has gone
        try {
            Process vmm = new ProcessBuilder(
                            ProcessHandle.current().info().command().orElseThrow(),
                            "--enable-native-access=ALL-UNNAMED",
                            "-cp",
                            Path.of("target/test-classes") + ":" + home(Uart16550.class) + ":" + home(Fd.class),
                            StdioProcess.class.getName())
                    .redirectInput(Path.of(pty.path()).toFile())
                    .redirectOutput(Path.of(pty.path()).toFile())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            try {
                assertThat(HostSide.readText(pty.controller(), 5)).isEqualTo("guest");
                HostSide.write(pty.controller(), ascii("k"));
                assertThat(HostSide.readText(pty.controller(), 1))
                        .as("sent back by the guest, not echoed")
                        .isEqualTo("K");
                vmm.destroy();
                assertThat(vmm.waitFor(Patience.host().seconds(20), TimeUnit.SECONDS))
                        .isTrue();
            } finally {
                vmm.destroyForcibly();
            }
            HostSide.write(pty.controller(), ascii("c\n"));
            assertThat(HostSide.readText(pty.controller(), 3)).isEqualTo("c\r\n");
        } finally {
            shell.close();
            pty.controller().close();
        }
    }

    private static Path home(Class<?> type) {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().getPath());
    }

    /** A guest that sends back what it gets, in capitals, on standard input and output. */
    static final class StdioProcess {
        public static void main(String[] args) throws InterruptedException {
            EventLoop loop = new EventLoop("serial input", Throwable::printStackTrace);
            SerialBackend stdio = SerialBackend.open(new SerialConfig.Stdio(), loop, () -> {});
            Uart16550 uart = new Uart16550(high -> {}, stdio);
            stdio.start(uart);
            HostSide.guestWrites(uart, ascii("guest"));
            while (true) {
                if ((uart.read(5, 1) & 1) != 0) {
                    uart.write(0, 1, uart.read(0, 1) - 'a' + 'A');
                }
                Thread.sleep(1);
            }
        }
    }

    // null and file

    @Test
    void nullTakesAll() {
        try (SerialBackend backend = open("null")) {
            HostSide.guestWrites(start(backend), ascii("x"));
            assertThat(backend.dropped()).isZero();
        }
    }

    @Test
    void aFileIsCutAndHoldsAllAtTheEnd() throws IOException {
        Path file = dir.resolve("log");
        Files.writeString(file, "from the run before");
        byte[] sent = paste();
        try (SerialBackend backend = open("file:" + file)) {
            HostSide.guestWrites(start(backend), sent);
        }
        assertThat(file).hasBinaryContent(sent);
        Files.delete(file);
        try (SerialBackend backend = open("file:" + file)) {
            start(backend);
        }
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .startsWith("rw-")
                .doesNotContain("x");
    }

    /** A live update may take the state after a signal came: what the guest has written by then is never written again. */
    @Test
    void outputAfterASignalIsNotLost() throws IOException {
        Path file = dir.resolve("log");
        try (SerialBackend backend = SerialBackend.open(SerialConfig.parse("file:" + file), loop, () -> {})) {
            Uart16550 uart = start(backend);
            HostSide.guestWrites(uart, ascii("before "));
            backend.exiting();
            HostSide.guestWrites(uart, ascii("after"));
            backend.flush();
            assertThat(file).hasContent("before after");
        }
    }

    @Test
    void aFileIsAsItWasIfTheGuestNeverRan() throws IOException {
        Path old = dir.resolve("old");
        Files.writeString(old, "from the run before");
        open("file:" + old).close();
        assertThat(old).hasContent("from the run before");
        open("file:" + dir.resolve("new")).close();
        assertThat(dir.resolve("new")).doesNotExist();
    }

    @Test
    void aFileThatCannotBeOpenedIsASentence() {
        assertThatThrownBy(() -> open("file:" + dir))
                .isInstanceOf(VmmException.class)
                .hasMessage("cannot open the serial port's file, open " + dir
                        + ": EISDIR (Is a directory): name a file that can be written");
    }

    // pty

    @Test
    void aPseudoTerminalWorksBothWaysAndDoesNotEcho() throws InterruptedException {
        try (PtySerial backend = new PtySerial(loop)) {
            Uart16550 uart = start(backend);
            HostSide.guestWrites(uart, ascii("early\n"));
            try (Fd user = Fd.open(backend.path(), Fd.O_RDWR)) {
                assertThat(HostSide.readText(user, 6)).isEqualTo("early\n");
                Thread typing = inBackground(() -> HostSide.write(user, paste()));
                assertThat(HostSide.guestReads(uart, PASTE)).isEqualTo(paste());
                typing.join();
            }
            // Nobody there: the guest goes on, and the next one sees what it says.
            HostSide.guestWrites(uart, ascii("again"));
            try (Fd user = Fd.open(backend.path(), Fd.O_RDWR)) {
                assertThat(HostSide.readText(user, 5)).isEqualTo("again");
            }
            assertThat(uart.state().received()).isEmpty();
            int sent = 0;
            while (backend.dropped() == 0 && sent < 1_000_000) {
                HostSide.guestWrites(uart, ascii("."));
                sent++;
            }
            assertThat(backend.dropped()).as("nobody reads, nobody waits").isPositive();
        }
    }

    // unix

    private String socketPath() {
        return dir.resolve("s").toString();
    }

    private UnixSocket connect() {
        return UnixSocket.connect(UnixSocket.Kind.STREAM, socketPath());
    }

    /** Sends until the client gets it: the server may not have accepted yet, and drops until then. */
    private static void greet(Uart16550 uart, UnixSocket client) throws InterruptedException {
        HostSide.await("output at the client", () -> {
            HostSide.guestWrites(uart, ascii("."));
            return HostSide.available(client.fd()) > 0;
        });
    }

    @Test
    void clientsComeOneAfterTheOther() throws InterruptedException {
        SerialBackend backend = open("unix:" + socketPath());
        Uart16550 uart = start(backend);
        HostSide.guestWrites(uart, ascii("nobody"));
        assertThat(backend.dropped()).isEqualTo(6);
        UnixSocket first = connect();
        greet(uart, first);
        UnixSocket second = connect();
        Thread typing = inBackground(() -> HostSide.write(first.fd(), paste()));
        assertThat(HostSide.guestReads(uart, PASTE)).isEqualTo(paste());
        typing.join();
        HostSide.write(second.fd(), ascii("second"));
        HostSide.write(first.fd(), ascii("last words of the first, "));
        first.close();
        assertThat(new String(HostSide.guestReads(uart, 31), StandardCharsets.ISO_8859_1))
                .isEqualTo("last words of the first, second");
        greet(uart, second);
        backend.close();
        assertThat(Path.of(socketPath())).doesNotExist();
        assertThat(HostSide.readsEnd(second.fd())).isTrue();
        second.close();
    }

    @Test
    void aClientThatOnlyListensOnIsServed() throws IOException, InterruptedException {
        try (SerialBackend backend = open("unix:" + socketPath())) {
            Uart16550 uart = start(backend);
            // nc -N: sends, shuts its sending side down and waits for the answer
            try (java.nio.channels.SocketChannel client =
                    java.nio.channels.SocketChannel.open(java.net.UnixDomainSocketAddress.of(socketPath()))) {
                client.write(java.nio.ByteBuffer.wrap(ascii("q")));
                client.shutdownOutput();
                assertThat(HostSide.guestReads(uart, 1)).containsExactly('q');
                loop.runAndWait(() -> {});
                HostSide.guestWrites(uart, ascii("a"));
                java.nio.ByteBuffer answer = java.nio.ByteBuffer.allocate(1);
                assertThat(client.read(answer)).isEqualTo(1);
                assertThat(answer.get(0)).isEqualTo((byte) 'a');
            }
            try (UnixSocket next = connect()) {
                greet(uart, next);
            }
        }
    }

    @Test
    void aClientThatDoesNotReadStopsNobody() throws InterruptedException {
        try (SerialBackend backend = open("unix:" + socketPath())) {
            Uart16550 uart = start(backend);
            try (UnixSocket lazy = connect()) {
                greet(uart, lazy);
                long before = backend.dropped();
                for (int i = 0; i < 1_000_000; i++) {
                    uart.write(0, 1, 'x');
                }
                assertThat(backend.dropped()).isGreaterThan(before);
            }
            try (UnixSocket next = connect()) {
                greet(uart, next);
            }
        }
    }

    @Test
    void aStaleSocketIsReplacedAndAnythingElseRefused() throws IOException {
        UnixSocket.listen(UnixSocket.Kind.STREAM, socketPath()).close();
        assertThat(Path.of(socketPath())).exists();
        SerialBackend backend = open("unix:" + socketPath());
        assertThatThrownBy(() -> open("unix:" + socketPath()))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("another process listens on it");
        assertThat(Path.of(socketPath())).exists();
        backend.close();
        assertThat(Path.of(socketPath())).doesNotExist();

        Files.writeString(Path.of(socketPath()), "precious");
        assertThatThrownBy(() -> open("unix:" + socketPath()))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("a file that is no socket is there");
        assertThat(Path.of(socketPath())).hasContent("precious");
        assertThatThrownBy(() -> open("unix:" + dir.resolve("none/s")))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("ENOENT");
        assertThatThrownBy(() -> open("unix:" + "x".repeat(200)))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("107");
    }
}
