package dev.holdover.liveupdate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.holdover.linux.Fd;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.luod.HeldPeer;
import dev.holdover.luod.PlainClient;
import dev.holdover.luod.RecordingListener;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The systemd agent against a NOTIFY_SOCKET that keeps descriptors as PID 1 does. */
@Timeout(60)
class SystemdAgentTest {
    @TempDir
    Path dir;

    private FakeManager manager;

    @BeforeEach
    void start() {
        manager = new FakeManager(dir.resolve("notify").toString());
    }

    @AfterEach
    void end() throws Exception {
        manager.end();
    }

    /** Reads datagrams as systemd does: NAME=VALUE lines, the store, the barrier. */
    private static final class FakeManager extends Thread {
        private final UnixSocket socket;
        final String path;
        final List<String> messages = new CopyOnWriteArrayList<>();
        final Map<String, Fd> store = new ConcurrentHashMap<>();
        private volatile boolean ended;

        FakeManager(String path) {
            this.path = path;
            socket = UnixSocket.listen(UnixSocket.Kind.DATAGRAM, path);
            socket.fd().setNonBlocking(false);
            socket.setTimeout(50);
            start();
        }

        @Override
        public void run() {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment buffer = arena.allocate(4096);
                while (!ended) {
                    UnixSocket.Received received = socket.receive(buffer);
                    if (received.bytes() > 0) {
                        take(
                                new String(
                                        buffer.asSlice(0, received.bytes()).toArray(ValueLayout.JAVA_BYTE),
                                        StandardCharsets.UTF_8),
                                received.fds());
                    }
                }
            }
        }

        private void take(String message, List<Fd> fds) {
            Map<String, String> values = new HashMap<>();
            for (String line : message.split("\n", -1)) {
                values.put(line.substring(0, line.indexOf('=')), line.substring(line.indexOf('=') + 1));
            }
            messages.add(message.replace('\n', ' '));
            String name = values.getOrDefault("FDNAME", "stored");
            if (values.containsKey("FDSTORE")) {
                store.put(name, fds.getFirst());
                return;
            }
            if (values.containsKey("FDSTOREREMOVE")) {
                Fd removed = store.remove(name);
                if (removed != null) {
                    removed.close();
                }
            }
            for (Fd fd : fds) {
                fd.close(); // BARRIER=1 among others
            }
        }

