package dev.holdover.control;

import dev.holdover.json.Json;
import dev.holdover.json.JsonException;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.SocketWait;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A client's connection to a control socket, negotiated. Every call blocks until the VMM has answered. */
public final class ControlConnection implements AutoCloseable {
    private static final int MAX_EARLY = 1000;
    private static final int MAX_LINE = 16 << 20;

    /** A VMM greets at once; what does not is none. */
    private static final int GREETING_MILLIS = 10_000;

    private final String path;
    private final UnixSocket socket;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment buffer = arena.allocate(4096);
    private final ArrayDeque<Map<String, Object>> early = new ArrayDeque<>();
    private int at;
    private int end;

    private ControlConnection(String path, UnixSocket socket) {
        this.path = path;
        this.socket = socket;
    }

    /** Connects and negotiates; what prevents it throws {@link VmmException}. */
    public static ControlConnection open(String path) {
        return open(path, SocketWait.upTo(Duration.ZERO));
    }

    /** Connects, as soon as the socket is there, and negotiates; what prevents it throws {@link VmmException}. */
    public static ControlConnection open(String path, SocketWait wait) {
        UnixSocket socket;
        try {
            socket = wait.connect(path, () -> UnixSocket.connect(UnixSocket.Kind.STREAM, path));
        } catch (ErrnoException e) {
            throw new VmmException(
                    "cannot connect to the control socket " + path + ", "
                            + e.errno().name() + " (" + e.errno().text() + ")" + wait.told()
                            + ": is it the --control of a VMM that runs?",
                    e);
        }
        ControlConnection connection = new ControlConnection(path, socket);
        try {
            socket.setTimeout(Patience.host().millis(GREETING_MILLIS));
            Map<String, Object> greeting = connection.read();
            if (greeting.get("error") != null) {
                throw error(greeting);
            }
            if (!greeting.containsKey("QMP")) {
                throw new VmmException(path + " is no control socket: it does not greet as QMP does");
            }
            connection.execute(CommandTable.NEGOTIATION, Map.of(), null);
            socket.setTimeout(0); // a command takes as long as it takes
            return connection;
        } catch (QmpException e) {
            connection.close();
            throw new VmmException(e.getMessage(), e);
        } catch (RuntimeException e) {
            connection.close();
            throw e;
        }
    }

    /**
     * Runs a command and returns what it returned.
     *
     * @param fd goes along with it; may be null
     * @throws QmpException if the VMM refused it
     */
    public Object execute(String command, Map<String, Object> arguments, Fd fd) throws QmpException {
        Map<String, Object> request = new LinkedHashMap<>();
        request.put("execute", command);
        if (!arguments.isEmpty()) {
            request.put("arguments", arguments);
        }
        send(Json.write(request) + "\n", fd);
        while (true) {
            Map<String, Object> answer = read();
            if (answer.get("error") != null) {
                throw error(answer);
            }
            if (answer.containsKey("return")) {
                return answer.get("return");
            }
            if (early.size() < MAX_EARLY) {
                early.add(answer); // an event, which may be a command's before its reply
            }
        }
    }

    /** Waits for an event of that name and returns its data. */
    public Map<String, Object> awaitEvent(String name) throws QmpException {
        while (true) {
            Map<String, Object> line = early.isEmpty() ? read() : early.removeFirst();
            if (name.equals(line.get("event"))) {
                return Json.object(line.get("data"));
            }
        }
    }

    private static QmpException error(Map<String, Object> answer) {
        Map<String, Object> error = Json.object(answer.get("error"));
        return new QmpException(String.valueOf(error.get("class")), String.valueOf(error.get("desc")));
    }

    private void send(String line, Fd fd) {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment bytes = local.allocateFrom(ValueLayout.JAVA_BYTE, line.getBytes(StandardCharsets.UTF_8));
            List<Fd> fds = fd == null ? List.of() : List.of(fd);
            for (long done = 0; done < bytes.byteSize(); ) {
                long n = socket.trySend(bytes.asSlice(done), fds);
                if (!Errno.EINTR.is(n)) {
                    done += ErrnoException.check("send to " + path, n);
                    fds = List.of();
                }
            }
        }
    }

    private Map<String, Object> read() throws QmpException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        while (true) {
            if (at == end) {
                fill();
            }
            byte b = buffer.get(ValueLayout.JAVA_BYTE, at++);
            if (b == '\n') {
                break;
            }
            line.write(b);
            if (line.size() > MAX_LINE) {
                throw new VmmException(path + " sent a line of more than " + MAX_LINE + " bytes");
            }
        }
        Map<String, Object> object;
        try {
            object = Json.object(Json.parse(line.toString(StandardCharsets.UTF_8)));
        } catch (JsonException e) {
            throw new QmpException(e.getMessage());
        }
        if (object == null) {
            throw new VmmException(path + " is no control socket: it sent something else than a JSON object");
        }
        return object;
    }

    private void fill() {
        UnixSocket.Received received;
        do {
            received = socket.receive(buffer);
        } while (Errno.EINTR.is(received.bytes()));
        List<Fd> fds = received.fds();
        for (int i = 0; i < fds.size(); i++) {
            fds.get(i).close();
        }
        if (received.bytes() == 0 || Errno.ECONNRESET.is(received.bytes())) {
            throw new VmmException("the VMM closed the control socket " + path + " before it answered: has it ended?");
        }
        if (Errno.EAGAIN.is(received.bytes())) {
            throw new VmmException(path + " does not answer within "
                    + Patience.text(Patience.host().millis(GREETING_MILLIS))
                    + ": it is no control socket, or its VMM is stopped");
        }
        at = 0;
        end = (int) ErrnoException.check("receive from " + path, received.bytes());
    }

    @Override
    public void close() {
        socket.close();
        arena.close();
    }
}
