package dev.holdover.luod;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.liveupdate.Session;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A client that says and expects lines as written, byte by byte. Every wait ends after 20 seconds. */
public final class PlainClient implements AutoCloseable {
    private static final int TIMEOUT_MILLIS = Patience.host().millis(20_000);

    private final UnixSocket socket;
    private Fd fd;

    public PlainClient(String path) {
        this(UnixSocket.connect(UnixSocket.Kind.STREAM, path));
    }

    public PlainClient(UnixSocket socket) {
        this.socket = socket;
        socket.setTimeout(TIMEOUT_MILLIS);
    }

    public UnixSocket socket() {
        return socket;
    }

    public PlainClient say(String line) {
        return say(line, List.of());
    }

    public PlainClient say(String line, List<Fd> fds) {
        return write((line + "\n").getBytes(StandardCharsets.UTF_8), fds);
    }

    public PlainClient write(byte[] bytes, List<Fd> fds) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
            assertThat(socket.trySend(segment, fds)).isEqualTo(bytes.length);
            return this;
        }
    }

    /** The next line; null at the end of the connection. */
    public String read() {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocate(1);
            while (true) {
                UnixSocket.Received received = socket.receive(one);
                for (Fd came : received.fds()) {
                    assertThat(fd).as("one descriptor a line").isNull();
                    fd = came;
                }
                if (received.bytes() == 0 || Errno.ECONNRESET.is(received.bytes())) {
                    return null;
                }
                assertThat(received.bytes()).as("a line; so far: %s", line).isOne();
                byte b = one.get(ValueLayout.JAVA_BYTE, 0);
                if (b == '\n') {
                    return line.toString(StandardCharsets.UTF_8);
                }
                line.write(b);
            }
        }
    }

    public PlainClient expect(String line) {
        assertThat(read()).isEqualTo(line);
        return this;
    }

    public void expectEnd() {
        assertThat(read()).as("the end of the connection").isNull();
    }

    /** The session that came last. */
    public Session session() {
        assertThat(fd).as("a descriptor came").isNotNull();
        Session session = Session.of(fd);
        fd = null;
        return session;
    }

    public boolean hasFd() {
        return fd != null;
    }

    /** A memfd that holds a number. */
    public static Fd memfd(long word) {
        Fd memfd = Memfd.create("word", 8);
        try (Arena arena = Arena.ofConfined()) {
            memfd.writeFully(arena.allocateFrom(ValueLayout.JAVA_LONG, word), 0);
        }
        return memfd;
    }

    public static long word(Fd memfd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment word = arena.allocate(ValueLayout.JAVA_LONG);
            assertThat(memfd.readFully(word, 0)).isEqualTo(8);
            return word.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    @Override
    public void close() {
        if (fd != null) {
            fd.close();
        }
        socket.close();
    }
}
