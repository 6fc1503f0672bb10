package dev.holdover.liveupdate;

import dev.holdover.json.Json;
import dev.holdover.json.JsonException;
import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.wire.LineSocket;
import dev.holdover.liveupdate.wire.Reason;
import java.util.Map;

/** A client's connection to luod. One thread; every wait has an end. */
public final class LuodConnection implements AutoCloseable {
    /** Waits no longer than this for the other side to take a line. */
    private static final int SEND_MILLIS = 10_000;

    private static final int SOCKET = 1;
    private static final int WAKE = 2;

    /** An event; its descriptor, which may be null, is the receiver's. */
    public record Event(String name, Map<String, Object> members, Fd fd) implements AutoCloseable {
        String text(String member) {
            return String.valueOf(members.get(member));
        }

        @Override
        public void close() {
            if (fd != null) {
                fd.close();
            }
        }
    }

    private final String path;
    private final LineSocket lines;
    private final Epoll epoll = new Epoll();
    private boolean ended;

    /**
     * Connects, without waiting.
     *
     * @param wake ends a wait early when it is signalled; may be null
     * @throws dev.holdover.linux.ErrnoException ENOENT, ECONNREFUSED: nobody listens there; EAGAIN: nobody accepts
     */
    public LuodConnection(String path, EventFd wake) {
        this.path = path;
        try {
            lines = new LineSocket(UnixSocket.connectNow(UnixSocket.Kind.STREAM, path));
        } catch (RuntimeException e) {
            epoll.close();
            throw e;
        }
        epoll.add(lines.fd(), Epoll.EPOLLIN, SOCKET);
        if (wake != null) {
            epoll.add(wake.fd(), Epoll.EPOLLIN, WAKE);
        }
    }

    /** Sends a command; takes the descriptor over, which may be null. A connection that is gone is met by {@link #next}. */
    void send(Map<String, Object> command, Fd fd) {
        long deadline = System.nanoTime() + Patience.host().nanos(SEND_MILLIS);
        lines.send(Json.write(command), fd);
        while (lines.hasOutput() && !lines.isBroken() && System.nanoTime() - deadline < 0) {
            epoll.modify(lines.fd(), Epoll.EPOLLOUT, SOCKET);
            if (isWoken(epoll.await(100))) {
                break;
            }
            lines.flush();
        }
        epoll.modify(lines.fd(), Epoll.EPOLLIN, SOCKET);
        if (lines.hasOutput()) {
            throw new VmmException("luod at " + path + " does not take a command within "
                    + Patience.text(Patience.host().millis(SEND_MILLIS)));
        }
    }

    /** Whether {@link #next} returned null because the other side closed the connection. */
    public boolean isEnded() {
        return ended;
    }

    /**
     * The next event. Null at the end of the connection, at the deadline, or when woken.
     *
     * @param deadline of System.nanoTime(); {@link Long#MAX_VALUE} for none
     * @throws VmmException for what is no event
     */
    public Event next(long deadline) {
        // One that never stops talking is no reason to wait longer.
        while (deadline == Long.MAX_VALUE || System.nanoTime() - deadline < 0) {
            LineSocket.Found found = lines.read();
            switch (found) {
                case LINE -> {
                    return parse(lines.line(), lines.takeFd());
                }
                case END -> {
                    ended = true;
                    return null;
                }
                case TOO_LONG ->
                    throw new VmmException(
                            "luod at " + path + " sent a line of more than " + LineSocket.MAX_LINE + " bytes");
                case FDS_LOST ->
                    throw new VmmException("a file descriptor that luod at " + path
                            + " sent was lost: too many files are open here; raise the limit (RLIMIT_NOFILE)");
                case NOTHING -> {
                    if (!await(deadline)) {
                        return null;
                    }
                }
            }
        }
        return null;
    }

    /** Waits for something to read; false at the deadline or when woken. */
    private boolean await(long deadline) {
        int millis = -1;
        if (deadline != Long.MAX_VALUE) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                return false;
            }
            millis = (int) Math.min(Integer.MAX_VALUE, left / 1_000_000 + 1);
        }
        return !isWoken(epoll.await(millis));
    }

    private boolean isWoken(int events) {
        for (int i = 0; i < events; i++) {
            if (epoll.data(i) == WAKE) {
                return true;
            }
        }
        return false;
    }

    private Event parse(String line, Fd fd) {
        try {
            Map<String, Object> members = Json.object(Json.parse(line));
            if (members != null && members.get("event") instanceof String name) {
                return new Event(name, members, fd);
            }
        } catch (JsonException e) {
            // the same to us
        }
        if (fd != null) {
            fd.close();
        }
        throw new VmmException(path + " is no socket of luod's: it sent something else than an event");
    }

    /** What an ERROR says. */
    static SessionException error(String what, Event event) {
        Errno errno = Errno.EIO;
        for (Errno known : Errno.values()) {
            if (known.name().equals(event.text("errno"))) {
                errno = known;
            }
        }
        return new SessionException(what, errno, Reason.of(event.text("desc")));
    }

    @Override
    public void close() {
        epoll.close();
        lines.close();
    }
}
