package dev.holdover.liveupdate;

import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.SocketFile;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.luod.FuzzScript;
import dev.holdover.luod.LuodMain;
import dev.holdover.luod.PlainClient;
import dev.holdover.luod.RecordingListener;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Bytes as what a luod says that means harm: the client ends with a sentence or goes on, says nothing that is not of the
 * protocol, closes what it was sent, and does not hang.
 *
 * <p>The first byte says who the client is: {@code c} claims, {@code l} administers, any other subscribes. Further verbs
 * (see {@link FuzzScript}):
 *
 * <pre>
 * +KIND   a descriptor goes with the next bytes     &lt;   reads what the client says     x   disconnects; it comes again
 * </pre>
 *
 * <p>Of the kinds, {@code h} is a session that grants everything, {@code E} and a byte one that refuses with that errno,
 * {@code w} and bytes one that answers so, {@code f} one that gives a memfd with each answer.
 */
final class LuodAgentTarget {
    /** More than a client asks one session, so that it never waits for an answer. */
    private static final int REPLIES = 24;

    private static final int MAX_FDS = 16;
    private static final int MAX_CONNECTIONS = 3;

    private static int runs;

    private LuodAgentTarget() {}

    /** Returns which commands the client sent. */
    static Set<String> run(byte[] script) throws Exception {
        Set<String> commands = new HashSet<>();
        if (script.length == 0) {
            return commands;
        }
        int before = LuodMain.fds().size();
        String path = "@holdover-fuzz-agent-" + ProcessHandle.current().pid() + "-" + runs++;
        Throwable[] uncaught = new Throwable[1];
        Thread.UncaughtExceptionHandler usual = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((thread, thrown) -> uncaught[0] = thrown);
        try {
            switch (script[0]) {
                case 'c' -> once(path, script, commands, () -> claim(path));
                case 'l' -> once(path, script, commands, () -> administer(path));
                default -> subscribe(path, script, commands);
            }
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(usual);
        }
        if (uncaught[0] != null) {
            throw new AssertionError("no sentence", uncaught[0]);
        }
        LuodMain.awaitFds(before);
        return commands;
    }

    private static void claim(String path) {
        try (LuodAgent agent = new LuodAgent(path, 1);
                Session session = agent.claim("vm1")) {
            if (session != null) {
                session.retrieve(Tokens.STATE).close();
                session.retrieve(Tokens.ram(0)).close();
                agent.finish("vm1", session);
            }
        } catch (VmmException e) {
            requireSentence(e);
        }
    }

    private static void administer(String path) {
        try (LuodControl control = new LuodControl(path)) {
            control.status();
            control.list();
            control.abort();
        } catch (VmmException e) {
            requireSentence(e);
        }
    }

    private static void requireSentence(VmmException e) {
        if (e.getMessage().isEmpty()) {
            throw new AssertionError("no sentence", e);
        }
    }

    /** A client that has one question. */
    private static void once(String path, byte[] script, Set<String> commands, Runnable question)
            throws InterruptedException {
        Thread client = new Thread(question, "fuzzed client");
        try (Server server = new Server(path, commands)) {
            client.start();
            server.play(script);
            // One that tries again gets no answer.
            for (long deadline = deadline(); client.isAlive(); client.join(0, 100_000)) {
                requireInTime(deadline, client);
                UnixSocket again = server.socket.listener().accept();
                if (again != null) {
                    again.close();
                }
            }
        }
    }

    private static void subscribe(String path, byte[] script, Set<String> commands) throws InterruptedException {
        try (Server server = new Server(path, commands);
                RecordingListener vmm = new RecordingListener(1)) {
            LuodAgent agent = new LuodAgent(path, 1);
            agent.subscribe("vm1", vmm);
            server.play(script);
            // A client that ends when it is ready leaves its session to luod; it has yet to see that this one is gone.
            for (long deadline = deadline(); vmm.isReady(); Thread.onSpinWait()) {
                requireInTime(deadline, Thread.currentThread());
            }
            Thread closes = new Thread(agent::close, "closes the fuzzed client");
            closes.start();
            for (long deadline = deadline(); closes.isAlive(); closes.join(0, 100_000)) {
                requireInTime(deadline, closes);
            }
        }
    }

    private static long deadline() {
        return System.nanoTime() + FuzzScript.PATIENCE_NANOS;
    }

    private static void requireInTime(long deadline, Thread client) {
        if (System.nanoTime() - deadline > 0) {
            AssertionError hangs = new AssertionError("the client hangs");
            hangs.setStackTrace(client.getStackTrace());
            throw hangs;
        }
    }

    private static final class Server implements AutoCloseable {
        final SocketFile socket;
        private final Set<String> commands;
        private UnixSocket client;
        private FuzzScript.Heard heard;
        private int connections;
        private final List<Fd> carried = new ArrayList<>();
        /** Far ends of what was sent. */
        private final List<UnixSocket> open = new ArrayList<>();

