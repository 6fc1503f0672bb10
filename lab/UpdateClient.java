import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.UnixSocket;
import dev.holdover.liveupdate.LuodAgent;
import dev.holdover.luod.LuodOptions;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.Tokens;
import dev.holdover.liveupdate.UpdateListener;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Clients of luod that keep a memfd with a number in it, for the lab's scenarios:
 *
 * <pre>
 * plain ID NUMBER       speaks the public protocol, byte by byte, and waits for the kexec
 * agent ID NUMBER       the same with the VMM's own client
 * hang ID               subscribes with the extensions, and never gets prepared
 * slow ID NUMBER        as agent, but gets ready only when it reads a line
 * dies ID               speaks the public protocol, and ends when it is told to preserve
 * claim-plain ID        prints what was kept, and finishes
 * claim-agent ID        the same; waits for a line on standard input before it finishes
 * </pre>
 */
final class UpdateClient {
    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "plain" -> plain(args[1], Long.parseLong(args[2]));
            case "agent" -> agent(args[1], Long.parseLong(args[2]), false);
            case "slow" -> agent(args[1], Long.parseLong(args[2]), true);
            case "dies" -> dies(args[1]);
            case "hang" -> hang(args[1]);
            case "claim-plain" -> claimPlain(args[1]);
            default -> claimAgent(args[1]);
        }
    }

    private static Fd memfd(long number) {
        Fd memfd = Memfd.create("number", 8);
        try (Arena arena = Arena.ofConfined()) {
            memfd.writeFully(arena.allocateFrom(ValueLayout.JAVA_LONG, number), 0);
        }
        return memfd;
    }

    private static long number(Fd memfd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment number = arena.allocate(ValueLayout.JAVA_LONG);
            memfd.readFully(number, 0);
            return number.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    private static void say(UnixSocket luod, String line) {
        try (Arena arena = Arena.ofConfined()) {
            luod.trySend(
                    arena.allocateFrom(ValueLayout.JAVA_BYTE, (line + "\n").getBytes(StandardCharsets.UTF_8)), List.of());
        }
    }

    /** Reads until a descriptor comes, or the end. */
    private static Session session(UnixSocket luod) {
        List<Fd> came = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(4096);
            while (came.isEmpty()) {
                UnixSocket.Received received = luod.receive(buffer);
                came.addAll(received.fds());
                if (received.bytes() <= 0 && !Errno.EINTR.is(received.bytes())) {
                    throw new IllegalStateException("luod ended the connection: " + received.bytes());
                }
                System.out.println("luod: "
                        + new String(
                                buffer.asSlice(0, received.bytes()).toArray(ValueLayout.JAVA_BYTE),
                                StandardCharsets.UTF_8).strip());
            }
        }
        return Session.of(came.getFirst());
    }

    private static void plain(String id, long number) throws Exception {
        UnixSocket luod = UnixSocket.connect(UnixSocket.Kind.STREAM, LuodOptions.DEFAULT_SOCKET);
        say(luod, "{\"cmd\": \"SUBSCRIBE\", \"id\": \"" + id + "\"}");
        System.out.println("subscribed");
        Session session = session(luod);
        session.preserve(memfd(number), Tokens.ram(0));
        say(luod, "{\"cmd\": \"READY\"}");
        System.out.println("ready");
        Thread.sleep(Long.MAX_VALUE);
    }

    private static void hang(String id) throws Exception {
        UnixSocket luod = UnixSocket.connect(UnixSocket.Kind.STREAM, LuodOptions.DEFAULT_SOCKET);
        say(luod, "{\"cmd\": \"SUBSCRIBE\", \"id\": \"" + id + "\", \"version\": 1}");
        session(luod);
        Thread.sleep(Long.MAX_VALUE);
    }

    private static void dies(String id) {
        UnixSocket luod = UnixSocket.connect(UnixSocket.Kind.STREAM, LuodOptions.DEFAULT_SOCKET);
        say(luod, "{\"cmd\": \"SUBSCRIBE\", \"id\": \"" + id + "\"}");
        Session session = session(luod);
        session.preserve(memfd(0), Tokens.ram(0));
        Runtime.getRuntime().halt(0);
    }

    private static void agent(String id, long number, boolean slow) throws Exception {
        Fd memfd = memfd(number);
        new LuodAgent(LuodOptions.DEFAULT_SOCKET).subscribe(id, new UpdateListener() {
            @Override
            public void prepare(Session session) {
                session.preserve(memfd, Tokens.ram(0));
                System.out.println("prepared");
            }

            @Override
            public void preserve(Session session) {
                if (slow) {
                    readLine();
                }
                System.out.println("preserved");
            }

            @Override
            public void aborted(String reason) {
                System.out.println("aborted: " + reason);
            }

            @Override
            public void turned() {
                System.out.println("turned");
            }
        });
        Thread.sleep(Long.MAX_VALUE);
    }

    private static void readLine() {
        try {
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).readLine();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void claimPlain(String id) {
        try (UnixSocket luod = UnixSocket.connect(UnixSocket.Kind.STREAM, LuodOptions.DEFAULT_SOCKET)) {
            say(luod, "{\"cmd\": \"CLAIM\", \"id\": \"" + id + "\"}");
            try (Session session = session(luod)) {
                System.out.println("number " + number(session.retrieve(Tokens.ram(0))));
                session.finish();
            }
            say(luod, "{\"cmd\": \"SUBSCRIBE\", \"id\": \"" + id + "\"}");
        }
    }

    private static void claimAgent(String id) throws Exception {
        LuodAgent agent = new LuodAgent(LuodOptions.DEFAULT_SOCKET);
        Session session = agent.claim(id);
        if (session == null) {
            System.out.println("no session");
            return;
        }
        System.out.println("number " + number(session.retrieve(Tokens.ram(0))));
        readLine();
        agent.finish(id, session);
        System.out.println("finished");
    }
}
