package dev.holdover.luod;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.liveupdate.KernelSession;
import dev.holdover.liveupdate.LuodControl;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.SessionException;
import dev.holdover.liveupdate.Tokens;
import dev.holdover.liveupdate.wire.ForeignFd;
import dev.holdover.liveupdate.wire.LineSocket;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Whatever a client does, luod serves the others, and loses no descriptor. */
@Timeout(180)
class HostileClientTest {
    @TempDir
    Path dir;

    private String path;
    private Luod luod;

    @BeforeEach
    void start() {
        path = dir.resolve("luod.sock").toString();
        luod = Luod.open(new LuodOptions(path, null, true, 30, 30));
    }

    @AfterEach
    void end() {
        luod.close();
    }

    /** luod still serves; and has worked through what was sent before. */
    private LuodControl.Status status() {
        try (LuodControl control = new LuodControl(path)) {
            return control.status();
        }
    }

    @Test
    void rubbishEndsItsConnectionOnly() throws Exception {
        int before = LuodMain.fds().size();
        String[] rubbish = {
            "\n",
            "rubbish\n",
            "{}\n",
            "[]\n",
            "null\n",
            "{\"cmd\": 1}\n",
            "{\"cmd\": \"SUBSCRIBE\", \"cmd\": \"READY\"}\n",
            "x".repeat(4097),
            "{\"cmd\": \"" + "x".repeat(5000) + "\"}\n",
            "{\"a\": " + "[".repeat(4000) + "\n",
            "\0\0\0\n",
            "{\"cmd\": \"SUBSCRIBE\", \"id\": \"\"}\n",
            "{\"cmd\": \"SUBSCRIBE\", \"id\": [1]}\n",
            "{\"cmd\": \"SUBSCRIBE\", \"id\": \"" + "x".repeat(2000) + "\"}\n",
            "{\"cmd\": \"CLAIM\", \"id\": null}\n"
        };
        for (String line : rubbish) {
            try (PlainClient client = new PlainClient(path);
                    Fd memfd = PlainClient.memfd(1)) {
                client.write(line.getBytes(StandardCharsets.UTF_8), List.of(memfd, memfd, memfd));
                client.expectEnd();
            }
        }
        assertThat(status().clients()).isZero();
        LuodMain.awaitFds(before);
    }

    /** Lines that break no rule but make no sense, alone and in a row, in pieces, with descriptors. */
    @Test
    void randomConversationsLeaveNothingBehind() throws Exception {
        int before = LuodMain.fds().size();
        Random random = new Random(1);
        String[] lines = {
            "{\"cmd\": \"SUBSCRIBE\", \"id\": \"%d\"}",
            "{\"cmd\": \"SUBSCRIBE\", \"id\": \"%d\", \"version\": 1}",
            "{\"cmd\": \"READY\"}",
            "{\"cmd\": \"READY\", \"update\": %d}",
            "{\"cmd\": \"PREPARED\", \"update\": %d}",
            "{\"cmd\": \"FAILED\", \"update\": %d}",
            "{\"cmd\": \"CLAIM\", \"id\": \"%d\"}",
            "{\"cmd\": \"CLAIM\", \"id\": \"%d\", \"version\": 1}",
            "{\"cmd\": \"CLAIMED\", \"id\": \"%d\", \"version\": 1}",
            "{\"cmd\": \"FINISHED\", \"id\": \"%d\"}",
            "{\"cmd\": \"KEXEC\", \"version\": 1}",
            "{\"cmd\": \"ABORT\", \"version\": 1}",
            "{\"cmd\": \"LIST\"}",
            "{\"cmd\": \"STATUS\"}",
            "{\"cmd\": \"DISCARD\", \"id\": \"%d\", \"version\": 1}",
            "{\"cmd\": \"%d\"}"
        };
        for (int round = 0; round < 300; round++) {
            try (UnixSocket client = UnixSocket.connect(UnixSocket.Kind.STREAM, path);
                    Fd memfd = PlainClient.memfd(1);
                    Arena arena = Arena.ofConfined()) {
                client.setTimeout(Patience.host().millis(5_000));
                StringBuilder said = new StringBuilder();
                for (int i = random.nextInt(8); i >= 0; i--) {
                    said.append(lines[random.nextInt(lines.length)].replace("%d", Integer.toString(random.nextInt(3))))
                            .append('\n');
                }
                byte[] bytes = said.toString().getBytes(StandardCharsets.UTF_8);
                for (int done = 0; done < bytes.length; ) {
                    int piece = Math.min(bytes.length - done, 1 + random.nextInt(200));
                    MemorySegment segment = arena.allocate(piece);
                    MemorySegment.copy(bytes, done, segment, ValueLayout.JAVA_BYTE, 0, piece);
                    List<Fd> fds = random.nextInt(3) == 0 ? List.of(memfd, memfd) : List.of();
                    if (client.trySend(segment, fds) < 0) {
                        break; // luod has had enough of it
                    }
                    done += piece;
                }
            }
        }
        discardAll();
        LuodMain.awaitFds(before);
    }