        Server(String path, Set<String> commands) {
            this.commands = commands;
            socket = SocketFile.listen("luod", path);
        }

        void play(byte[] script) {
            connect();
            List<byte[]> steps = FuzzScript.steps(FuzzScript.from(script, 1));
            for (byte[] step : steps) {
                play(step, script[0]);
            }
            disconnect();
        }

        private void play(byte[] step, byte who) {
            switch (FuzzScript.at(step, 0)) {
                case '>' -> say(FuzzScript.line(FuzzScript.from(step, 1)));
                case '*' -> say(FuzzScript.many(step, 1));
                case '+' -> {
                    if (carried.size() < MAX_FDS) {
                        carried.add(descriptor(step));
                    }
                }
                case '<' -> listen();
                case 'x' -> {
                    if (who != 'c' && who != 'l' && connections < MAX_CONNECTIONS) {
                        disconnect();
                        connect();
                    }
                }
                default -> say(FuzzScript.from(step, 1));
            }
        }

        private void connect() {
            connections++;
            heard = new FuzzScript.Heard("cmd", commands);
            long deadline = deadline();
            for (client = null; client == null; client = socket.listener().accept()) {
                if (System.nanoTime() - deadline > 0) {
                    throw new AssertionError("the client does not come again");
                }
                Thread.onSpinWait();
            }
        }

        private void say(byte[] bytes) {
            FuzzScript.send(client, bytes, carried);
            closeCarried();
        }

        private void closeCarried() {
            for (Fd fd : carried) {
                fd.close();
            }
            carried.clear();
        }

        /** What it says is an answer to what was said, so that comes first. */
        private void listen() {
            FuzzScript.awaitRead(client);
            for (Fd fd : heard.read(client)) {
                fd.close();
            }
        }

        /** Says what is no event, and waits until the client has come to that: it has seen everything then. */
        private void disconnect() {
            say(new byte[] {'\n', '\n'});
            long deadline = deadline();
            while (!heard.ended) {
                if (System.nanoTime() - deadline > 0) {
                    throw new AssertionError("the client puts up with everything");
                }
                for (Fd fd : heard.read(client)) {
                    fd.close();
                }
            }
            client.close();
            client = null;
        }

        private Fd descriptor(byte[] step) {
            return switch (FuzzScript.at(step, 1)) {
                case 'm' -> PlainClient.memfd(1);
                case 'n' -> Fd.open("/dev/null", Fd.O_RDWR);
                case 'o' -> Fd.open("/", Fd.O_PATH);
                case 'e' -> {
                    try (EventFd eventFd = new EventFd()) {
                        yield eventFd.fd().dup();
                    }
                }
                case 'd' -> lonely(UnixSocket.Kind.SEQPACKET);
                case 't' -> lonely(UnixSocket.Kind.STREAM);
                case 'u' -> lonely(UnixSocket.Kind.DATAGRAM);
                case 'E' -> session(-FuzzScript.at(step, 2), false);
                case 'f' -> session(0, true);
                case 'w' -> session(FuzzScript.from(step, 2));
                default -> session(0, false);
            };
        }

        private static Fd lonely(UnixSocket.Kind kind) {
            UnixSocket[] pair = UnixSocket.pair(kind);
            pair[0].close();
            return pair[1].fd();
        }

        /** It tells its name, and then answers so. */
        private Fd session(int result, boolean giving) {
            try (Arena arena = Arena.ofConfined();
                    Fd memfd = PlainClient.memfd(1)) {
                MemorySegment name = arena.allocate(HeldMessage.REPLY_SIZE, 8);
                HeldMessage.reply(name, null, "vm1");
                MemorySegment reply = arena.allocate(HeldMessage.REPLY_SIZE, 8);
                HeldMessage.reply(reply, null, "vm1");
                reply.set(ValueLayout.JAVA_INT, 0, result);
                return session(name, reply, giving ? List.of(memfd) : List.of());
            }
        }

        private Fd session(byte[] answer) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment reply = arena.allocateFrom(ValueLayout.JAVA_BYTE, answer);
                return session(reply, reply, List.of());
            }
        }

        /** It has all its answers before it is asked. */
        private Fd session(MemorySegment first, MemorySegment reply, List<Fd> fds) {
            UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
            open.add(pair[0]);
            for (int i = 0; i < REPLIES; i++) {
                pair[0].trySend(i == 0 ? first : reply, fds);
            }
            return pair[1].fd();
        }

        @Override
        public void close() {
            closeCarried();
            if (client != null) {
                client.close();
            }
            for (UnixSocket far : open) {
                far.close();
            }
            socket.close();
        }
    }
}
