package dev.holdover.handover;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * One end of a connection over which a guest is handed over. One thread. What the other side does wrong, its end and its
 * silence are {@link VmmException}s; descriptors that came with something wrong are closed.
 */
public final class HandOverConnection implements AutoCloseable {
    /** Of the messages, and of what they imply. */
    public static final int VERSION = 1;

    // header: magic@0, version@4 (2), type@6 (2), body length@8, zero@12
    private static final int MAGIC = 0x52564f48;
    private static final int HEADER = 16;
    private static final int MAX_BODY = 160 << 10;
    private static final int MAX_TEXT = 4096;
    private static final int MAX_PENDING = 64 << 10;

    private static final int OFFER = 1;
    private static final int ACCEPT = 2;
    private static final int REFUSE = 3;
    private static final int STATE = 4;
    private static final int RUNNING = 5;

    private final String peer;
    private final UnixSocket socket;
    private final Epoll epoll = new Epoll();
    private final Arena arena = Arena.ofShared();
    private final MemorySegment buffer = arena.allocate(HEADER + MAX_BODY, 8);
    private int at;

    /**
     * Over a SEQPACKET socket, which it takes over.
     *
     * @param peer names the other side in sentences
     */
    public HandOverConnection(UnixSocket socket, String peer) {
        this.socket = socket;
        this.peer = peer;
        socket.fd().setNonBlocking(true);
        epoll.add(socket.fd(), Epoll.EPOLLIN, 0);
    }

    /** Connects to a VMM that stands by at a path. Blocks while its backlog is full. */
    public static HandOverConnection connect(String path) {
        try {
            HandOverConnection connection =
                    new HandOverConnection(UnixSocket.connect(UnixSocket.Kind.SEQPACKET, path), path);
            try {
                connection.requireTrusted();
                return connection;
            } catch (RuntimeException e) {
                connection.close();
                throw e;
            }
        } catch (ErrnoException e) {
            throw new VmmException(
                    "can't hand the guest over to " + path + ": "
                            + e.errno().name() + " (" + e.errno().text() + "); does ./vmm standby --listen " + path
                            + " run?",
                    e);
        }
    }

    /**
     * Refuses a peer that is another user's: whoever has a guest's RAM and disks has all that it knows, and whoever gives one
     * away decides what this process maps. Root's and this user's own processes are trusted.
     *
     * @throws VmmException if it is another user's
     */
    public void requireTrusted() {
        requireTrusted(peer, credentials(), UnixSocket.Peer.self().uid());
    }

    static void requireTrusted(String peer, UnixSocket.Peer other, int own) {
        if (other.uid() != own && other.uid() != 0) {
            throw new VmmException(peer + " is a process of uid " + other.uid() + " (pid " + other.pid()
                    + "), EPERM (Operation not permitted): a guest is handed over between processes of one user, here uid "
                    + own + ", or root's");
        }
    }

    /** Who is at the other end. */
    public UnixSocket.Peer credentials() {
        return socket.peer();
    }

    /** Sends a message, whole; its descriptors stay the sender's. Does not block. */
    public void send(Message message) {
        at = HEADER;
        List<Fd> fds = List.of();
        int type;
        if (message instanceof Message.Offer offer) {
            type = OFFER;
            fds = putOffer(offer);
        } else if (message instanceof Message.Refuse refuse) {
            type = REFUSE;
            putText(refuse.why());
        } else if (message instanceof Message.State state) {
            type = STATE;
            putInt(state.runs() ? 1 : 0);
            putInt(state.raise());
            putLong(state.pausedNanos());
            putBytes(state.input());
            putBytes(state.output());
        } else if (message instanceof Message.Running running) {
            type = RUNNING;
            putLong(running.receivedNanos());
            putLong(running.appliedNanos());
            putLong(running.runningNanos());
        } else {
            type = ACCEPT;
        }
        buffer.set(ValueLayout.JAVA_INT, 0, MAGIC);
        buffer.set(ValueLayout.JAVA_SHORT, 4, (short) VERSION);
        buffer.set(ValueLayout.JAVA_SHORT, 6, (short) type);
        buffer.set(ValueLayout.JAVA_INT, 8, at - HEADER);
        buffer.set(ValueLayout.JAVA_INT, 12, 0);
        long n;
        do {
            n = socket.trySend(buffer.asSlice(0, at), fds);
        } while (Errno.EINTR.is(n));
        if (n != at) {
            Errno errno = Errno.of(-n);
            throw new VmmException("can't send to " + peer + ": " + errno.name() + " (" + errno.text() + ")");
        }
    }

    private List<Fd> putOffer(Message.Offer offer) {
        List<NamedFd> parts = offer.parts();
        if (parts.size() > UnixSocket.MAX_FDS) {
            throw new VmmException("can't hand the guest over to " + peer + ": it has " + parts.size()
                    + " descriptors, one message carries " + UnixSocket.MAX_FDS);
        }
        List<Fd> fds = new ArrayList<>(parts.size());
        putInt(parts.size());
        for (int i = 0; i < parts.size(); i++) {
            int code = FdCode.of(parts.get(i).name());
            if (code == 0) {
                throw new VmmException("can't hand the guest over to " + peer + ": no message can carry a descriptor "
                        + parts.get(i).name());
            }
            putInt(code);
            putText(parts.get(i).id());
            fds.add(parts.get(i).fd());
        }
        return fds;
    }

