package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Fd;
import dev.holdover.linux.UnixSocket;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * SIGSTOP for one of two VMM processes, just as a message of a hand-over passes; the other goes on; SIGCONT. The guest
 * writes letters in turn, to a file that both processes have open: were it to run twice, some would be out of turn.
 */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class StoppedSideTest {
    private static final int PATIENCE_SECONDS = 60;
    /** Offer, Accept, State, Running. */
    private static final int MESSAGES = 4;

    @TempDir
    Path dir;

    private final List<Process> started = new ArrayList<>();
    private Process outgoing;
    private Process incoming;
    private UnixSocket toOutgoing;
    private UnixSocket toIncoming;

    @AfterEach
    void endAll() throws InterruptedException {
        for (Process process : started) {
            process.destroyForcibly();
            process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
        for (UnixSocket socket : new UnixSocket[] {toOutgoing, toIncoming}) {
            if (socket != null) {
                socket.close();
            }
        }
    }

    private Process start(String errors, String... arguments) throws IOException {
        Process process = new ProcessBuilder(Shell.vmm("", arguments))
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(dir.resolve(errors).toFile())
                .start();
        started.add(process);
        return process;
    }

    private String path(String name) {
        return dir.resolve(name).toString();
    }

    private void await(String what, String file, String text) throws IOException, InterruptedException {
        long start = System.nanoTime();
        Path path = dir.resolve(file);
        while (!Files.exists(path)
                || !Files.readString(path, StandardCharsets.ISO_8859_1).contains(text)) {
            assertThat(System.nanoTime() - start).as(what).isLessThan(PATIENCE_SECONDS * 1_000_000_000L);
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    /** Waits until the guest has written a hundred letters more than now. */
    private void awaitLetters(String who) throws IOException, InterruptedException {
        long start = System.nanoTime();
        long before = Files.size(dir.resolve("serial"));
        while (Files.size(dir.resolve("serial")) < before + 100) {
            assertThat(System.nanoTime() - start)
                    .as("the guest runs, %s", who)
                    .isLessThan(PATIENCE_SECONDS * 1_000_000_000L);
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    private static void awaitEnd(Process process, String which) throws InterruptedException {
        assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS))
                .as("the end of %s", which)
                .isTrue();
    }

    private static void signal(String signal, Process to) throws IOException, InterruptedException {
        assertThat(new ProcessBuilder("kill", signal, Long.toString(to.pid()))
                        .start()
                        .waitFor())
                .isZero();
    }

    private static MemorySegment receive(UnixSocket from, Arena arena, List<Fd> fds) {
        try (Epoll epoll = new Epoll()) {
            epoll.add(from.fd(), Epoll.EPOLLIN, 0);
            assertThat(epoll.await(PATIENCE_SECONDS * 1000))
                    .as("a message in time")
                    .isPositive();
        }
        MemorySegment packet = arena.allocate(256 << 10);
        UnixSocket.Received received = from.receive(packet);
        assertThat(received.bytes()).isPositive();
        fds.addAll(received.fds());
        return packet.asSlice(0, received.bytes());
    }

    /** Passes the next message; stops a process between its being sent and its being there, unless null. */
    private static void pass(UnixSocket from, UnixSocket to, Process stopped) throws IOException, InterruptedException {
        List<Fd> fds = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment packet = receive(from, arena, fds);
            if (stopped != null) {
                signal("-STOP", stopped);
            }
            assertThat(to.trySend(packet, fds)).isEqualTo(packet.byteSize());
        } finally {
            fds.forEach(Fd::close);
        }
    }

    /** Starts both sides, with this process on the line between them, and orders the hand-over; the order's process. */
    private Process begin() throws Exception {
        outgoing = start(
                "outgoing.errors",
                "run",
                "--bios",
                Guests.path("count.bin").toString(),
                "-m",
                "16M",
                "--serial",
                "file:" + path("serial"),
                "--control",
                path("control"));
        incoming = start("incoming.errors", "standby", "--listen", path("standby"));
        await("the guest writes", "serial", "abc");
        await("the other VMM is ready", "incoming.errors", "ready on");
        try (UnixSocket listener = UnixSocket.listen(UnixSocket.Kind.SEQPACKET, path("line"));
                Epoll epoll = new Epoll()) {
            Process order = start("order.errors", "ctl", path("control"), "handover", path("line"));
            epoll.add(listener.fd(), Epoll.EPOLLIN, 0);
            assertThat(epoll.await(PATIENCE_SECONDS * 1000)).isPositive();
            toOutgoing = listener.accept();
            toIncoming = UnixSocket.connect(UnixSocket.Kind.SEQPACKET, path("standby"));
            return order;
        }
    }

    private void pass(int message, Process stopped) throws IOException, InterruptedException {
        boolean there = message % 2 == 1;
        pass(there ? toOutgoing : toIncoming, there ? toIncoming : toOutgoing, stopped);
    }

    private void assertLettersInTurn() throws IOException {
        String letters = Files.readString(dir.resolve("serial"), StandardCharsets.ISO_8859_1)
                .replaceFirst("^[^a-z]*", "");
        for (int i = 1; i < letters.length(); i++) {
            char expected = letters.charAt(i - 1) == 'z' ? 'a' : (char) (letters.charAt(i - 1) + 1);
            assertThat(letters.charAt(i)).as("letter %s", i).isEqualTo(expected);
        }
    }

    @ParameterizedTest
    @CsvSource({"1, outgoing", "1, incoming", "2, outgoing", "3, outgoing", "4, outgoing", "4, incoming"})
    void theGuestGoesOver(int stopAt, String side) throws Exception {
        Process order = begin();
        Process stopped = side.equals("outgoing") ? outgoing : incoming;
        for (int message = 1; message <= MESSAGES; message++) {
            pass(message, message == stopAt ? stopped : null);
            if (message == stopAt) {
                if (message > 2 && stopped == incoming) {
                    awaitEnd(outgoing, "the outgoing side, while the incoming one is stopped");
                } else if (message > 2 || stopped == incoming) {
                    awaitLetters("while the " + side + " side is stopped");
                }
                signal("-CONT", stopped);
            }
        }
        awaitEnd(order, "the order");
        assertThat(order.exitValue()).isZero();
        awaitEnd(outgoing, "the outgoing side");
        assertThat(outgoing.exitValue()).isZero();
        awaitLetters("in the incoming process");
        assertThat(incoming.isAlive()).isTrue();
        assertLettersInTurn();
    }

    /** The incoming side is silent for longer than the guest may stand still, before it has the state or with it. */
    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void theGuestStaysIfTheOtherSideWakesTooLate(int stopAt) throws Exception {
        Process order = begin();
        for (int message = 1; message <= stopAt; message++) {
            pass(message, message == stopAt ? incoming : null);
        }
        awaitEnd(order, "the order");
        assertThat(order.exitValue()).isEqualTo(ExitCode.FAILED);
        awaitLetters("in the outgoing process, while the incoming one is stopped");
        signal("-CONT", incoming);
        if (stopAt == 2) {
            pass(3, null);
        }
        await("the incoming side finds it kept", "incoming.errors", "the other VMM has kept the guest");
        awaitLetters("in the outgoing process");
        assertThat(outgoing.isAlive()).isTrue();
        assertLettersInTurn();
    }
}
