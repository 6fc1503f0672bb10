package dev.holdover.luod;

import dev.holdover.linux.Errno;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.HeldMessage;
import dev.holdover.liveupdate.LuodControl;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.SessionException;
import dev.holdover.liveupdate.Tokens;
import dev.holdover.liveupdate.wire.LiveUpdateIoctl;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Bytes as what clients do that mean harm: luod goes on serving, keeps to the protocol, and is left with no descriptor more
 * than before when they are gone.
 *
 * <p>A step (see {@link FuzzScript}) has the number of its connection, 0 to 3, behind its verb. Further verbs:
 *
 * <pre>
 * +CN     N descriptors more go with the connection's next bytes     xC      disconnects
 * &lt;C      reads what luod says, and keeps the sessions               sCTEXT  a request to the session that came last
 * </pre>
 *
 * <p>A request is {@code N}ame, {@code P}reserve, {@code R}etrieve, {@code F}inish, {@code C} to close it, or any bytes.
 */
final class LuodTarget {
    private static final int CONNECTIONS = 4;
    private static final int MAX_CARRIED = 8;

    private static int runs;

    private LuodTarget() {}

    /** Returns which events luod sent. */
    static Set<String> run(byte[] script) throws Exception {
        Set<String> events = new HashSet<>();
        int before = LuodMain.fds().size();
        String path = "@holdover-fuzz-luod-" + ProcessHandle.current().pid() + "-" + runs++;
        try (Luod luod = Luod.open(new LuodOptions(path, null, true, 30, 30))) {
            try (LuodControl control = new LuodControl(path)) {
                control.status();
                int idle = LuodMain.fds().size();
                try (Clients clients = new Clients(path, events)) {
                    for (byte[] step : FuzzScript.steps(script)) {
                        clients.play(step);
                        control.status(); // others are served, and the step was seen
                        luod.awaitTasks(); // so that an input does the same each time
                    }
                }
                awaitIdle(control, idle);
                serveOne(path);
                awaitIdle(control, idle);
            } catch (VmmException e) {
                throw new AssertionError("luod does not serve", why(luod, e));
            }
        }
        LuodMain.awaitFds(before);
        return events;
    }

    /** What has ended luod, or why it seems so. */
    private static Throwable why(Luod luod, VmmException seems) throws InterruptedException {
        Throwable[] failure = {seems};
        Thread waits = new Thread(() -> {
            try {
                luod.await();
            } catch (VmmException e) {
                failure[0] = e.getCause();
            } catch (InterruptedException e) {
                // it runs
            }
        });
        waits.start();
        waits.join(Patience.host().millis(1_000));
        waits.interrupt();
        waits.join();
        return failure[0];
    }

    private static final class Clients implements AutoCloseable {
        private final String path;
        private final Set<String> events;
        private final Client[] clients = new Client[CONNECTIONS];
        private final Fd memfd = PlainClient.memfd(1);
        private final EventFd eventFd = new EventFd();

        Clients(String path, Set<String> events) {
            this.path = path;
            this.events = events;
        }

        void play(byte[] step) {
            int i = FuzzScript.at(step, 1) % CONNECTIONS;
            if (clients[i] == null) {
                clients[i] = new Client(UnixSocket.connectNow(UnixSocket.Kind.STREAM, path), events);
            }
            Client client = clients[i];
            switch (FuzzScript.at(step, 0)) {
                case '>' -> client.say(FuzzScript.line(FuzzScript.from(step, 2)));
                case '*' -> client.say(FuzzScript.many(step, 2));
                case '+' -> {
                    for (int n = FuzzScript.at(step, 2) & 7; n > 0; n--) {
                        client.carried.add(n % 2 == 0 ? memfd : eventFd.fd());
                    }
                }
                case '<' -> client.listen();
                case 's' -> request(client, FuzzScript.from(step, 2));
                case 'x' -> {
                    client.close();
                    clients[i] = null;
                }
                default -> client.say(FuzzScript.from(step, 2));
            }
        }

