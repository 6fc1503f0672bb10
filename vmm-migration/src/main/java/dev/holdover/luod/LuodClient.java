package dev.holdover.luod;

import dev.holdover.json.Json;
import dev.holdover.json.JsonException;
import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.PeerProcess;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.SessionException;
import dev.holdover.liveupdate.wire.ForeignFd;
import dev.holdover.liveupdate.wire.LineSocket;
import dev.holdover.liveupdate.wire.LuodProtocol;
import dev.holdover.liveupdate.wire.Reason;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One connection to luod. On luod's thread.
 *
 * <p>A client that has never said {@code "version"} sees the plain protocol only. Where it offers no words for a failure,
 * the connection is closed.
 */
final class LuodClient {
    /** Lines read in a row before others get their turn. */
    private static final int TURN = 16;

    private final Luod luod;
    private final EventLoop loop;
    private final LineSocket lines;
    final UnixSocket.Peer peer;
    final PeerProcess process;

    /** It knows the extensions. */
    private boolean extended;
    /** What it has subscribed; null if nothing yet. */
    String id;
    /** The generation turned with its guest: from now on it may go. */
    boolean released;
    /** It started an update and is told how it goes. */
    boolean watches;

    private boolean closed;
    private long watch;
    private int interest;

    LuodClient(Luod luod, EventLoop loop, UnixSocket socket) {
        this.luod = luod;
        this.loop = loop;
        this.peer = socket.peer();
        this.process = PeerProcess.of(socket);
        this.lines = new LineSocket(socket);
    }

    void start() {
        interest = Epoll.EPOLLIN;
        watch = loop.watch(lines.fd(), interest, this::ready);
    }

    boolean isExtended() {
        return extended;
    }

    /** Root and luod's own user. */
    boolean isAdmin() {
        return peer.uid() == 0 || peer.uid() == luod.uid();
    }

    /** Whether what belongs to a uid may be had by this client. */
    boolean mayHave(int uid) {
        return peer.uid() == uid || isAdmin();
    }

    private void ready(int events) {
        try {
            if ((events & Epoll.EPOLLOUT) != 0) {
                lines.flush();
            }
            read();
        } catch (ErrnoException e) {
            close();
        }
        watchAnew();
    }

    private void read() {
        for (int i = 0; i < TURN && !closed; i++) {
            LineSocket.Found found = lines.read();
            switch (found) {
                case NOTHING -> {
                    return;
                }
                case END -> close();
                case TOO_LONG -> hangUp(Errno.EMSGSIZE, "a line has at most " + LineSocket.MAX_LINE + " bytes");
                case FDS_LOST -> {
                    Fd first = lines.takeFd();
                    if (first != null) {
                        ForeignFd.close(first, peer.uid());
                    }
                    hangUp(Errno.EMFILE, "file descriptors that came with a line were lost");
                }
                case LINE -> receive(lines.line(), lines.takeFd());
            }
            if (ForeignFd.isStuck(peer.uid())) {
                close();
            }
        }
    }

    /** Takes the descriptor over, which may be null. */
    private void receive(String line, Fd fd) {
        try (Carried carried = new Carried(fd, peer.uid())) {
            Map<String, Object> message = Json.object(Json.parse(line));
            if (message == null || !(message.get("cmd") instanceof String command)) {
                hangUp(Errno.EBADMSG, "a line is a JSON object with a member \"cmd\"");
                return;
            }
            extended |= message.get("version") instanceof Long version && version >= LuodProtocol.VERSION;
            try {
                run(command, message, carried);
            } catch (Refusal e) {
                refuse(e.errno, e.getMessage());
            } catch (SessionException e) {
                refuse(e.errno(), e.getMessage());
            } catch (ErrnoException e) {
                refuse(e.errno(), e.getMessage());
            } catch (VmmException e) {
                refuse(Errno.EINVAL, e.getMessage());
            }
        } catch (JsonException e) {
            hangUp(Errno.EBADMSG, e.getMessage());
        }
    }

