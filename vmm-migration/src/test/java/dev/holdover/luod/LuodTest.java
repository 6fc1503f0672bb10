package dev.holdover.luod;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Errno;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.HeldSession;
import dev.holdover.liveupdate.LuodControl;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.SessionException;
import dev.holdover.liveupdate.Tokens;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** luod with the hold back end, spoken to line by line. */
@Timeout(120)
class LuodTest {
    private static final String SUBSCRIBE = "{\"cmd\": \"SUBSCRIBE\", \"id\": \"vm1\"}";
    private static final String START = "{\"event\": \"START_PRESERVATION\"}";
    private static final String READY = "{\"cmd\": \"READY\"}";
    private static final String CLAIM = "{\"cmd\": \"CLAIM\", \"id\": \"vm1\"}";
    private static final String SESSION = "{\"event\": \"SESSION\", \"id\": \"vm1\"}";

    @TempDir
    Path dir;

    private String path;
    private Luod luod;
    private final List<PlainClient> clients = new ArrayList<>();

    @BeforeEach
    void start() {
        path = dir.resolve("luod.sock").toString();
        start(30, 30);
    }

    private void start(int prepareSeconds, int readySeconds) {
        luod = Luod.open(new LuodOptions(path, null, true, prepareSeconds, readySeconds));
    }

    @AfterEach
    void end() {
        luod.close();
        for (PlainClient client : clients) {
            client.close();
        }
    }

    private PlainClient client() {
        PlainClient client = new PlainClient(path);
        clients.add(client);
        return client;
    }