        /** A session's rules have tests of their own; here it is what else comes to luod's thread. */
        private void request(Client client, byte[] request) {
            UnixSocket session = client.sessions.isEmpty() ? null : client.sessions.getLast();
            if (session == null) {
                return;
            }
            int operation = switch (FuzzScript.at(request, 0)) {
                case 'N' -> LiveUpdateIoctl.LIVEUPDATE_SESSION_GET_NAME;
                case 'P' -> LiveUpdateIoctl.LIVEUPDATE_SESSION_PRESERVE_FD;
                case 'R' -> LiveUpdateIoctl.LIVEUPDATE_SESSION_RETRIEVE_FD;
                case 'F' -> LiveUpdateIoctl.LIVEUPDATE_SESSION_FINISH;
                default -> 0;
            };
            if (FuzzScript.at(request, 0) == 'C') {
                client.sessions.removeLast().close();
                return;
            }
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment bytes = arena.allocate(HeldMessage.REQUEST_SIZE, 8);
                if (operation != 0) {
                    HeldMessage.request(bytes, operation, FuzzScript.at(request, 1));
                } else if (request.length > 0) {
                    bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, request);
                }
                session.trySend(bytes, FuzzScript.at(request, 0) == 'P' ? List.of(memfd) : client.carried);
                MemorySegment reply = arena.allocate(HeldMessage.REPLY_SIZE);
                for (Fd fd : session.receive(reply).fds()) {
                    fd.close();
                }
            }
        }

        @Override
        public void close() {
            for (Client client : clients) {
                if (client != null) {
                    client.close();
                }
            }
            memfd.close();
            eventFd.close();
        }
    }

    private static final class Client implements AutoCloseable {
        private final UnixSocket socket;
        private final FuzzScript.Heard heard;
        final List<Fd> carried = new ArrayList<>();
        final List<UnixSocket> sessions = new ArrayList<>();

        Client(UnixSocket socket, Set<String> events) {
            this.socket = socket;
            this.heard = new FuzzScript.Heard("event", events);
        }

        void say(byte[] bytes) {
            FuzzScript.send(socket, bytes, List.copyOf(carried.subList(0, Math.min(carried.size(), MAX_CARRIED))));
            carried.clear();
        }

        void listen() {
            for (Fd fd : heard.read(socket)) {
                UnixSocket session = new UnixSocket(fd);
                session.fd().setNonBlocking(true);
                sessions.add(session);
            }
        }

        @Override
        public void close() {
            listen();
            for (UnixSocket session : sessions) {
                session.close();
            }
            socket.close();
        }
    }

    /** Waits until luod has seen that they are gone, and gives up what they left behind. */
    private static void awaitIdle(LuodControl control, int fds) throws Exception {
        long deadline = System.nanoTime() + FuzzScript.PATIENCE_NANOS;
        while (true) {
            List<String> open = LuodMain.fds();
            LuodControl.Status status = control.status();
            if (open.size() == fds && status.phase().equals("IDLE") && status.clients() + status.waiting() == 0) {
                return;
            }
            if (System.nanoTime() - deadline > 0) {
                throw new AssertionError("luod is left with " + status + " and " + open.size() + " descriptors, not "
                        + fds + ": " + open);
            }
            for (LuodControl.Entry entry : control.list()) {
                if (entry.pid() == 0) {
                    discard(control, entry.id());
                }
            }
        }
    }

    private static void discard(LuodControl control, String id) {
        try {
            control.discard(id);
        } catch (SessionException e) {
            if (e.errno() != Errno.ENOENT) { // it has gone just now
                throw e;
            }
        }
    }

    /** A client that keeps to the protocol, through a whole update. */
    private static void serveOne(String path) {
        try (PlainClient vmm = new PlainClient(path);
                PlainClient luoctl = new PlainClient(path);
                Fd memfd = PlainClient.memfd(7)) {
            vmm.say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"good\", \"version\": 1}")
                    .expect("{\"event\": \"SUBSCRIBED\", \"id\": \"good\", \"version\": 1}");
            luoctl.say("{\"cmd\": \"KEXEC\", \"version\": 1}");
            String prepare = vmm.read();
            String number = prepare.replaceAll("\\D", "");
            require(prepare.equals("{\"event\": \"PREPARE\", \"update\": " + number + "}"), prepare);
            try (Session session = vmm.session()) {
                session.preserve(memfd, Tokens.STATE);
                vmm.say("{\"cmd\": \"PREPARED\", \"update\": " + number + "}")
                        .expect("{\"event\": \"START_PRESERVATION\", \"update\": " + number + "}");
                vmm.say("{\"cmd\": \"READY\", \"update\": " + number + "}")
                        .expect("{\"event\": \"TURNED\", \"update\": " + number + "}");
            }
        }
        try (PlainClient next = new PlainClient(path)) {
            next.say("{\"cmd\": \"CLAIM\", \"id\": \"good\"}").expect("{\"event\": \"SESSION\", \"id\": \"good\"}");
            try (Session session = next.session();
                    Fd memfd = session.retrieve(Tokens.STATE)) {
                require(PlainClient.word(memfd) == 7, "another file");
                session.finish();
            }
            next.say("{\"cmd\": \"FINISHED\", \"id\": \"good\"}");
        }
    }

    private static void require(boolean held, String otherwise) {
        if (!held) {
            throw new AssertionError(otherwise);
        }
    }
}
