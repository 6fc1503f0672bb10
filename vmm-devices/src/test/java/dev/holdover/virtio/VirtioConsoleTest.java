package dev.holdover.virtio;

import static dev.holdover.virtio.DriverQueue.Buffer.in;
import static dev.holdover.virtio.DriverQueue.Buffer.out;
import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Tty;
import dev.holdover.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VirtioConsoleTest {
    private static final int RX = 0;
    private static final int TX = 1;

    @TempDir
    Path directory;

    private final TestRam ram = new TestRam();
    private final List<Throwable> failures = new ArrayList<>();
    private final List<AutoCloseable> opened = new ArrayList<>();
    private TestDriver driver;
    private DriverQueue rx;
    private DriverQueue tx;

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable resource : opened) {
            resource.close();
        }
        ram.assertGuardsUntouched();
        ram.close();
        assertThat(failures).isEmpty();
    }

    private VirtioConsole console(Fd input, Fd output, int columns, int rows) {
        VirtioConsole device = new VirtioConsole(input, output, columns, rows, failures::add);
        driver = new TestDriver(ram, device);
        opened.add(0, driver);
        return device;
    }

    /** A console on a socket; returns the host's end, which does not block. */
    private UnixSocket socketConsole() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        pair[0].fd().setNonBlocking(true);
        pair[1].fd().setNonBlocking(true);
        console(pair[1].fd(), pair[1].fd(), 0, 0);
        opened.add(pair[0]);
        return pair[0];
    }

    private void start(long features) {
        driver.begin(features);
        rx = driver.queue(RX, 16);
        tx = driver.queue(TX, 16);
        driver.ready();
    }

    private static MemorySegment text(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return Arena.ofAuto().allocateFrom(ValueLayout.JAVA_BYTE, bytes);
    }

    private String receiveText(int length) {
        long gpa = ram.allocate(length);
        rx.add(in(gpa, length));
        driver.kick(rx);
        DriverQueue.Used used = driver.await(rx, 1).get(0);
        return new String(ram.memory.read(gpa, (int) used.written()), StandardCharsets.UTF_8);
    }

    private void sendText(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        long gpa = ram.allocate(bytes.length);
        ram.memory.write(gpa, bytes);
        tx.add(out(gpa, 2), out(gpa + 2, bytes.length - 2));
        driver.kick(tx);
        driver.await(tx, 1);
    }

    @Test
    void carriesTextBothWays() {
        UnixSocket host = socketConsole();
        start(0);
        sendText("hello host");
        MemorySegment got = Arena.ofAuto().allocate(100);
        assertThat(host.fd().tryRead(got)).isEqualTo(10);
        assertThat(got.getString(0)).isEqualTo("hello host");

        host.fd().tryWrite(text("hello guest")); // before there is a buffer
        assertThat(receiveText(5)).isEqualTo("hello");
        assertThat(receiveText(100)).isEqualTo(" guest");
    }

    @Test
    void takesNoInputWithoutBuffers() {
        UnixSocket host = socketConsole();
        start(0);
        MemorySegment block = Arena.ofAuto().allocate(4096);
        long sent = 0;
        for (long n = host.fd().tryWrite(block); n > 0; n = host.fd().tryWrite(block)) {
            sent += n;
        }
        driver.settle();
        assertThat(Errno.EAGAIN.is(host.fd().tryWrite(block))).isTrue();
        long received = 0;
        while (received < sent) {
            received += receiveText(4096).length();
            ram.freeTo(TestRam.BASE + 65536);
        }
        assertThat(received).isEqualTo(sent);
    }

    @Test
    void waitsForTheHostToTakeOutputAndGoesOnElsewhereInTheMiddle() {
        UnixSocket host = socketConsole();
        start(0);
        byte[] bytes = new byte[1 << 20];
        new Random(4).nextBytes(bytes);
        long gpa = ram.allocate(bytes.length);
        ram.memory.write(gpa, bytes);
        tx.add(out(gpa, 1000), out(gpa + 1000, bytes.length - 1000));
        driver.kick(tx);
        driver.settle();
        assertThat(tx.usedIndex()).isZero();

        VirtioConsole device = (VirtioConsole) driver.device;
        device.pause();
        VirtioConsoleState state = device.state();
        assertThat(state.written()).isBetween(1L, bytes.length - 1L);
        VirtioState registers = driver.mmio.state();

        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        VirtioConsole target = new VirtioConsole(null, pair[1].fd(), 0, 0, failures::add);
        opened.add(pair[0]);
        try (TestDriver moved = new TestDriver(ram, target)) {
            pair[1].fd().setNonBlocking(true);
            target.restore(state);
            moved.mmio.restore(registers);
            target.resume();
            byte[] all = Arrays.copyOf(read(host.fd(), (int) state.written()), bytes.length);
            byte[] rest = read(pair[0].fd(), bytes.length - (int) state.written());
            System.arraycopy(rest, 0, all, (int) state.written(), rest.length);
            assertThat(all).isEqualTo(bytes);
            moved.await(tx, 1);
            moved.settle();
            assertThat(target.state().written()).isZero();
        }
    }

    /** Reads exactly so many bytes from a descriptor on which they are or will come. */
    private static byte[] read(Fd fd, int length) {
        MemorySegment bytes = Arena.ofAuto().allocate(length);
        fd.setNonBlocking(false);
        long done = 0;
        while (done < length) {
            long n = fd.tryRead(bytes.asSlice(done));
            assertThat(n).isPositive();
            done += n;
        }
        return bytes.toArray(ValueLayout.JAVA_BYTE);
    }

    @Test
    void aResetForgetsHalfWrittenOutput() {
        UnixSocket host = socketConsole();
        start(0);
        long gpa = ram.allocate(1 << 20);
        tx.add(out(gpa, 1 << 20));
        driver.kick(tx);
        driver.settle();
        driver.set(0x70, 0);
        assertThat(((VirtioConsole) driver.device).state().written()).isZero();
        MemorySegment got = Arena.ofAuto().allocate(1 << 20);
        while (host.fd().tryRead(got) > 0) {
            driver.settle();
        }
        start(0);
        sendText("again");
        assertThat(host.fd().tryRead(got)).isEqualTo(5);
    }

    @Test
    void theEndOfInputEndsInputOnly() throws Exception {
        Path file = Files.writeString(directory.resolve("in"), "all there is");
        Path output = Files.createFile(directory.resolve("out"));
        console(Fd.open(file.toString(), Fd.O_RDONLY), Fd.open(output.toString(), Fd.O_WRONLY), 0, 0);
        start(0);
        assertThat(receiveText(100)).isEqualTo("all there is");
        rx.add(in(ram.allocate(100), 100));
        driver.kick(rx);
        driver.settle();
        assertThat(rx.usedIndex()).isEqualTo(1);
        sendText("still here");
        assertThat(output).hasContent("still here");
    }

    @Test
    void dropsOutputThatNobodyTakes() {
        UnixSocket host = socketConsole();
        start(0);
        host.close();
        sendText("into the void");
        sendText("and again");
    }

    @Test
    void tellsTheTerminalsSize() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        opened.add(pair[0]);
        VirtioConsole device = console(pair[1].fd(), pair[1].fd(), 80, 25);
        assertThat(driver.offered() & 0xffffff).isEqualTo(1);
        start(1);
        assertThat(driver.mmio.read(0x100, 2)).isEqualTo(80);
        assertThat(driver.mmio.read(0x102, 2)).isEqualTo(25);
        device.resize(300, 50);
        assertThat(driver.awaitInterrupt()).isEqualTo(2);
        assertThat(driver.mmio.read(0x100, 4)).isEqualTo((50 << 16) | 300);
        assertThat(driver.get(0xfc)).isEqualTo(1);
        device.pause();
        assertThat(device.state()).isEqualTo(new VirtioConsoleState(0, 300, 50));
    }

    @Test
    void servesTerminalProgramsThatComeAndGo() {
        Tty.Pty pty = Tty.openPty();
        driver = new TestDriver(ram, VirtioConsole.onPty(pty, failures::add));
        opened.add(driver);
        start(0);
        sendText("nobody listens yet");
        MemorySegment got = Arena.ofAuto().allocate(100);
        for (String visit : List.of("first", "second")) {
            try (Fd program = Fd.open(pty.path(), Fd.O_RDWR)) {
                program.tryRead(got.fill((byte) 0));
                sendText("hello " + visit);
                assertThat(program.tryRead(got.fill((byte) 0))).isEqualTo(6 + visit.length());
                assertThat(got.getString(0)).isEqualTo("hello " + visit);
                program.tryWrite(text(visit));
                assertThat(receiveText(100)).as("what was typed, and no echo").isEqualTo(visit);
            }
            sendText("left behind");
        }
    }

    @Test
    void dropsWhatNobodyReadsFromAPseudoTerminal() {
        Tty.Pty pty = Tty.openPty();
        driver = new TestDriver(ram, VirtioConsole.onPty(pty, failures::add));
        opened.add(driver);
        start(0);
        long gpa = ram.allocate(1 << 20);
        for (int i = 0; i < 3; i++) {
            tx.add(out(gpa, 1 << 20));
            driver.kick(tx);
            driver.await(tx, 1);
        }
        driver.set(0x70, 0);
        assertThat(driver.get(0x70)).isZero();
    }
}