    /** Subscribed for sure: luod works through one connection's lines in order. */
    private PlainClient plain(String id) {
        PlainClient client = client().say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"" + id + "\"}");
        awaitListed(id);
        return client;
    }

    private void awaitListed(String id) {
        try (LuodControl control = new LuodControl(path)) {
            long deadline = System.nanoTime() + Patience.host().nanos(20_000);
            while (true) {
                for (LuodControl.Entry entry : control.list()) {
                    if (entry.id().equals(id) && entry.pid() != 0) {
                        return;
                    }
                }
                assertThat(System.nanoTime()).as("%s is subscribed", id).isLessThan(deadline);
            }
        }
    }

    private PlainClient extended(String id) {
        return client().say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"" + id + "\", \"version\": 1, \"new\": [true]}")
                .expect("{\"event\": \"SUBSCRIBED\", \"id\": \"" + id + "\", \"version\": 1}");
    }

    private PlainClient kexec() {
        return client().say("{\"cmd\": \"KEXEC\", \"version\": 1}");
    }

    private static void awaitEvent(PlainClient client, String start) {
        String line;
        do {
            line = client.read();
            assertThat(line).as("waiting for " + start).isNotNull();
        } while (!line.startsWith(start));
    }

    /** What README of the public luod says, and nothing else. */
    @Test
    void aPlainClientSeesThePublicProtocolOnly() {
        PlainClient vmm = plain("vm1");
        PlainClient luoctl = kexec();
        vmm.expect(START);
        Session outgoing = vmm.session();
        assertThat(outgoing.name()).isEqualTo("vm1");
        try (Fd memfd = PlainClient.memfd(7)) {
            outgoing.preserve(memfd, Tokens.ram(0));
        }
        vmm.say(READY);
        awaitEvent(luoctl, "{\"event\": \"TURNED\"");
        vmm.close();
        outgoing.close();
        PlainClient next = client().say(CLAIM).expect(SESSION);
        try (Session incoming = next.session();
                Fd memfd = incoming.retrieve(Tokens.ram(0))) {
            assertThat(PlainClient.word(memfd)).isEqualTo(7);
            incoming.finish();
            assertThatThrownBy(() -> incoming.retrieve(Tokens.ram(0)))
                    .isInstanceOfSatisfying(
                            SessionException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT));
        }
    }

    @Test
    void aPlainClientWithoutASessionHearsNothingButTheEnd() {
        client().say(CLAIM).expectEnd();
        plain("vm1");
        client().say(SUBSCRIBE).expectEnd();
    }

    @Test
    void anExtendedClientIsToldWhatIsWrong() {
        PlainClient client = client().say("{\"cmd\": \"CLAIM\", \"id\": \"vm1\", \"version\": 1}");
        client.expect("{\"event\": \"NO_SESSION\", \"id\": \"vm1\"}");
        client.say("{\"cmd\": \"DANCE\"}")
                .expect("{\"event\": \"ERROR\", \"errno\": \"EOPNOTSUPP\","
                        + " \"desc\": \"this luod does not know the command DANCE\"}");
        client.say("{\"cmd\": \"SUBSCRIBE\"}")
                .expect(
                        "{\"event\": \"ERROR\", \"errno\": \"EINVAL\", \"desc\": \"\\\"id\\\" is missing or no string\"}");
        extended("vm1");
        client.say(SUBSCRIBE)
                .expect(
                        "{\"event\": \"ERROR\", \"errno\": \"EEXIST\", \"desc\": \"another client has subscribed vm1\"}");
    }

    @Test
    void allPrepareBeforeAnyStops() {
        PlainClient a = extended("a");
        PlainClient b = extended("b");
        PlainClient plain = plain("vm1");
        PlainClient luoctl = kexec();
        a.expect("{\"event\": \"PREPARE\", \"update\": 1}");
        b.expect("{\"event\": \"PREPARE\", \"update\": 1}");
        List<Session> sessions = new ArrayList<>(List.of(a.session(), b.session()));
        a.say("{\"cmd\": \"PREPARED\", \"update\": 1}");
        awaitEvent(luoctl, "{\"event\": \"PROGRESS\", \"id\": \"a\", \"step\": \"PREPARED\"}");
        b.say("{\"cmd\": \"PREPARED\", \"update\": 1}");
        a.expect("{\"event\": \"START_PRESERVATION\", \"update\": 1}");
        assertThat(a.hasFd()).as("it has its session already").isFalse();
        b.expect("{\"event\": \"START_PRESERVATION\", \"update\": 1}");
        plain.expect(START);
        sessions.add(plain.session());
        plain.say(READY);
        a.say("{\"cmd\": \"READY\", \"update\": 1}");
        b.say("{\"cmd\": \"READY\", \"update\": 1}");
        awaitEvent(luoctl, "{\"event\": \"TURNED\"");
        a.expect("{\"event\": \"TURNED\", \"update\": 1}");
        b.expect("{\"event\": \"TURNED\", \"update\": 1}");
        for (Session session : sessions) {
            session.close();
        }
    }

    @Test
    void aClaimWaitsForTheVmmOfBefore() {
        PlainClient vmm = plain("vm1");
        PlainClient luoctl = kexec();
        vmm.expect(START);
        Session outgoing = vmm.session();
        vmm.say(READY);
        awaitEvent(luoctl, "{\"event\": \"TURNED\"");
        PlainClient next = client().say(CLAIM);
        awaitKept("UNCLAIMED");
        assertThatThrownBy(outgoing::finish).as("not its to finish").hasMessageContaining("EINVAL");
        outgoing.close();
        next.expect(SESSION);
        next.session().close();
    }

    private void awaitKept(String state) {
        try (LuodControl control = new LuodControl(path)) {
            assertThat(control.list())
                    .anySatisfy(entry -> assertThat(entry.state()).isEqualTo(state));
        }
    }

    /** Killed between CLAIM and FINISH: another VMM can claim it again, with all that was in it. */
    @Test
    void aSessionStaysClaimableUntilItIsFinished() {
        turn(3);
        for (int i = 0; i < 3; i++) {
            PlainClient next = client().say("{\"cmd\": \"CLAIM\", \"id\": \"vm1\", \"version\": 1}")
                    .expect(SESSION);
            try (Session incoming = next.session();
                    Fd memfd = incoming.retrieve(Tokens.ram(0))) {
                assertThat(PlainClient.word(memfd)).isEqualTo(3);
            }
            next.close();
        }
        kexec().expect(
                        "{\"event\": \"ERROR\", \"errno\": \"EBUSY\", \"desc\": \"guests of the last update are not up again"
                                + " and would be lost: vm1; restore them, or give them up with luoctl discard ID\"}");
        try (LuodControl control = new LuodControl(path)) {
            control.discard("vm1");
        }
        client().say("{\"cmd\": \"CLAIM\", \"id\": \"vm1\", \"version\": 1}")
                .expect("{\"event\": \"NO_SESSION\", \"id\": \"vm1\"}");
    }

    /** One plain VMM through a turn; its session waits. */
    private void turn(long word) {
        PlainClient vmm = plain("vm1");
        PlainClient luoctl = kexec();
        vmm.expect(START);
        try (Session outgoing = vmm.session();
                Fd memfd = PlainClient.memfd(word)) {
            outgoing.preserve(memfd, Tokens.ram(0));
            vmm.say(READY);
            awaitEvent(luoctl, "{\"event\": \"TURNED\"");
        }
        vmm.close();
        luoctl.close();
    }

    @Test
    void abortIsTheEndForAPlainClientAndAWordForAnother() {
        PlainClient a = extended("a");
        PlainClient plain = plain("vm1");
        PlainClient luoctl = kexec();
        a.expect("{\"event\": \"PREPARE\", \"update\": 1}");
        Session prepared = a.session();
        a.say("{\"cmd\": \"PREPARED\", \"update\": 1}").expect("{\"event\": \"START_PRESERVATION\", \"update\": 1}");
        a.say("{\"cmd\": \"READY\", \"update\": 1}");
        plain.expect(START);
        plain.session().close();
        try (LuodControl control = new LuodControl(path)) {
            control.abort();
        }
        awaitEvent(luoctl, "{\"event\": \"ABORTED\", \"reason\": \"luoctl abort\"}");
        a.expect("{\"event\": \"ABORT\", \"update\": 1, \"reason\": \"luoctl abort\"}");
        plain.expectEnd();
        // The next update begins with a new session, as soon as the client has let go of the last.
        PlainClient again = kexec();
        awaitEvent(again, "{\"event\": \"PROGRESS\"");
        prepared.close();
        a.expect("{\"event\": \"PREPARE\", \"update\": 2}");
        try (Session session = a.session();
                Fd memfd = PlainClient.memfd(1)) {
            session.preserve(memfd, Tokens.ram(0));
            // An answer to the update of before counts for nothing.
            a.say("{\"cmd\": \"PREPARED\", \"update\": 1}").say("{\"cmd\": \"READY\", \"update\": 1}");
            a.say("{\"cmd\": \"FAILED\", \"update\": 2, \"reason\": \"no\"}");
            awaitEvent(again, "{\"event\": \"ABORTED\", \"reason\": \"a failed: no\"}");
        }
    }

    @Test
    void aClientThatDiesBeforeItIsReadyTakesNobodyAlong() {
        PlainClient dies = plain("dies");
        PlainClient vmm = plain("vm1");
        PlainClient luoctl = kexec();
        dies.expect(START);
        vmm.expect(START);
        Session outgoing = vmm.session();
        vmm.say(READY);
        dies.close();
        awaitEvent(luoctl, "{\"event\": \"TURNED\"");
        outgoing.close();
        client().say(CLAIM).expect(SESSION).session().close();
        client().say("{\"cmd\": \"CLAIM\", \"id\": \"dies\"}").expectEnd();
    }

    @Test
    void aClientThatDiesWhenItIsReadyGoesAlong() {
        PlainClient dies = plain("vm1");
        PlainClient other = plain("other");
        PlainClient luoctl = kexec();
        dies.expect(START);
        other.expect(START);
        try (Session outgoing = dies.session();
                Fd memfd = PlainClient.memfd(5)) {
            outgoing.preserve(memfd, Tokens.ram(0));
        }
        dies.say(READY);
        awaitEvent(luoctl, "{\"event\": \"PROGRESS\", \"id\": \"vm1\", \"step\": \"READY\"}");
        dies.close();
        other.say(READY);
        awaitEvent(luoctl, "{\"event\": \"TURNED\"");
        PlainClient next = client().say(CLAIM).expect(SESSION);
        try (Session incoming = next.session();
                Fd memfd = incoming.retrieve(Tokens.ram(0))) {
            assertThat(PlainClient.word(memfd)).isEqualTo(5);
        }
    }

    @Test
    void aClientThatNeverGetsReadyAbortsTheUpdate() {
        luod.close();
        start(1, 1);
        PlainClient slow = plain("slow");
        PlainClient vmm = extended("vm1");
        PlainClient luoctl = kexec();
        vmm.expect("{\"event\": \"PREPARE\", \"update\": 1}");
        vmm.session().close();
        vmm.say("{\"cmd\": \"PREPARED\", \"update\": 1}").expect("{\"event\": \"START_PRESERVATION\", \"update\": 1}");
        vmm.say("{\"cmd\": \"READY\", \"update\": 1}");
        slow.expect(START);
        awaitEvent(luoctl, "{\"event\": \"ABORTED\", \"reason\": \"slow did not get ready in time\"}");
        vmm.expect("{\"event\": \"ABORT\", \"update\": 1, \"reason\": \"slow did not get ready in time\"}");
        slow.expectEnd();
    }

    @Test
    void aClientThatNeverPreparesAbortsTheUpdate() {
        luod.close();
        start(1, 1);
        PlainClient vmm = extended("vm1");
        PlainClient luoctl = kexec();
        vmm.expect("{\"event\": \"PREPARE\", \"update\": 1}");
        vmm.expect("{\"event\": \"ABORT\", \"update\": 1, \"reason\": \"vm1 did not get prepared in time\"}");
        awaitEvent(luoctl, "{\"event\": \"ABORTED\"");
    }

    @Test
    void endingLuoctlAbortsTheUpdate() {
        PlainClient vmm = extended("vm1");
        PlainClient luoctl = kexec();
        vmm.expect("{\"event\": \"PREPARE\", \"update\": 1}");
        luoctl.close();
        vmm.expect("{\"event\": \"ABORT\", \"update\": 1, \"reason\": \"luoctl, which asked for it, has ended\"}");
    }

    /** All are ready, sync(2) takes its time, and luod is told to end: either of the two, for all guests. */
    @Test
    void endingLuodBeforeTheRebootAbortsIt() throws Exception {
        PlainClient vmm = extended("vm1");
        PlainClient luoctl = kexec();
        vmm.expect("{\"event\": \"PREPARE\", \"update\": 1}");
        vmm.session().close();
        vmm.say("{\"cmd\": \"PREPARED\", \"update\": 1}").expect("{\"event\": \"START_PRESERVATION\", \"update\": 1}");
        CountDownLatch synced = new CountDownLatch(1);
        luod.onWorker(() -> awaitLatch(synced));
        vmm.say("{\"cmd\": \"READY\", \"update\": 1}");
        awaitEvent(luoctl, "{\"event\": \"TURNING\"");
        Thread signal = Thread.ofPlatform().start(luod::close);
        try {
            vmm.expect("{\"event\": \"ABORT\", \"update\": 1, \"reason\": \"luod ends\"}");
            vmm.expectEnd();
        } finally {
            synced.countDown();
            signal.join();
        }
        awaitEvent(luoctl, "{\"event\": \"ABORTED\", \"reason\": \"luod ends\"}");
        luoctl.expectEnd();
    }

    /** The other order: reboot(2) is decided on, and nobody is told that it is given up before it has failed. */
    @Test
    void whatIsDecidedIsNotTakenBack() {
        TurnDecision turned = new TurnDecision();
        turned.requireTurn();
        assertThat(turned.tryAbort()).isFalse();
        TurnDecision aborted = new TurnDecision();
        assertThat(aborted.tryAbort()).isTrue();
        assertThatThrownBy(aborted::requireTurn).isInstanceOf(VmmException.class);
        try (Backend hold = new HoldBackend(new EventLoop("unused", e -> {}), () -> {})) {
            assertThatThrownBy(() -> hold.turn(new byte[0], aborted)).isInstanceOf(VmmException.class);
        }
    }

    private static void awaitLatch(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** "All are ready" would be true of nobody, too. */
    @Test
    void anUpdateWithoutAnyClientLeftIsAborted() {
        PlainClient dies = plain("vm1");
        PlainClient luoctl = kexec();
        dies.expect(START);
        dies.close();
        awaitEvent(
                luoctl,
                "{\"event\": \"ABORTED\", \"reason\": \"all clients have ended, nothing would be kept; --force if that is"
                        + " meant\"}");
    }

    @Test
    void aClientThatComesLateTakesPart() {
        PlainClient first = plain("first");
        PlainClient luoctl = kexec();
        first.expect(START);
        Session a = first.session();
        PlainClient late = client().say(SUBSCRIBE).expect(START);
        Session b = late.session();
        first.say(READY);
        late.say(READY);
        awaitEvent(luoctl, "{\"event\": \"TURNED\"");
        a.close();
        b.close();
        client().say(CLAIM).expect(SESSION).session().close();
    }

    @Test
    void kexecWithoutAnyClientIsRefused() {
        kexec().expect(
                        "{\"event\": \"ERROR\", \"errno\": \"ENOENT\", \"desc\": \"no client has subscribed, nothing would be"
                                + " kept; --force if that is meant\"}");
        try (LuodControl control = new LuodControl(path)) {
            control.kexec(true, (id, step) -> {});
            assertThatThrownBy(control::abort).isInstanceOf(VmmException.class).hasMessageContaining("ESRCH");
            assertThat(control.status()).isEqualTo(new LuodControl.Status("hold", "IDLE", 0, 0, null));
        }
    }

    @Test
    void heldSessionsAnswerAsTheKernelsDo() throws Exception {
        PlainClient vmm = plain("vm1");
        PlainClient luoctl = kexec();
        vmm.expect(START);
        try (Session session = vmm.session();
                Fd memfd = PlainClient.memfd(1);
                Fd other = PlainClient.memfd(2);
                Fd dup = memfd.dup();
                Fd linked = Fd.open(Files.createFile(dir.resolve("file")).toString(), Fd.O_RDWR);
                Fd nothing = Fd.open("/dev/null", Fd.O_RDWR)) {
            assertThat(session).isInstanceOf(HeldSession.class);
            session.preserve(memfd, 0);
            refused(Errno.EEXIST, () -> session.preserve(other, 0));
            refused(Errno.EBUSY, () -> session.preserve(memfd, 1));
            refused(Errno.EBUSY, () -> session.preserve(dup, 2));
            refused(Errno.ENOENT, () -> session.preserve(nothing, 3));
            refused(Errno.ENOENT, () -> session.preserve(linked, 4));
            refused(Errno.ENOENT, () -> session.preserve(session.fd(), 5));
            refused(Errno.EINVAL, () -> session.retrieve(0));
            refused(Errno.EINVAL, session::finish);
            session.preserve(other, -1);
            vmm.say(READY);
            awaitEvent(luoctl, "{\"event\": \"TURNED\"");
        }
        PlainClient next = client().say(CLAIM).expect(SESSION);
        try (Session session = next.session();
                Fd memfd = session.retrieve(-1);
                Fd again = session.retrieve(-1)) {
            assertThat(PlainClient.word(memfd)).isEqualTo(2);
            assertThat(again.stat().inode()).isEqualTo(memfd.stat().inode());
            refused(Errno.ENOENT, () -> session.retrieve(9));
            refused(Errno.EINVAL, () -> session.preserve(memfd, 9));
            session.finish();
            session.finish();
            refused(Errno.ENOENT, () -> session.retrieve(0));
        }
    }

    private static void refused(Errno errno, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        SessionException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }

    @Test
    void whatIsNoSessionIsRefused() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
        pair[1].close();
        assertThatThrownBy(() -> Session.of(pair[0].fd())).isInstanceOf(SessionException.class);
        assertThat(pair[0].fd().isClosed()).isTrue();
        Fd memfd = PlainClient.memfd(1);
        assertThatThrownBy(() -> Session.of(memfd))
                .isInstanceOf(SessionException.class)
                .hasMessageStartingWith("memfd word is no live-update session");
        assertThat(memfd.isClosed()).isTrue();
    }
}