    /** A descriptor that came with a line, closed if nobody takes it. */
    static final class Carried implements AutoCloseable {
        private final int uid;
        private Fd fd;

        Carried(Fd fd, int uid) {
            this.fd = fd;
            this.uid = uid;
        }

        boolean isThere() {
            return fd != null;
        }

        Fd take() {
            Fd taken = fd;
            fd = null;
            return taken;
        }

        @Override
        public void close() {
            if (fd != null) {
                ForeignFd.close(fd, uid);
            }
        }
    }

    /** A command that is refused, and why. */
    static final class Refusal extends VmmException {
        private static final long serialVersionUID = 1L;

        final Errno errno;

        Refusal(Errno errno, String why) {
            super(why);
            this.errno = errno;
        }
    }

    private void run(String command, Map<String, Object> message, Carried carried) {
        switch (command) {
            case "SUBSCRIBE" -> luod.subscribe(this, id(message), carried);
            case "READY" -> luod.ready(this, update(message));
            case "CLAIM" -> luod.claim(this, id(message));
            case "PREPARED" -> luod.prepared(this, update(message));
            case "FAILED" -> luod.failed(this, update(message), String.valueOf(message.get("reason")));
            case "CLAIMED" -> luod.claimed(this, id(message), carried);
            case "FINISHED" -> luod.finished(this, id(message));
            case "STATUS", "LIST", "KEXEC", "ABORT", "DISCARD" -> {
                if (!isAdmin()) {
                    throw new Refusal(Errno.EPERM, command + " is for root and the user of luod");
                }
                administer(command, message);
            }
            default -> {
                // What a later version may say.
                if (extended) {
                    throw new Refusal(Errno.EOPNOTSUPP, "this luod does not know the command " + command);
                }
            }
        }
    }

    private void administer(String command, Map<String, Object> message) {
        switch (command) {
            case "STATUS" -> luod.status(this);
            case "LIST" -> luod.list(this);
            case "KEXEC" -> luod.kexec(this, Boolean.TRUE.equals(message.get("force")));
            case "ABORT" -> luod.abort(this);
            default -> luod.discard(this, id(message));
        }
    }

    private static String id(Map<String, Object> message) {
        if (message.get("id") instanceof String id) {
            return id;
        }
        throw new Refusal(Errno.EINVAL, "\"id\" is missing or no string");
    }

    /** Which update an answer belongs to; of a plain client, which is told of one in its life, the one that runs. */
    private long update(Map<String, Object> message) {
        return message.get("update") instanceof Long number ? number : extended ? -1 : luod.currentUpdate();
    }

    /** An event for everybody; the descriptor is taken over. */
    void send(String event, Map<String, Object> members, Fd fd) {
        if (closed) {
            if (fd != null) {
                fd.close();
            }
            return;
        }
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("event", event);
        message.putAll(members);
        lines.send(Json.write(message), fd);
        watchAnew();
    }

    /** Says why a command is refused, to those who understand it. */
    void refuse(Errno errno, String why) {
        if (extended) {
            Map<String, Object> members = new LinkedHashMap<>();
            members.put("errno", errno.name());
            members.put("desc", Reason.of(why));
            send("ERROR", members, null);
        } else {
            close();
        }
    }

    private void hangUp(Errno errno, String why) {
        refuse(errno, why);
        close();
    }

    private void watchAnew() {
        if (closed || watch == 0) {
            return;
        }
        if (lines.isBroken()) {
            // Not here: an event to several clients may be under way.
            loop.run(this::close);
            return;
        }
        int wanted = Epoll.EPOLLIN | (lines.hasOutput() ? Epoll.EPOLLOUT : 0);
        if (wanted != interest) {
            loop.modify(watch, wanted);
            interest = wanted;
        }
    }

    boolean isClosed() {
        return closed;
    }

    void close() {
        if (closed) {
            return;
        }
        closed = true;
        loop.unwatch(watch);
        lines.close();
        luod.left(this);
    }
}
