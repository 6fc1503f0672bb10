package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.Letters;
import dev.holdover.Relay;
import dev.holdover.linux.Epoll;
import dev.holdover.linux.UnixSocket;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * SIGSTOP for one of two VMM processes, just as a message of a hand-over passes; the other goes on; SIGCONT. The guest
 * writes letters in turn, to a file that both processes have open: were it to run twice, some would be out of turn.
 */
@NeedsKvm
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class StoppedSideTest {
    /** Offer, Accept, State, Running. */
    private static final int MESSAGES = 4;

    @TempDir
    Path dir;

    private Vmms vmms;
    private Process outgoing;
    private Process incoming;
    private UnixSocket toOutgoing;
    private UnixSocket toIncoming;

    @BeforeEach
    void prepare() {
        vmms = new Vmms(dir);
    }

    @AfterEach
    void endAll() throws InterruptedException {
        vmms.endAll();
        for (UnixSocket socket : new UnixSocket[] {toOutgoing, toIncoming}) {
            if (socket != null) {
                socket.close();
            }
        }
    }

    /** Waits until the guest has written a hundred letters more than now. */
    private void awaitLetters(String who) throws Exception {
        long before = Files.size(dir.resolve("serial"));
        Vmms.await("the guest runs, " + who, () -> Files.size(dir.resolve("serial")) >= before + 100);
    }

    private static void signal(String signal, Process to) throws IOException, InterruptedException {
        assertThat(new ProcessBuilder("kill", signal, Long.toString(to.pid()))
                        .start()
                        .waitFor())
                .isZero();
    }

    /** SIGSTOP, and waits until each of its threads stands: the others run on until the one that got the signal sees it. */
    private static void stop(Process process) throws Exception {
        signal("-STOP", process);
        Vmms.await("the process stops", () -> stands(process));
    }

    private static boolean stands(Process process) throws IOException {
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(Path.of("/proc/" + process.pid() + "/task"))) {
            for (Path thread : threads) {
                String stat = Files.readString(thread.resolve("stat"), StandardCharsets.ISO_8859_1);
                if (stat.charAt(stat.lastIndexOf(')') + 2) != 'T') { // proc_pid_stat(5)
                    return false;
                }
            }
            return true;
        }
    }

    /** Starts both sides, with this process on the line between them, and orders the hand-over; the order's process. */
    private Process begin() throws Exception {
        outgoing = vmms.start(
                "outgoing.errors",
                "run",
                "--bios",
                Guests.path("count.bin").toString(),
                "-m",
                "16M",
                "--serial",
                "file:" + vmms.path("serial"),
                "--control",
                vmms.path("control"));
        incoming = vmms.start("incoming.errors", "standby", "--listen", vmms.path("standby"));
        vmms.await("the guest writes", "serial", "abc");
        vmms.await("the other VMM is ready", "incoming.errors", "ready on");
        try (UnixSocket listener = UnixSocket.listen(UnixSocket.Kind.SEQPACKET, vmms.path("line"));
                Epoll epoll = new Epoll()) {
            Process order = vmms.start("order.errors", "ctl", vmms.path("control"), "handover", vmms.path("line"));
            epoll.add(listener.fd(), Epoll.EPOLLIN, 0);
            assertThat(epoll.await(Vmms.PATIENCE_SECONDS * 1000)).isPositive();
            toOutgoing = listener.accept();
            toIncoming = UnixSocket.connect(UnixSocket.Kind.SEQPACKET, vmms.path("standby"));
            return order;
        }
    }

    /** Passes the next message; stops a process between its being sent and its being there, unless null. */
    private void pass(int message, Process stopped) throws Exception {
        boolean there = message % 2 == 1;
        Relay.pass(there ? toOutgoing : toIncoming, there ? toIncoming : toOutgoing, () -> {
            if (stopped != null) {
                stop(stopped);
            }
        });
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
                    Vmms.exitCode(outgoing); // while the incoming side is stopped
                } else if (message > 2 || stopped == incoming) {
                    awaitLetters("while the " + side + " side is stopped");
                }
                signal("-CONT", stopped);
            }
        }
        assertThat(Vmms.exitCode(order)).as("the order's").isZero();
        assertThat(Vmms.exitCode(outgoing)).as("the outgoing side's").isZero();
        awaitLetters("in the incoming process");
        assertThat(incoming.isAlive()).isTrue();
        Letters.assertInTurn(vmms.said("serial"));
    }

    /** The incoming side is silent for longer than the guest may stand still, before it has the state or with it. */
    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void theGuestStaysIfTheOtherSideWakesTooLate(int stopAt) throws Exception {
        Process order = begin();
        for (int message = 1; message <= stopAt; message++) {
            pass(message, message == stopAt ? incoming : null);
        }
        assertThat(Vmms.exitCode(order)).isEqualTo(ExitCode.FAILED);
        awaitLetters("in the outgoing process, while the incoming one is stopped");
        signal("-CONT", incoming);
        if (stopAt == 2) {
            pass(3, null);
        }
        vmms.await("the incoming side finds it kept", "incoming.errors", "the other VMM has kept the guest");
        awaitLetters("in the outgoing process");
        assertThat(outgoing.isAlive()).isTrue();
        Letters.assertInTurn(vmms.said("serial"));
    }
}