        void end() throws InterruptedException {
            ended = true;
            join(10_000);
            for (Fd fd : store.values()) {
                fd.close();
            }
            socket.close();
        }
    }

    private SystemdAgent agent(Map<String, String> more, String inherited) {
        Map<String, String> environment = new HashMap<>(Map.of("NOTIFY_SOCKET", manager.path, "FDSTORE", "16"));
        environment.putAll(more);
        return new SystemdAgent(environment, inherited);
    }

    @Test
    void aSessionIsStoredAndTakenOut() {
        SystemdAgent agent = agent(Map.of(), null);
        Fd memfd = PlainClient.memfd(6);
        agent.store("vm 1", memfd);
        memfd.close();
        String name = SessionName.of("vm 1");
        assertThat(manager.messages).containsExactly("FDSTORE=1 FDNAME=" + name + " FDPOLL=0", "BARRIER=1");
        assertThat(PlainClient.word(manager.store.get(name))).isEqualTo(6);
        agent.release("vm 1");
        assertThat(manager.store).isEmpty();
    }

    /** The whole way in: the descriptor that was passed, by its name, FINISH, and out of the store. */
    @Test
    void whatWasPassedIsClaimedByItsName() {
        try (Passed passed = new Passed(true)) {
            SystemdAgent agent = passed.agent();
            assertThat(agent.claim("vm2")).isNull();
            Session session = agent.claim("vm1");
            assertThat(session.name()).isEqualTo("vm1");
            assertThat(Fd.isOpenAcrossExec(session.fd().number())).isFalse();
            assertThatThrownBy(() -> agent.claim("vm1")).hasMessageContaining("restart the unit to get it again");
            agent.finish("vm1", session);
            agent.release("x"); // with a barrier: all before it is worked through
            assertThat(manager.messages).contains("FDSTOREREMOVE=1 FDNAME=vm1");
            assertThat(session.fd().isClosed()).isTrue();
        }
    }

    /** The unit was stopped while a kernel was loaded, and is started under the same kernel: nobody gets that guest back. */
    @Test
    void aSessionThatWaitsForTheNextKernelIsGivenUp() {
        try (Passed passed = new Passed(false)) {
            assertThat(passed.agent().claim("vm1")).isNull();
            assertThat(manager.messages).containsExactly("FDSTOREREMOVE=1 FDNAME=vm1", "BARRIER=1");
            assertThat(Path.of("/proc/self/fd/" + passed.number)).doesNotExist();
        }
    }

    /** The session vm1, as systemd passes it to a process. */
    private final class Passed implements AutoCloseable {
        private final HeldPeer held;
        final int number;

        Passed(boolean incoming) {
            held = new HeldPeer("vm1", incoming);
            number = held.lend().renamed("passed").number();
        }

        SystemdAgent agent() {
            // It goes to fd 3 + i only in a process of systemd's; here i is chosen so that this is it.
            int i = number - 3;
            Map<String, String> listen = Map.of(
                    "LISTEN_FDS", Integer.toString(i + 1),
                    "LISTEN_PID", Long.toString(ProcessHandle.current().pid()),
                    "LISTEN_FDNAMES", "other:".repeat(i) + "vm1");
            StringBuilder inherited = new StringBuilder();
            for (int fd = 3; fd <= number; fd++) {
                inherited.append(inherited.isEmpty() ? "" : ",").append(fd);
            }
            return SystemdAgentTest.this.agent(listen, inherited.toString());
        }

        @Override
        public void close() {
            held.close();
        }
    }

    @Test
    void descriptorsOfAnotherProcessAreNotOurs() {
        Map<String, String> listen = Map.of("LISTEN_FDS", "1", "LISTEN_PID", "1", "LISTEN_FDNAMES", "vm1");
        assertThat(agent(listen, "").claim("vm1")).isNull();
        Map<String, String> closed = Map.of(
                "LISTEN_FDS",
                "1",
                "LISTEN_PID",
                Long.toString(ProcessHandle.current().pid()),
                "LISTEN_FDNAMES",
                "vm1");
        assertThatThrownBy(() -> agent(closed, "").claim("vm1"))
                .isInstanceOf(VmmException.class)
                .hasMessageStartingWith("LISTEN_FDS says that file descriptor 3 was passed, but it was not");
    }

    @Test
    void withoutSystemdItSaysSo() {
        assertThatThrownBy(() -> new SystemdAgent(Map.of(), null).claim("vm1"))
                .isInstanceOf(VmmException.class)
                .hasMessageStartingWith("NOTIFY_SOCKET is not set: --live-update systemd is for a unit of systemd 261");
        SystemdAgent agent = new SystemdAgent(Map.of("NOTIFY_SOCKET", manager.path), null);
        agent.subscribe("vm1", new RecordingListener(1));
        assertThatThrownBy(agent::prepare)
                .isInstanceOf(VmmException.class)
                .hasMessageStartingWith("FDSTORE is not set, so the unit has no FileDescriptorStoreMax=");
    }

    @Test
    void saysWhatItLacksBeforeAnUpdateFails() {
        assertThat(new SystemdAgent(Map.of(), "").lack()).contains("NOTIFY_SOCKET is not set", "Type=notify");
        assertThat(new SystemdAgent(Map.of("NOTIFY_SOCKET", "/x"), "").lack())
                .contains("FDSTORE is not set", "FileDescriptorStoreMax=");
        assumeFalse(LiveUpdateDevice.exists());
        assertThat(new SystemdAgent(Map.of("NOTIFY_SOCKET", "/x", "FDSTORE", "16"), "").lack())
                .isEqualTo(new DeviceAgent().lack())
                .contains("cannot open /dev/liveupdate, ENOENT");
    }
}