    /** Sessions of rounds that got as far as a turn. */
    private void discardAll() {
        long deadline = System.nanoTime() + Patience.host().nanos(20_000);
        try (LuodControl control = new LuodControl(path)) {
            while (control.status().clients() > 0 || !control.status().phase().equals("IDLE")) {
                assertThat(System.nanoTime()).as("all clients are gone").isLessThan(deadline);
            }
            for (LuodControl.Entry entry : control.list()) {
                control.discard(entry.id());
            }
            assertThat(control.list()).isEmpty();
        }
    }

    @Test
    void twoHundredClientsAtOnceGoThroughOneUpdate() throws Exception {
        int count = 200;
        int before = LuodMain.fds().size();
        List<PlainClient> clients = new ArrayList<>();
        List<Session> sessions = new ArrayList<>();
        try (PlainClient luoctl = new PlainClient(path)) {
            for (int i = 0; i < count; i++) {
                PlainClient client = new PlainClient(path);
                clients.add(client);
                client.say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"vm" + i + "\", \"version\": 1}");
            }
            for (PlainClient client : clients) {
                assertThat(client.read()).startsWith("{\"event\": \"SUBSCRIBED\"");
            }
            luoctl.say("{\"cmd\": \"KEXEC\", \"version\": 1}");
            for (int i = 0; i < count; i++) {
                clients.get(i).expect("{\"event\": \"PREPARE\", \"update\": 1}");
                Session session = clients.get(i).session();
                sessions.add(session);
                try (Fd memfd = PlainClient.memfd(i)) {
                    session.preserve(memfd, Tokens.ram(0));
                }
                clients.get(i).say("{\"cmd\": \"PREPARED\", \"update\": 1}");
            }
            for (PlainClient client : clients) {
                client.expect("{\"event\": \"START_PRESERVATION\", \"update\": 1}")
                        .say("{\"cmd\": \"READY\", \"update\": 1}");
            }
            for (int i = 0; i < count; i++) {
                clients.get(i).expect("{\"event\": \"TURNED\", \"update\": 1}");
                sessions.get(i).close();
                clients.get(i).close();
            }
            for (int i = 0; i < count; i++) {
                try (PlainClient next = new PlainClient(path)) {
                    next.say("{\"cmd\": \"CLAIM\", \"id\": \"vm" + i + "\"}")
                            .expect("{\"event\": \"SESSION\", \"id\": \"vm" + i + "\"}");
                    try (Session session = next.session();
                            Fd memfd = session.retrieve(Tokens.ram(0))) {
                        assertThat(PlainClient.word(memfd)).isEqualTo(i);
                        session.finish();
                    }
                    next.say("{\"cmd\": \"FINISHED\", \"id\": \"vm" + i + "\"}");
                }
            }
        }
        discardAll();
        LuodMain.awaitFds(before);
    }

    /** What one says may be longer, escaped, than a line may be. */
    @Test
    void whatIsPassedOnFitsIntoALineAndStaysOnIt() {
        try (PlainClient fails = new PlainClient(path);
                PlainClient other = new PlainClient(path);
                PlainClient luoctl = new PlainClient(path)) {
            fails.say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"a\", \"version\": 1}");
            assertThat(fails.read()).contains("SUBSCRIBED");
            other.say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"b\", \"version\": 1}");
            assertThat(other.read()).contains("SUBSCRIBED");
            luoctl.say("{\"cmd\": \"KEXEC\", \"version\": 1}");
            assertThat(fails.read()).contains("PREPARE");
            assertThat(other.read()).contains("PREPARE");
            fails.say("{\"cmd\": \"FAILED\", \"update\": 1, \"reason\": \"\\u001b[2J\\nluod: " + "é".repeat(1500)
                    + "\"}");
            assertThat(other.read())
                    .startsWith("{\"event\": \"ABORT\", \"update\": 1, \"reason\": \"a failed: ?[2J?luod: \\u00")
                    .hasSizeLessThan(LineSocket.MAX_LINE);
            assertThat(fails.read()).startsWith("{\"event\": \"ABORT\"").hasSizeLessThan(LineSocket.MAX_LINE);
            other.say("{\"cmd\": \"" + "é".repeat(1500) + "\"}");
            assertThat(other.read()).startsWith("{\"event\": \"ERROR\"").hasSizeLessThan(LineSocket.MAX_LINE);
        }
        // As long as an id may be of which every character is escaped.
        for (String id : List.of("é".repeat(500), "\\u0001".repeat(500))) {
            try (PlainClient client = new PlainClient(path)) {
                client.say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"" + id + "\", \"version\": 1}");
                assertThat(client.read())
                        .startsWith("{\"event\": \"SUBSCRIBED\"")
                        .hasSizeLessThan(LineSocket.MAX_LINE);
            }
        }
        try (PlainClient client = new PlainClient(path)) {
            client.say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"" + "é".repeat(1024) + "\", \"version\": 1}");
            assertThat(client.read()).startsWith("{\"event\": \"ERROR\", \"errno\": \"EINVAL\"");
        }
    }

    /** Each claim is answered by a descriptor, which luod has the other end of. */
    @Test
    void aClientThatClaimsAgainAndAgainTakesNoMoreDescriptorsThanItMay() throws Exception {
        int before = LuodMain.fds().size();
        try (PlainClient vmm = new PlainClient(path);
                PlainClient luoctl = new PlainClient(path)) {
            turn(vmm, luoctl);
            assertThat(luoctl.read()).contains("PROGRESS");
        }
        try (UnixSocket greedy = UnixSocket.connect(UnixSocket.Kind.STREAM, path);
                Arena arena = Arena.ofConfined()) {
            greedy.setTimeout(Patience.host().millis(5_000));
            byte[] claim = "{\"cmd\": \"CLAIM\", \"id\": \"vm1\", \"version\": 1}\n".getBytes(StandardCharsets.UTF_8);
            MemorySegment line = arena.allocateFrom(ValueLayout.JAVA_BYTE, claim);
            for (int i = 0; i < 1000 && greedy.trySend(line, List.of()) > 0; i++) {
                // luod has had enough of it at the end
            }
            assertThat(status().waiting()).isOne();
            assertThat(LuodMain.fds().size()).as("descriptors").isLessThan(before + 100);
        }
        LuodMain.awaitFds(before);
        try (PlainClient next = new PlainClient(path)) {
            next.say("{\"cmd\": \"CLAIM\", \"id\": \"vm1\"}").expect("{\"event\": \"SESSION\", \"id\": \"vm1\"}");
            next.session().close();
        }
    }

    /** A whole update with the client vm1, which preserves nothing. */
    private static void turn(PlainClient vmm, PlainClient luoctl) {
        vmm.say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"vm1\", \"version\": 1}");
        assertThat(vmm.read()).startsWith("{\"event\": \"SUBSCRIBED\"");
        luoctl.say("{\"cmd\": \"KEXEC\", \"version\": 1}");
        assertThat(vmm.read()).startsWith("{\"event\": \"PREPARE\"");
        vmm.session().close();
        vmm.say("{\"cmd\": \"PREPARED\", \"update\": 1}");
        assertThat(vmm.read()).startsWith("{\"event\": \"START_PRESERVATION\"");
        vmm.say("{\"cmd\": \"READY\", \"update\": 1}");
        assertThat(vmm.read()).startsWith("{\"event\": \"TURNED\"");
    }

    /** luod waits for nobody: not even for one who may be behind a descriptor that was given back. */
    @Test
    void whatIsGivenBackIsNotAskedUnlessItIsTheKernels() throws Exception {
        UnixSocket[] silent = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
        long start = System.nanoTime();
        assertThatThrownBy(() -> KernelSession.of(silent[1].fd(), 0))
                .isInstanceOf(SessionException.class)
                .hasMessageContaining("is no live-update session of the kernel's");
        assertThat(System.nanoTime() - start).isLessThan(Patience.host().nanos(10_000));
        assertThatThrownBy(() -> silent[1].fd().number()).as("closed").isInstanceOf(IllegalStateException.class);
        silent[0].close();
    }

    private SilentFileSystem mountSilent() throws IOException {
        SilentFileSystem silent = SilentFileSystem.tryMount(Files.createDirectory(dir.resolve("silent")));
        assumeTrue(silent != null, "FUSE cannot be mounted here: it needs root and /dev/fuse");
        return silent;
    }

    /** close(2), fstat(2) and ioctl(2) of a file of FUSE wait for its server. */
    @Test
    void aFileWhoseServerIsSilentKeepsNobodyWaiting() throws Exception {
        try (SilentFileSystem silent = mountSilent();
                PlainClient vmm = new PlainClient(path);
                PlainClient luoctl = new PlainClient(path)) {
            List<Fd> files = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                files.add(silent.open());
            }
            silent.fallSilent();
            vmm.say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"vm1\", \"version\": 1}", files);
            assertThat(vmm.read()).as("surplus files are closed").startsWith("{\"event\": \"SUBSCRIBED\"");
            assertThat(vmm.read()).as("what is no session is closed").startsWith("{\"event\": \"ABORT\"");
            vmm.say("{\"cmd\": \"STATUS\", \"version\": 1}", List.of(files.getFirst()));
            assertThat(vmm.read()).as("nobody takes it").startsWith("{\"event\": \"STATUS\"");
            luoctl.say("{\"cmd\": \"KEXEC\", \"version\": 1}");
            assertThat(vmm.read()).startsWith("{\"event\": \"PREPARE\"");
            try (Session session = vmm.session()) {
                assertThatThrownBy(() -> session.preserve(files.getFirst(), Tokens.ram(0)))
                        .isInstanceOfSatisfying(
                                SessionException.class,
                                e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT));
            }
            assertThat(status().clients()).as("luod serves").isPositive();
            for (Fd file : files) {
                Thread.ofPlatform().daemon().start(file::close); // waits for the server, too
            }
        }
    }

    /** The threads that close them are few. */
    @Test
    void whoPassesManySilentFilesIsDropped() throws Exception {
        int uid = UnixSocket.Peer.self().uid();
        try (SilentFileSystem silent = mountSilent()) {
            Fd file = silent.open();
            silent.fallSilent();
            try (UnixSocket greedy = UnixSocket.connect(UnixSocket.Kind.STREAM, path);
                    Arena arena = Arena.ofConfined()) {
                greedy.setTimeout(Patience.host().millis(5_000));
                MemorySegment line = arena.allocateFrom(
                        ValueLayout.JAVA_BYTE, "{\"cmd\": \"x\"}\n".getBytes(StandardCharsets.UTF_8));
                long sent = 0;
                for (int i = 0; i < 1000 && sent >= 0; i++) {
                    sent = greedy.trySend(line, List.of(file, file, file, file));
                }
                assertThat(sent).as("its connection has ended").isIn((long) -Errno.EPIPE.number(), (long)
                        -Errno.ECONNRESET.number());
            }
            assertThat(ForeignFd.isStuck(uid)).isTrue();
            assertThat(status().clients()).as("luod serves its administrators").isZero();
            assertThat(Thread.getAllStackTraces().keySet().stream()
                            .filter(thread -> thread.getName().equals("luod close")))
                    .hasSizeLessThan(20);
            Thread.ofPlatform().daemon().start(file::close);
        }
        long deadline = System.nanoTime() + Patience.host().nanos(20_000);
        while (ForeignFd.isStuck(uid)) {
            assertThat(System.nanoTime())
                    .as("the end of the mount ends the waits")
                    .isLessThan(deadline);
            Thread.sleep(10);
        }
    }

    /** One that reads nothing is given up when too much waits for it; others are served meanwhile. */
    @Test
    void aClientThatNeverReadsIsGivenUp() throws Exception {
        try (UnixSocket deaf = UnixSocket.connect(UnixSocket.Kind.STREAM, path);
                Arena arena = Arena.ofConfined()) {
            deaf.setTimeout(Patience.host().millis(5_000));
            MemorySegment line = arena.allocateFrom(
                    ValueLayout.JAVA_BYTE, "{\"cmd\": \"STATUS\"}\n".repeat(100).getBytes(StandardCharsets.UTF_8));
            long deadline = System.nanoTime() + Patience.host().nanos(60_000);
            long n;
            do {
                n = deaf.trySend(line, List.of());
                assertThat(status().backend()).isEqualTo("hold");
                assertThat(System.nanoTime()).as("it is given up").isLessThan(deadline);
            } while (n > 0);
            assertThat(n).isIn((long) -Errno.EPIPE.number(), (long) -Errno.ECONNRESET.number());
        }
    }

    /** Idle connections make room for those who come; subscribed ones do not. */
    @Test
    void idleConnectionsCannotKeepOthersOut() {
        List<PlainClient> idle = new ArrayList<>();
        try (PlainClient vmm = new PlainClient(path)) {
            vmm.say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"vm1\", \"version\": 1}");
            assertThat(vmm.read()).startsWith("{\"event\": \"SUBSCRIBED\"");
            for (int i = 0; i < Luod.MAX_CLIENTS + 20; i++) {
                idle.add(new PlainClient(path));
            }
            assertThat(status().clients()).isOne();
            idle.getFirst().expectEnd();
        } finally {
            for (PlainClient client : idle) {
                client.close();
            }
        }
    }

    @Test
    void anotherUserCannotClaimNorAdminister() throws Exception {
        assumeTrue(UnixSocket.Peer.self().uid() == 0, "only root can become another user");
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/setpriv")), "there is no setpriv");
        String open = "@holdover-luod-test-" + ProcessHandle.current().pid();
        try (Luod reachable = Luod.open(new LuodOptions(open, null, true, 30, 30));
                PlainClient luoctl = new PlainClient(open)) {
            PlainClient vmm = new PlainClient(open);
            turn(vmm, luoctl);
            String uid = "65534";
            assertThat(asUser(uid, open, "{\"cmd\": \"CLAIM\", \"id\": \"vm1\", \"version\": 1}"))
                    .isEqualTo(
                            "{\"event\": \"ERROR\", \"errno\": \"EPERM\", \"desc\": \"the session of vm1 belongs to uid 0,"
                                    + " the client is uid 65534: claim it as that user or as root\"}");
            assertThat(asUser(uid, open, "{\"cmd\": \"CLAIM\", \"id\": \"vm1\"}"))
                    .isEqualTo("null");
            assertThat(asUser(uid, open, "{\"cmd\": \"SUBSCRIBE\", \"id\": \"vm1\", \"version\": 1}"))
                    .contains("EEXIST");
            vmm.close();
            awaitNoClient(open);
            assertThat(asUser(uid, open, "{\"cmd\": \"SUBSCRIBE\", \"id\": \"vm1\", \"version\": 1}"))
                    .contains("EPERM");
            assertThat(asUser(uid, open, "{\"cmd\": \"FINISHED\", \"id\": \"vm1\", \"version\": 1}"))
                    .contains("EPERM");
            assertThat(asUser(uid, open, "{\"cmd\": \"DISCARD\", \"id\": \"vm1\", \"version\": 1}"))
                    .contains("EPERM");
            assertThat(asUser(uid, open, "{\"cmd\": \"LIST\", \"version\": 1}")).contains("EPERM");
            assertThat(reachable.wouldLose()).containsExactly("vm1");
        }
    }

    private static void awaitNoClient(String path) {
        long deadline = System.nanoTime() + Patience.host().nanos(20_000);
        try (LuodControl control = new LuodControl(path)) {
            while (control.status().clients() > 0) {
                assertThat(System.nanoTime()).as("all clients are gone").isLessThan(deadline);
            }
        }
    }

    /** It may read all classes, wherever they are; that gives it nothing with luod. */
    private static String asUser(String uid, String path, String line) throws Exception {
        Process client = LuodMain.process(
                        List.of(
                                "/usr/bin/setpriv",
                                "--reuid=" + uid,
                                "--regid=" + uid,
                                "--clear-groups",
                                "--inh-caps=+dac_read_search",
                                "--ambient-caps=+dac_read_search"),
                        "say",
                        path,
                        line)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        assertThat(client.waitFor(Patience.host().seconds(30), TimeUnit.SECONDS))
                .as("end of the client")
                .isTrue();
        return new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    }
}
