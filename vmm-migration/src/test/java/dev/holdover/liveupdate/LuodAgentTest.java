package dev.holdover.liveupdate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.SocketFile;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.luod.HeldPeer;
import dev.holdover.luod.Luod;
import dev.holdover.luod.LuodMain;
import dev.holdover.luod.LuodOptions;
import dev.holdover.luod.PlainClient;
import dev.holdover.luod.RecordingListener;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Our client against our luod, against a luod of the plain protocol, and against one that means harm. */
@Timeout(180)
class LuodAgentTest {
    @TempDir
    Path dir;

    private String path() {
        return dir.resolve("luod.sock").toString();
    }

    private Luod luod() {
        return Luod.open(new LuodOptions(path(), null, true, 30, 30));
    }

    private void awaitClients(int count) {
        try (LuodControl control = new LuodControl(path())) {
            awaitClients(control, count);
        }
    }

    private static void awaitClients(LuodControl control, int count) {
        long deadline = System.nanoTime() + Patience.host().nanos(20_000);
        while (control.status().clients() != count) {
            assertThat(System.nanoTime()).as("%s clients", count).isLessThan(deadline);
        }
    }

    private void kexec() {
        try (LuodControl control = new LuodControl(path())) {
            control.kexec(false, (id, step) -> {});
        }
    }

    @Test
    void aGuestGoesFromVmmToVmm() throws Exception {
        try (Luod luod = luod();
                RecordingListener vmm = new RecordingListener(10);
                LuodAgent next = new LuodAgent(path())) {
            try (LuodAgent agent = new LuodAgent(path())) {
                assertThat(agent.claim("vm1")).isNull();
                agent.subscribe("vm1", vmm);
                awaitClients(1);
                kexec();
                vmm.expect("prepare");
                vmm.expect("preserve");
                vmm.expect("turned");
            }
            assertThat(luod.wouldLose()).containsExactly("vm1");
            Session incoming = next.claim("vm1");
            assertThat(incoming.name()).isEqualTo("vm1");
            RecordingListener.check(incoming, 10);
            next.finish("vm1", incoming);
            awaitFinished(luod);
            assertThat(next.claim("vm1")).isNull();
        }
    }

    private static void awaitFinished(Luod luod) {
        long deadline = System.nanoTime() + Patience.host().nanos(20_000);
        while (!luod.wouldLose().isEmpty()) {
            assertThat(System.nanoTime()).as("luod is told").isLessThan(deadline);
        }
    }

    @Test
    void aVmmThatFailsAbortsTheUpdateAndRunsOn() throws Exception {
        try (Luod luod = luod();
                RecordingListener fails = new RecordingListener(1);
                RecordingListener other = new RecordingListener(3);
                LuodAgent a = new LuodAgent(path());
                LuodAgent b = new LuodAgent(path())) {
            fails.failure = new VmmException("the disk is full");
            a.subscribe("fails", fails);
            b.subscribe("other", other);
            awaitClients(2);
            assertThatThrownBy(this::kexec)
                    .isInstanceOf(VmmException.class)
                    .hasMessage("the update was aborted, guests run on: fails failed: the disk is full");
            fails.expect("prepare");
            fails.expect("aborted: the disk is full");
            other.expect("prepare");
            other.expectStart("preserve");
            other.expect("aborted: fails failed: the disk is full");
            fails.failure = null;
            kexec();
            fails.expect("prepare");
            fails.expect("preserve");
            fails.expect("turned");
            assertThat(luod.wouldLose()).containsExactlyInAnyOrder("fails", "other");
        }
    }