    private void putInt(int value) {
        require(4);
        buffer.set(ValueLayout.JAVA_INT_UNALIGNED, at, value);
        at += 4;
    }

    private void putLong(long value) {
        require(8);
        buffer.set(ValueLayout.JAVA_LONG_UNALIGNED, at, value);
        at += 8;
    }

    private void putBytes(MemorySegment bytes) {
        int size = (int) bytes.byteSize();
        putInt(size);
        require(size);
        MemorySegment.copy(bytes, 0, buffer, at, size);
        at += size;
    }

    private void putText(String text) {
        MemorySegment bytes = MemorySegment.ofArray(text.getBytes(StandardCharsets.UTF_8));
        putBytes(bytes.asSlice(0, Math.min(bytes.byteSize(), MAX_TEXT)));
    }

    private void require(int bytes) {
        if (bytes > HEADER + MAX_BODY - at) {
            throw new VmmException("can't hand the guest over to " + peer + ": the message would have more than "
                    + MAX_BODY + " bytes");
        }
    }

    /** Waits for a message; null if none has come in time. {@code millis} -1 waits for ever. */
    public Message receive(int millis) {
        long deadline = System.nanoTime() + millis * 1_000_000L;
        while (true) {
            UnixSocket.Received received = socket.receive(buffer);
            if (!Errno.EAGAIN.is(received.bytes()) && !Errno.EINTR.is(received.bytes())) {
                return read(received);
            }
            int left = millis < 0 ? -1 : (int) Math.max(0, (deadline - System.nanoTime()) / 1_000_000);
            if (epoll.await(left) == 0 && left == 0) {
                return null;
            }
        }
    }

    private Message read(UnixSocket.Received received) {
        try {
            if (received.bytes() == 0 || Errno.ECONNRESET.is(received.bytes())) {
                throw new VmmException(peer + " has closed the connection");
            }
            long length = ErrnoException.check("receive from " + peer, received.bytes());
            if (received.fdsLost()) {
                throw wrong("descriptors were lost: it sent too many, or this process has too many open");
            }
            if (length < HEADER || buffer.get(ValueLayout.JAVA_INT, 0) != MAGIC) {
                throw wrong("it does not speak as a VMM that hands guests over");
            }
            int version = buffer.get(ValueLayout.JAVA_SHORT, 4);
            if (version != VERSION) {
                throw wrong("it speaks version " + version + " of the hand-over, this VMM " + VERSION);
            }
            if (buffer.get(ValueLayout.JAVA_INT, 8) != length - HEADER) {
                throw wrong("a message of it was cut");
            }
            Message message = parse(buffer.get(ValueLayout.JAVA_SHORT, 6), (int) length, received.fds());
            if (!(message instanceof Message.Offer) && !received.fds().isEmpty()) {
                throw wrong("descriptors came with a message that has none");
            }
            return message;
        } catch (VmmException | ErrnoException e) {
            for (int i = 0; i < received.fds().size(); i++) {
                received.fds().get(i).close();
            }
            throw e;
        }
    }

    private VmmException wrong(String what) {
        return new VmmException("what " + peer + " sent is refused: " + what);
    }

    private Message parse(int type, int length, List<Fd> fds) {
        at = HEADER;
        return switch (type) {
            case OFFER -> takeOffer(length, fds);
            case ACCEPT -> new Message.Accept();
            case REFUSE -> new Message.Refuse(takeText(length));
            case STATE -> takeState(length);
            case RUNNING -> new Message.Running(takeLong(length), takeLong(length), takeLong(length));
            default -> throw wrong("a message of an unknown type " + type);
        };
    }

    private Message takeState(int length) {
        boolean runs = takeInt(length) != 0;
        int raise = takeInt(length);
        long paused = takeLong(length);
        return new Message.State(runs, raise, takeSegment(length), takeSegment(length), paused);
    }

    private Message takeOffer(int length, List<Fd> fds) {
        int count = takeInt(length);
        if (count != fds.size()) {
            throw wrong("it names " + count + " descriptors and sent " + fds.size());
        }
        List<NamedFd> parts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int code = takeInt(length);
            String name = FdCode.name(code);
            if (name == null) {
                throw wrong("a descriptor of an unknown role " + code);
            }
            String text = takeText(length);
            parts.add(new NamedFd(name, text, fds.get(i)));
        }
        return new Message.Offer(parts);
    }

    private void need(int bytes, int length) {
        if (bytes < 0 || bytes > length - at) {
            throw wrong("a message of it ends too early");
        }
    }

    private int takeInt(int length) {
        need(4, length);
        at += 4;
        return buffer.get(ValueLayout.JAVA_INT_UNALIGNED, at - 4);
    }

    private long takeLong(int length) {
        need(8, length);
        at += 8;
        return buffer.get(ValueLayout.JAVA_LONG_UNALIGNED, at - 8);
    }

    private String takeText(int length) {
        return new String(takeBytes(length, MAX_TEXT), StandardCharsets.UTF_8);
    }

    private MemorySegment takeSegment(int length) {
        return MemorySegment.ofArray(takeBytes(length, MAX_PENDING));
    }

    private byte[] takeBytes(int length, int most) {
        int size = takeInt(length);
        need(size, length);
        if (size > most) {
            throw wrong("a field of " + size + " bytes, where " + most + " is the limit");
        }
        at += size;
        return buffer.asSlice(at - size, size).toArray(ValueLayout.JAVA_BYTE);
    }

    @Override
    public void close() {
        epoll.close();
        socket.close();
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
