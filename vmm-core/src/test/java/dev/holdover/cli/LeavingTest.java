package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.Tty;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Ways out of {@code vmm run}: what the exit code is, and that terminal and files are left as they were. */
class LeavingTest {
    private static final int TCGETS = 0x5401;
    private static final int TERMIOS_SIZE = 36;
    private static final int DEADLINE_SECONDS = Patience.host().seconds(30);

    @TempDir
    private Path dir;

    private Shell shell;

    @BeforeEach
    void open() {
        shell = new Shell(dir);
    }

    private static List<String> run(String guest, String... options) {
        List<String> command = Shell.vmm("", "run", "--bios", Guests.path(guest).toString());
        command.addAll(List.of(options));
        return command;
    }

    private interface Condition {
        boolean holds() throws IOException;
    }

    /** {@code what} is looked at when it has failed. */
    private static void await(Object what, Condition condition) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
        while (!condition.holds()) {
            assertThat(System.nanoTime()).as(what.toString()).isLessThan(deadline);
            Thread.sleep(10);
        }
    }

    private static int exitCode(Process process) throws InterruptedException {
        assertThat(process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS))
                .as("end in time")
                .isTrue();
        return process.exitValue();
    }

    private static void signal(Process process, String name) throws IOException, InterruptedException {
        new ProcessBuilder("/bin/sh", "-c", "kill -" + name + " " + process.pid())
                .start()
                .waitFor();
    }

    /** The kernel's struct termios of a terminal. */
    private static byte[] modes(String path) {
        try (Arena arena = Arena.ofConfined();
                Fd terminal = Fd.open(path, Fd.O_RDWR | Fd.O_NOCTTY)) {
            MemorySegment termios = arena.allocate(TERMIOS_SIZE, 8);
            terminal.ioctl("ioctl TCGETS", TCGETS, termios);
            return termios.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** The VMM with a guest on a terminal, as soon as that is raw. */
    private Process startOn(Tty.Pty terminal, byte[] cooked) throws IOException, InterruptedException {
        Process vmm = shell.start(
                "exec setsid -c \"$@\" <" + terminal.path() + " >" + terminal.path() + " 2>&1", run("spin.bin"));
        await("raw mode", () -> !Arrays.equals(modes(terminal.path()), cooked));
        return vmm;
    }

    private static void type(Tty.Pty terminal, String keys) {
        try (Arena arena = Arena.ofConfined()) {
            byte[] bytes = keys.getBytes(StandardCharsets.US_ASCII);
            assertThat(terminal.controller().tryWrite(arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes)))
                    .isEqualTo(bytes.length);
        }
    }

    @NeedsKvm
    @ParameterizedTest
    @CsvSource({"INT, 130", "TERM, 143", "HUP, 129"})
    void aSignalRestoresTheTerminal(String signal, int code) throws IOException, InterruptedException {
        Tty.Pty terminal = Tty.openPty();
        try (Fd controller = terminal.controller()) {
            byte[] cooked = modes(terminal.path());
            Process vmm = startOn(terminal, cooked);
            try {
                signal(vmm, signal);
                assertThat(exitCode(vmm)).isEqualTo(code);
                assertThat(modes(terminal.path())).isEqualTo(cooked);
                assertThat(controller.isClosed()).isFalse();
            } finally {
                vmm.destroyForcibly();
            }
        }
    }

    @NeedsKvm
    @Test
    void ctrlAHelpsAndLeaves() throws IOException, InterruptedException {
        Tty.Pty terminal = Tty.openPty();
        try (Fd controller = terminal.controller();
                Arena arena = Arena.ofConfined()) {
            controller.setNonBlocking(true);
            byte[] cooked = modes(terminal.path());
            Process vmm = startOn(terminal, cooked);
            try {
                type(terminal, "\u0001h");
                MemorySegment buffer = arena.allocate(4096);
                StringBuilder seen = new StringBuilder();
                await(seen, () -> {
                    long n = controller.tryRead(buffer);
                    assertThat(n > 0 || Errno.EAGAIN.is(n)).isTrue();
                    for (long i = 0; i < n; i++) {
                        seen.append((char) buffer.get(ValueLayout.JAVA_BYTE, i));
                    }
                    return seen.indexOf("Ctrl-A x       end the VMM") >= 0;
                });
                type(terminal, "\u0003"); // is the guest's
                assertThat(vmm.waitFor(200, TimeUnit.MILLISECONDS)).isFalse();
                type(terminal, "\u0001x");
                assertThat(exitCode(vmm)).isZero();
                assertThat(modes(terminal.path())).isEqualTo(cooked);
            } finally {
                vmm.destroyForcibly();
            }
        }
    }

    @NeedsKvm
    @Test
    void theEndOfTheTerminalEndsTheVmm() throws IOException, InterruptedException {
        Tty.Pty terminal = Tty.openPty();
        Process vmm;
        try (Fd controller = terminal.controller()) {
            assertThat(controller.isClosed()).isFalse();
            vmm = startOn(terminal, modes(terminal.path()));
        }
        try {
            assertThat(exitCode(vmm)).isEqualTo(129);
        } finally {
            vmm.destroyForcibly();
        }
    }

    @NeedsKvm
    @Test
    void aSignalRemovesTheSocketAndKeepsTheRamFile() throws IOException, InterruptedException {
        Path socket = dir.resolve("serial");
        Process vmm = shell.start(
                "exec \"$@\"", run("count.bin", "--serial", "unix:" + socket, "-m", "1M", "--ram", "mem-path=ram"));
        try {
            await("the socket", () -> Files.exists(socket));
            signal(vmm, "TERM");
            assertThat(exitCode(vmm)).isEqualTo(143);
            assertThat(socket).doesNotExist();
        } finally {
            vmm.destroyForcibly();
        }
    }

    @NeedsKvm
    @Test
    void theEndOfStandardInputIsNotTheGuestsEnd() throws IOException, InterruptedException {
        Process vmm = shell.start("exec \"$@\"", run("count.bin"));
        try {
            await("output", () -> Files.size(dir.resolve("stdout")) > 1000);
            assertThat(vmm.isAlive()).isTrue();
            signal(vmm, "INT");
            assertThat(exitCode(vmm)).isEqualTo(130);
        } finally {
            vmm.destroyForcibly();
        }
    }

    @NeedsKvm
    @Test
    void theEndOfItsReaderIsTheVmmsEnd() throws IOException, InterruptedException {
        Shell.Outcome outcome = shell.run("\"$@\" | head -c 1", run("count.bin"));
        assertThat(outcome.out()).hasSize(1);
        assertThat(outcome.err())
                .isEqualTo("vmm: standard output is closed (EPIPE), nobody sees the guest: the VMM ends\n");
    }

    @NeedsKvm
    @Test
    void aDiskThatIsFullForTheOutputEndsNothing() throws IOException, InterruptedException {
        Shell.Outcome outcome = shell.run("exec \"$@\" >/dev/full", run("poweroff.bin"));
        assertThat(outcome.err()).contains("ENOSPC (No space left on device)").matches("[^\n]+\n");
        assertThat(outcome.code()).isZero();
    }

    @Test
    void theHelpIntoAClosedPipeIsNoTrouble() throws IOException, InterruptedException {
        Shell.Outcome outcome = shell.run("\"$@\" | true", Shell.vmm("", "run", "--help"));
        assertThat(outcome.err()).isEmpty();
    }
}
