package dev.holdover.control;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.List;
import java.util.function.Consumer;

/**
 * A connection of the control socket: bytes in, replies and events out. On the loop's thread.
 *
 * <p>Nothing more is read while a command is under way, so a client can queue up no more than the kernel's buffer. What
 * a client does not read is kept, up to {@link #MAX_PENDING}; one that lags behind further is disconnected.
 *
 * <p>Bytes are looked at first and taken up to the end of a request: a descriptor comes with the first byte of the
 * message that carries it, and so goes to the request that the byte is in.
 */
final class ControlClient {
    /** Bytes of replies and events that a client may leave unread. */
    static final int MAX_PENDING = 1 << 20;

    private static final int BUFFER = 4096;
    /** Buffers read before others have their turn. */
    private static final int TURN = 16;

    private final UnixSocket socket;
    private final EventLoop loop;
    private final EventLoop worker;
    private final QmpSession session;
    private final Consumer<ControlClient> onClose;
    private final RequestFramer framer = new RequestFramer();
    private final MemorySegment buffer = Arena.ofAuto().allocate(BUFFER);

    /** The descriptor that came with the request begun. */
    private Fd fd;

    private boolean fdsLost;
    private final ArrayDeque<byte[]> output = new ArrayDeque<>();
    /** Bytes of the first of {@link #output} that are sent already. */
    private int sent;

    private int pending;
    /** A command is under way. */
    private boolean busy;
    /** The client sends no more. */
    private boolean ended;

    /** The client is gone altogether, as far as its socket tells. */
    private boolean hungUp;

    private boolean closed;
    /** 0 while not watched. */
    private long watch;

    private int interest;

    ControlClient(
            UnixSocket socket, EventLoop loop, EventLoop worker, QmpSession session, Consumer<ControlClient> onClose) {
        this.socket = socket;
        this.loop = loop;
        this.worker = worker;
        this.session = session;
        this.onClose = onClose;
    }

    void start() {
        send(QmpSession.greeting());
        watchAnew();
    }

    /** Says why, and hangs up. */
    void refuse(String why) {
        send(QmpSession.error(why));
        socket.close();
    }

    private void ready(int events) {
        try {
            if ((events & Epoll.EPOLLOUT) != 0) {
                flush();
            }
            if (!busy && !ended) {
                read();
            } else if ((events & (Epoll.EPOLLHUP | Epoll.EPOLLERR)) != 0) {
                hangUp();
            }
            watchAnew();
        } catch (ErrnoException e) {
            close(); // its socket only
        }
    }

    /** It takes no more replies. What it sent before is still served. */
    private void hangUp() {
        hungUp = true;
        dropOutput();
    }

    private void dropOutput() {
        output.clear();
        pending = 0;
        sent = 0;
    }

    private void read() {
        for (int turn = 0; turn < TURN && !busy && !closed; turn++) {
            long n = socket.peek(buffer);
            if (Errno.EAGAIN.is(n) || Errno.EINTR.is(n)) {
                return;
            }
            if (n <= 0) {
                ended = true;
                return;
            }
            int taken = framer.take(buffer, (int) n);
            receive(taken);
            if (framer.found() == RequestFramer.Found.ERROR) {
                closeFd();
                send(QmpSession.error(framer.error()));
            } else if (framer.found() == RequestFramer.Found.REQUEST) {
                submit(framer.request());
            }
        }
    }

    /** Takes bytes that were seen already, and the descriptors that came with them. */
    private void receive(int bytes) {
        for (int done = 0; done < bytes; ) {
            UnixSocket.Received received = socket.receive(buffer.asSlice(done, bytes - done));
            List<Fd> fds = received.fds();
            for (int i = 0; i < fds.size(); i++) {
                if (fd == null) {
                    fd = fds.get(i);
                } else {
                    fds.get(i).close();
                }
            }
            fdsLost |= received.fdsLost();
            if (!Errno.EINTR.is(received.bytes())) {
                done += (int) ErrnoException.check("recvmsg", received.bytes());
            }
        }
    }

    private void submit(byte[] request) {
        if (fdsLost) {
            closeFd();
            send(QmpSession.error("file descriptors that came with the request were lost: this VMM has too many open,"
                    + " or the client sent too many"));
            return;
        }
        Fd carried = fd;
        fd = null;
        busy = true;
        worker.run(() -> {
            String reply = session.answer(request, carried);
            loop.run(() -> answered(reply));
        });
    }

    private void answered(String reply) {
        busy = false;
        if (closed) {
            return;
        }
        try {
            send(reply);
            if (!closed && !ended) {
                read();
            }
            watchAnew();
        } catch (ErrnoException e) {
            close();
        }
    }

    void event(String line) {
        if (!closed && session.isNegotiated()) {
            send(line);
            watchAnew();
        }
    }

    private void send(String line) {
        if (closed) {
            return;
        }
        byte[] bytes = (line + "\r\n").getBytes(StandardCharsets.UTF_8);
        if (pending + bytes.length > MAX_PENDING) {
            close();
            return;
        }
        output.add(bytes);
        pending += bytes.length;
        flush();
    }

    private void flush() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment piece = null;
            while (!output.isEmpty()) {
                byte[] first = output.getFirst();
                int length = Math.min(first.length - sent, BUFFER);
                if (piece == null) {
                    piece = arena.allocate(BUFFER);
                }
                MemorySegment.copy(first, sent, piece, ValueLayout.JAVA_BYTE, 0, length);
                long n = socket.trySend(piece.asSlice(0, length), List.of());
                if (Errno.EAGAIN.is(n)) {
                    return;
                }
                if (n < 0 && !Errno.EINTR.is(n)) {
                    dropOutput(); // it reads no more; what it sent is served all the same
                    return;
                }
                sent += (int) Math.max(0, n);
                if (sent == first.length) {
                    output.removeFirst();
                    pending -= first.length;
                    sent = 0;
                }
            }
        }
    }

    /** Waits for what can come next; closes the connection if nothing can. */
    private void watchAnew() {
        if (closed) {
            return;
        }
        if (ended && !busy && output.isEmpty()) {
            close();
            return;
        }
        if (hungUp && busy) {
            unwatch(); // it would be told again and again; the reply goes on from here
            return;
        }
        int wanted = (busy || ended ? 0 : Epoll.EPOLLIN) | (output.isEmpty() ? 0 : Epoll.EPOLLOUT);
        if (watch == 0) {
            watch = loop.watch(socket.fd(), wanted, this::ready);
        } else if (wanted != interest) {
            loop.modify(watch, wanted);
        }
        interest = wanted;
    }

    private void unwatch() {
        if (watch != 0) {
            loop.unwatch(watch);
            watch = 0;
        }
    }

    private void closeFd() {
        fdsLost = false;
        if (fd != null) {
            fd.close();
            fd = null;
        }
    }

    void close() {
        if (closed) {
            return;
        }
        closed = true;
        unwatch();
        closeFd();
        socket.close();
        onClose.accept(this);
    }
}
