package dev.holdover.control;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A client that sends what a test says, byte for byte. Reading blocks; a test's time-out ends it. */
final class QmpClient implements AutoCloseable {
    final UnixSocket socket;
    private final StringBuilder received = new StringBuilder();

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
        int end;
        while ((end = received.indexOf("\r\n")) < 0) {
            try (Arena arena = Arena.ofConfined()) {
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

    /** The next line that is no event. */
    String reply() {
        String line = line();
        while (line != null && line.contains("\"event\": ")) {
            line = line();
        }
        return line;
    }

    /** Waits for an event and returns its line. */
    String event(String name) {
        String line = line();
        while (!line.contains("\"event\": \"" + name + "\"")) {
            line = line();
        }
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
