package dev.holdover.liveupdate;

import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_FINISH;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_GET_NAME;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_PRESERVE_FD;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_RETRIEVE_FD;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A session that luod holds itself ({@code --backend hold}): the same operations with the same errors, over a socket. It
 * outlives its VMM, and neither luod nor the kernel.
 *
 * <p>One operation at a time; each answers within 30 s ({@link Patience}: longer on a slow host) or fails
 * with EAGAIN.
 */
public final class HeldSession implements Session {
    private static final int TIMEOUT_MILLIS = 30_000;

    private final Fd fd;
    private final UnixSocket socket;
    private String name = "?";

    private HeldSession(Fd fd) {
        this.fd = fd;
        this.socket = new UnixSocket(fd);
    }

    /** Takes a socket over; does not close it on a failure. */
    static HeldSession open(Fd fd) {
        HeldSession session = new HeldSession(fd);
        try {
            session.socket.setTimeout(Patience.host().millis(TIMEOUT_MILLIS));
        } catch (ErrnoException e) {
            throw new SessionException(
                    fd.name() + " is no live-update session",
                    e.errno(),
                    "it is neither one of the kernel's nor a socket to luod");
        }
        try (Arena arena = Arena.ofConfined();
                Answer answer = session.call(arena, LIVEUPDATE_SESSION_GET_NAME, 0, List.of())) {
            if (answer.result < 0) {
                throw new SessionException(
                        fd.name() + " is no live-update session", Errno.of(-answer.result), "nobody answers there");
            }
            session.name = HeldMessage.name(answer.reply);
        }
        return session;
    }

    private static final class Answer implements AutoCloseable {
        final long result;
        final MemorySegment reply;
        private Fd fd;

        Answer(long result, MemorySegment reply, Fd fd) {
            this.result = result;
            this.reply = reply;
            this.fd = fd;
        }

        Fd takeFd() {
            Fd taken = fd;
            fd = null;
            return taken;
        }

        @Override
        public void close() {
            if (fd != null) {
                fd.close();
            }
        }
    }

    private synchronized Answer call(Arena arena, int operation, long token, List<Fd> fds) {
        MemorySegment request = arena.allocate(HeldMessage.REQUEST_SIZE, 8);
        HeldMessage.request(request, operation, token);
        long sent;
        do {
            sent = socket.trySend(request, fds);
        } while (Errno.EINTR.is(sent));
        if (sent < 0) {
            return new Answer(sent, null, null);
        }
        MemorySegment reply = arena.allocate(HeldMessage.REPLY_SIZE, 8);
        UnixSocket.Received received;
        do {
            received = socket.receive(reply);
        } while (Errno.EINTR.is(received.bytes()));
        List<Fd> came = received.fds();
        for (int i = 1; i < came.size(); i++) {
            came.get(i).close();
        }
        Fd first = came.isEmpty() ? null : came.getFirst();
        if (received.bytes() < 0) {
            return new Answer(received.bytes(), null, first);
        }
        if (received.bytes() != HeldMessage.REPLY_SIZE) {
            return new Answer(-(received.bytes() == 0 ? Errno.EPIPE : Errno.EPROTO).number(), null, first);
        }
        if (received.fdsLost()) {
            return new Answer(-Errno.EMFILE.number(), null, first);
        }
        return new Answer(HeldMessage.result(reply), reply, first);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void preserve(Fd file, long token) {
        try (Arena arena = Arena.ofConfined();
                Answer answer = call(arena, LIVEUPDATE_SESSION_PRESERVE_FD, token, List.of(file))) {
            if (answer.result < 0) {
                throw SessionErrors.preserve(name, file.name(), token, Errno.of(-answer.result));
            }
        }
    }

    @Override
    public Fd retrieve(long token) {
        try (Arena arena = Arena.ofConfined();
                Answer answer = call(arena, LIVEUPDATE_SESSION_RETRIEVE_FD, token, List.of())) {
            Fd came = answer.takeFd();
            if (answer.result < 0 || came == null) {
                throw SessionErrors.retrieve(name, token, answer.result < 0 ? Errno.of(-answer.result) : Errno.EPROTO);
            }
            return came.renamed(Tokens.fileName(name, token));
        }
    }

    @Override
    public void finish() {
        try (Arena arena = Arena.ofConfined();
                Answer answer = call(arena, LIVEUPDATE_SESSION_FINISH, 0, List.of())) {
            if (answer.result < 0) {
                throw SessionErrors.finish(name, Errno.of(-answer.result));
            }
        }
    }

    @Override
    public Fd fd() {
        return fd;
    }

    @Override
    public void close() {
        fd.close();
    }
}
