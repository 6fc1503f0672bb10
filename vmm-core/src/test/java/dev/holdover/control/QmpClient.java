package dev.holdover.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.List;

/** A client that sends what a test says, byte for byte. What it waits for and does not get fails the test. */
final class QmpClient implements AutoCloseable {
    private static final int PATIENCE_MILLIS = Patience.host().millis(50_000);

    final UnixSocket socket;
    private final StringBuilder received = new StringBuilder();
    /** Events that came before a reply that was waited for: a command's own may, if its work is done elsewhere. */
    private final ArrayDeque<String> events = new ArrayDeque<>();

    QmpClient(String path) {
        socket = UnixSocket.connect(UnixSocket.Kind.STREAM, path);
    }

    static QmpClient negotiated(String path) {
        QmpClient client = new QmpClient(path);
        client.line();
        client.ask("{\"execute\": \"qmp_capabilities\"}");
        return client;
    }

    void send(String text, Fd... fds) {
        send(text.getBytes(StandardCharsets.UTF_8), fds);
    }

    void send(byte[] bytes, Fd... fds) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
            List<Fd> left = List.of(fds);
            for (long done = 0; done < bytes.length; ) {
                long n = socket.trySend(segment.asSlice(done), left);
                if (Errno.EPIPE.is(n) || Errno.ECONNRESET.is(n)) {
                    return;
                }
                done += n;
                left = List.of();
            }
        }
    }

    /** The next line, without its end; null at the end of the connection. */
    String line() {
        return events.isEmpty() ? lineOfSocket() : events.removeFirst();
    }

    private String lineOfSocket() {
        int end;
        while ((end = received.indexOf("\r\n")) < 0) {
            try (Arena arena = Arena.ofConfined()) {
                awaitBytes();
                MemorySegment buffer = arena.allocate(65536);
                long n = socket.receive(buffer).bytes();
                if (n <= 0) {
                    return null;
                }
                received.append(
                        new String(buffer.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8));
            }
        }
        String line = received.substring(0, end);
        received.delete(0, end + 2);
        return line;
    }

    /** A thread's interrupt would not end recvmsg(2). */
    private void awaitBytes() {
        try (Epoll epoll = new Epoll()) {
            epoll.add(socket.fd(), Epoll.EPOLLIN, 0);
            assertThat(epoll.await(PATIENCE_MILLIS))
                    .as("lines in time; unread: %s", received)
                    .isPositive();
        }
    }

    /** The next line that is no event; events are kept for {@link #line} and {@link #event}. */
    String reply() {
        String line = lineOfSocket();
        while (line != null && line.contains("\"event\": ")) {
            events.add(line);
            line = lineOfSocket();
        }
        return line;
    }

    /** Waits for an event and returns its line. */
    String event(String name) {
        String line = line();
        while (line != null && !line.contains("\"event\": \"" + name + "\"")) {
            line = line();
        }
        assertThat(line).as("an event %s before the connection's end", name).isNotNull();
        return line;
    }

    String ask(String request, Fd... fds) {
        send(request, fds);
        return reply();
    }

    @Override
    public void close() {
        socket.close();
    }
}
