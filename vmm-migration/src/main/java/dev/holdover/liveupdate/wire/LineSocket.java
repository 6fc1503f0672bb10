package dev.holdover.liveupdate.wire;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.List;

/**
 * A non-blocking stream socket that carries lines, each with at most one descriptor: the one that came with the line's
 * own bytes, for peers write several lines at once. Surplus descriptors are closed. One thread at a time.
 */
public final class LineSocket implements AutoCloseable {
    /** Bytes of the longest line, its newline among them. */
    public static final int MAX_LINE = 4096;
    /** Bytes that wait for a peer which does not read, before it is disconnected. */
    private static final int MAX_PENDING = 256 << 10;
    /** Descriptors likewise. */
    private static final int MAX_PENDING_FDS = 32;

    /** Descriptors of one message; a line has one. */
    private static final int MAX_FDS = 8;

    public enum Found {
        /** {@link #line} and {@link #takeFd}. */
        LINE,
        /** No whole line is there yet. */
        NOTHING,
        /** The peer sends no more. */
        END,
        TOO_LONG,
        /** A line whose descriptors did not all arrive: too many of them, or too many files open here. */
        FDS_LOST
    }

    private static final class Outgoing {
        final byte[] bytes;
        final Fd fd;

        Outgoing(byte[] bytes, Fd fd) {
            this.bytes = bytes;
            this.fd = fd;
        }
    }

    private final UnixSocket socket;
    private final int uid;
    private final MemorySegment buffer = Arena.ofAuto().allocate(MAX_LINE);
    private final byte[] begun = new byte[MAX_LINE];
    private int length;
    /** Came with the line that {@link #begun} is a part of. */
    private Fd arriving;
    /** Came with {@link #line}. */
    private Fd fd;

    private boolean fdsLost;
    private String line;
    private final ArrayDeque<Outgoing> output = new ArrayDeque<>();
    /** Bytes of the first of {@link #output} that are sent already. */
    private int sent;

    private int pending;
    private int pendingFds;
    private boolean broken;

    /** Takes a socket over, which does not block. */
    public LineSocket(UnixSocket socket) {
        this.socket = socket;
        this.uid = socket.peer().uid();
    }

    public Fd fd() {
        return socket.fd();
    }

    UnixSocket.Peer peer() {
        return socket.peer();
    }

    /** Reads one line, if it is there. */
    public Found read() {
        closeFd();
        while (true) {
            long seen = socket.peek(buffer);
            if (Errno.EAGAIN.is(seen)) {
                return Found.NOTHING;
            }
            if (Errno.EINTR.is(seen)) {
                continue;
            }
            if (seen <= 0) {
                return Found.END;
            }
            int newline = newline((int) seen);
            int take = newline < 0 ? (int) seen : newline + 1;
            if (length + take > MAX_LINE) {
                return Found.TOO_LONG;
            }
            if (!receive(take)) {
                return Found.END;
            }
            if (newline >= 0) {
                line = new String(begun, 0, length - 1, StandardCharsets.UTF_8);
                length = 0;
                if (fdsLost) {
                    fdsLost = false;
                    return Found.FDS_LOST;
                }
                return Found.LINE;
            }
        }
    }

    private int newline(int seen) {
        for (int i = 0; i < seen; i++) {
            if (buffer.get(ValueLayout.JAVA_BYTE, i) == '\n') {
                return i;
            }
        }
        return -1;
    }

    /** Takes bytes that were seen already, and what came with them. */
    private boolean receive(int bytes) {
        for (int done = 0; done < bytes; ) {
            UnixSocket.Received received = socket.receive(buffer.asSlice(0, bytes - done), MAX_FDS);
            List<Fd> came = received.fds();
            for (int i = 0; i < came.size(); i++) {
                if (arriving == null) {
                    arriving = came.get(i);
                } else {
                    ForeignFd.close(came.get(i), uid);
                }
            }
            fdsLost |= received.fdsLost();
            if (Errno.EINTR.is(received.bytes())) {
                continue;
            }
            if (received.bytes() <= 0) {
                return false;
            }
            int n = (int) received.bytes();
            MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, begun, length, n);
            length += n;
            done += n;
        }
        if (begun[length - 1] == '\n') {
            fd = arriving;
            arriving = null;
        }
        return true;
    }

    /** The last line read, without its newline. */
    public String line() {
        return line;
    }

    /** The descriptor of the last line read, from now on the caller's; null if it carried none. */
    public Fd takeFd() {
        Fd taken = fd;
        fd = null;
        return taken;
    }

    private void closeFd() {
        if (fd != null) {
            ForeignFd.close(fd, uid);
            fd = null;
        }
    }

    /** Sends a line, as soon as the peer takes it; takes the descriptor over, which may be null. */
    public void send(String text, Fd carried) {
        byte[] bytes = (text + "\n").getBytes(StandardCharsets.UTF_8);
        if (broken || pending + bytes.length > MAX_PENDING || (carried != null && pendingFds >= MAX_PENDING_FDS)) {
            broken = true;
            if (carried != null) {
                carried.close();
            }
            return;
        }
        output.add(new Outgoing(bytes, carried));
        pending += bytes.length;
        pendingFds += carried == null ? 0 : 1;
        flush();
    }

    /** Sends what waits, as far as the peer takes it. */
    public void flush() {
        try (Arena arena = Arena.ofConfined()) {
            while (!broken && !output.isEmpty()) {
                Outgoing first = output.getFirst();
                int left = first.bytes.length - sent;
                MemorySegment piece = arena.allocate(left);
                MemorySegment.copy(first.bytes, sent, piece, ValueLayout.JAVA_BYTE, 0, left);
                List<Fd> fds = first.fd == null || sent > 0 ? List.of() : List.of(first.fd);
                long n = socket.trySend(piece, fds);
                if (Errno.EAGAIN.is(n)) {
                    return;
                }
                if (Errno.EINTR.is(n)) {
                    continue;
                }
                if (n < 0) {
                    broken = true;
                    return;
                }
                sent += (int) n;
                if (first.fd != null) {
                    first.fd.close();
                }
                if (sent == first.bytes.length) {
                    output.removeFirst();
                    pending -= first.bytes.length;
                    pendingFds -= first.fd == null ? 0 : 1;
                    sent = 0;
                }
            }
        }
    }

    public boolean hasOutput() {
        return !output.isEmpty();
    }

    /** It takes nothing more: it is gone, or does not read. */
    public boolean isBroken() {
        return broken;
    }

    @Override
    public void close() {
        broken = true;
        closeFd();
        if (arriving != null) {
            ForeignFd.close(arriving, uid);
            arriving = null;
        }
        for (Outgoing waiting : output) {
            if (waiting.fd != null) {
                waiting.fd.close();
            }
        }
        output.clear();
        socket.close();
    }
}