    /** Before the turn, with the guest at rest: the end of luod is an abort, and a luod started anew serves on. */
    @Test
    void luodIsKilledAndStartedAnew() throws Exception {
        Process luod = LuodMain.start(path());
        try (RecordingListener vmm = new RecordingListener(20);
                LuodAgent agent = new LuodAgent(path());
                LuodAgent next = new LuodAgent(path())) {
            agent.subscribe("vm1", vmm);
            awaitClients(1);
            try (PlainClient hangs = new PlainClient(path());
                    PlainClient luoctl = new PlainClient(path())) {
                hangs.say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"hangs\"}");
                awaitClients(2);
                luoctl.say("{\"cmd\": \"KEXEC\", \"version\": 1}");
                vmm.expect("prepare");
                vmm.expect("preserve");
                LuodMain.kill(luod);
                vmm.expect("aborted: luod has closed the connection");
            }
            luod = LuodMain.start(path());
            awaitClients(1);
            kexec();
            vmm.expect("prepare");
            vmm.expect("preserve");
            vmm.expect("turned");
            Session incoming = next.claim("vm1");
            RecordingListener.check(incoming, 20);
            // Behind the turn: what is claimed is in the VMM's hands; what is not ends with a luod that holds it
            // itself.
            Fd ram = incoming.retrieve(Tokens.ram(0));
            LuodMain.kill(luod);
            assertThat(PlainClient.word(ram)).isEqualTo(20);
            ram.close();
            assertThatThrownBy(() -> incoming.retrieve(Tokens.STATE))
                    .isInstanceOfSatisfying(
                            SessionException.class, e -> assertThat(e.errno()).isIn(Errno.EPIPE, Errno.ECONNRESET))
                    .hasMessageEndingWith("luod, which held the session, has ended");
            incoming.close();
            luod = LuodMain.start(path());
            awaitClients(1);
            assertThat(next.claim("vm1")).isNull();
            kexec();
            vmm.expect("prepare");
        } finally {
            LuodMain.kill(luod);
        }
    }

    /** The public luod: no answer to SUBSCRIBE, PRESERVATION_REQUEST or START_PRESERVATION, the session with either. */
    @Test
    void aPlainLuodIsUnderstood() throws Exception {
        for (String style : List.of("start", "request", "both")) {
            try (SocketFile socket = SocketFile.listen("luod", path());
                    RecordingListener vmm = new RecordingListener(30);
                    LuodAgent agent = new LuodAgent(path())) {
                agent.subscribe("vm1", vmm);
                try (PlainClient luod = accept(socket);
                        HeldPeer held = new HeldPeer("vm1", false)) {
                    assertThat(luod.read()).startsWith("{\"cmd\": \"SUBSCRIBE\", \"id\": \"vm1\"");
                    List<Fd> session = List.of(held.lend());
                    if (style.equals("both")) {
                        luod.say("{\"event\": \"PRESERVATION_REQUEST\"}");
                    }
                    luod.say(
                            style.equals("request")
                                    ? "{\"event\": \"PRESERVATION_REQUEST\"}"
                                    : "{\"event\": \"START_PRESERVATION\", \"more\": {}}",
                            session);
                    session.getFirst().close();
                    luod.expect("{\"cmd\": \"READY\"}");
                    vmm.expect("preserve");
                    if (style.equals("request")) {
                        luod.say("{\"event\": \"START_PRESERVATION\"}");
                    }
                }
                vmm.expect("aborted: luod has closed the connection");
                assertThat(vmm.heardNothing()).isTrue();
            }
        }
    }

    private static PlainClient accept(SocketFile socket) throws InterruptedException {
        long deadline = System.nanoTime() + Patience.host().nanos(20_000);
        while (true) {
            UnixSocket accepted = socket.listener().accept();
            if (accepted != null) {
                accepted.fd().setNonBlocking(false);
                return new PlainClient(accepted);
            }
            assertThat(System.nanoTime()).as("the agent connects").isLessThan(deadline);
            Thread.sleep(1);
        }
    }

    /** Whatever it says: no guest stops, nothing leaks, and it is tried again. */
    @Test
    void aHostileLuodDoesNoHarm() throws Exception {
        String[] rubbish = {
            "",
            "no JSON",
            "[]",
            "{\"event\": 7}",
            "{\"event\": \"PREPARE\", \"update\": {\"a\": [1]}}",
            "{\"event\": \"START_PRESERVATION\"}",
            "{\"event\": \"TURNED\"}",
            "{\"event\": \"ABORT\"}",
            "{\"event\": \"ABORT\", \"update\": null}",
            "{\"event\": \"ERROR\"}",
            "{\"event\": \"SOMETHING\", \"new\": true}",
            "{\"event\": \"SUBSCRIBED\", \"id\": \"another\"}",
            "x".repeat(5000),
            "{\"event\": " + "[".repeat(2000) + "}"
        };
        try (SocketFile socket = SocketFile.listen("luod", path());
                RecordingListener vmm = new RecordingListener(40);
                LuodAgent agent = new LuodAgent(path())) {
            agent.subscribe("vm1", vmm);
            // It waits longer each time it was not made welcome; this connection tells that it was.
            try (PlainClient luod = accept(socket)) {
                luod.say("{\"event\": \"SUBSCRIBED\", \"id\": \"vm1\", \"version\": 1}");
            }
            int before = LuodMain.fds().size();
            for (String line : rubbish) {
                try (PlainClient luod = accept(socket);
                        Fd one = PlainClient.memfd(1);
                        Fd two = PlainClient.memfd(2)) {
                    luod.say("{\"event\": \"SUBSCRIBED\", \"id\": \"vm1\", \"version\": 1}");
                    luod.write(new byte[] {'{', '}'}, List.of(one, two, one, two));
                    luod.write((line + "\n").getBytes(StandardCharsets.UTF_8), List.of(two));
                }
                try (PlainClient luod = accept(socket);
                        Fd memfd = PlainClient.memfd(1)) {
                    luod.say("{\"event\": \"SUBSCRIBED\", \"id\": \"vm1\", \"version\": 1}");
                    luod.say(line, List.of(memfd));
                }
            }
            assertThat(vmm.heardNothing()).as("no guest was touched").isTrue();
            try (PlainClient luod = accept(socket)) {
                assertThat(luod.read()).startsWith("{\"cmd\": \"SUBSCRIBE\"");
                // One connection more than before; those of the loop are closed.
                assertThat(LuodMain.fds().size()).isLessThanOrEqualTo(before + 4);
            }
        }
    }

    /** However much more there is to read. */
    @Test
    void aClientThatIsToEndListensToNothingMore() throws Exception {
        CountDownLatch preparing = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        List<String> calls = new CopyOnWriteArrayList<>();
        UpdateListener vmm = new UpdateListener() {
            @Override
            public void prepare(Session session) {
                preparing.countDown();
                try {
                    goOn.await();
                } catch (InterruptedException e) {
                    throw new VmmException("interrupted", e);
                }
            }

            @Override
            public void preserve(Session session) {
                calls.add("preserve");
            }

            @Override
            public void aborted(String reason) {
                calls.add("aborted");
            }

            @Override
            public void turned() {
                calls.add("turned");
            }
        };
        try (SocketFile socket = SocketFile.listen("luod", path());
                LuodAgent agent = new LuodAgent(path());
                HeldPeer held = new HeldPeer("vm1", false)) {
            agent.subscribe("vm1", vmm);
            try (PlainClient luod = accept(socket);
                    Fd session = held.lend()) {
                luod.say("{\"event\": \"PREPARE\", \"update\": 1}", List.of(session));
                luod.say("{\"event\": \"START_PRESERVATION\", \"update\": 1}");
                preparing.await();
                Thread closes = new Thread(agent::close);
                closes.start();
                while (closes.getState() != Thread.State.WAITING) { // for the agent's thread
                    Thread.onSpinWait();
                }
                goOn.countDown();
                closes.join();
            }
            assertThat(calls).isEmpty();
        }
    }

    @Test
    void aDeadlineHoldsWhateverThereIsToRead() throws Exception {
        try (SocketFile socket = SocketFile.listen("luod", path());
                LuodConnection client = new LuodConnection(path(), null);
                PlainClient luod = accept(socket)) {
            luod.say("{\"event\": \"NEWS\"}");
            assertThat(client.next(System.nanoTime() - 1)).isNull();
            assertThat(client.isEnded()).isFalse();
            try (LuodConnection.Event event = client.next(Long.MAX_VALUE)) {
                assertThat(event.name()).isEqualTo("NEWS");
            }
        }
    }

    /** The client has a lot to answer, and nobody reads it. */
    @Test
    void aLuodThatNeverReadsHoldsUpNoEnd() throws Exception {
        try (SocketFile socket = SocketFile.listen("luod", path());
                RecordingListener vmm = new RecordingListener(60);
                LuodAgent agent = new LuodAgent(path())) {
            agent.subscribe("vm1", vmm);
            try (PlainClient luod = accept(socket)) {
                luod.socket().fd().setNonBlocking(true);
                byte[] line = "{\"event\": \"START_PRESERVATION\"}\n".getBytes(StandardCharsets.UTF_8);
                long full = 0;
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, line);
                    // Half a second without a byte taken: it waits for us to read.
                    while (full == 0 || System.nanoTime() - full < 500_000_000L) {
                        long n = luod.socket().trySend(bytes, List.of());
                        if (n > 0) {
                            full = 0;
                        } else if (full == 0) {
                            full = System.nanoTime();
                        }
                    }
                }
                long start = System.nanoTime();
                assertEnds(agent::close);
                assertThat(System.nanoTime() - start).isLessThan(Patience.host().nanos(4_000));
            }
        }
    }

    /** Not tried again for half a minute, and not told as if luod were not there. */
    @Test
    void aSessionThatIsNoneIsToldAtOnce() throws Exception {
        try (SocketFile socket = SocketFile.listen("luod", path());
                LuodAgent agent = new LuodAgent(path())) {
            Thread server = new Thread(() -> {
                try (PlainClient luod = accept(socket);
                        Fd none = Fd.open("/", Fd.O_PATH)) {
                    luod.read();
                    luod.say("{\"event\": \"SESSION\", \"id\": \"vm1\"}", List.of(none));
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            });
            server.start();
            assertEnds(() -> assertThatThrownBy(() -> agent.claim("vm1"))
                    .isInstanceOf(SessionException.class)
                    .hasMessageStartingWith("the session of vm1 is no live-update session, EBADF"));
            server.join(Patience.host().millis(20_000));
        }
    }

    private static void assertEnds(Runnable task) {
        assertTimeoutPreemptively(Duration.ofSeconds(Patience.host().seconds(20)), task::run);
    }

    /** A session that hangs, or a luod that never answers a claim, costs a bounded time: here it closes at once. */
    @Test
    void aClaimThatIsNotAnsweredIsNoAnswer() throws Exception {
        try (SocketFile socket = SocketFile.listen("luod", path());
                LuodAgent agent = new LuodAgent(path())) {
            Thread server = new Thread(() -> {
                try (PlainClient luod = accept(socket)) {
                    luod.read();
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            });
            server.start();
            assertThatThrownBy(() -> agent.claim("vm1"))
                    .as("that is not: there is none")
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("whether it has a session for it is unknown");
            server.join(Patience.host().millis(20_000));
        }
    }

    @Test
    void aThousandTurnsLeakNothing() throws Exception {
        int turns = 1000;
        try (Luod luod = luod();
                LuodControl control = new LuodControl(path())) {
            control.status();
            int before = LuodMain.fds().size();
            for (int i = 0; i < turns; i++) {
                handOver(luod, control, i);
            }
            LuodMain.awaitFds(before);
        }
    }

    private void handOver(Luod luod, LuodControl control, long word) throws InterruptedException {
        try (RecordingListener vmm = new RecordingListener(word);
                LuodAgent agent = new LuodAgent(path())) {
            agent.subscribe("vm1", vmm);
            awaitClients(control, 1);
            control.kexec(false, (id, step) -> {});
            vmm.expect("prepare");
            vmm.expect("preserve");
            vmm.expect("turned");
        }
        try (LuodAgent next = new LuodAgent(path())) {
            Session incoming = next.claim("vm1");
            RecordingListener.check(incoming, word);
            next.finish("vm1", incoming);
            awaitFinished(luod);
            awaitClients(control, 0);
        }
    }
}
