package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** A unix(7) socket that can pass file descriptors (SCM_RIGHTS). The JDK's own cannot, and hides its descriptor. */
public final class UnixSocket implements AutoCloseable {
    /** The kinds of unix(7) sockets. */
    public enum Kind {
        STREAM(1),
        DATAGRAM(2),
        SEQPACKET(5);

        private final int number;

        Kind(int number) {
            this.number = number;
        }
    }

    /** As many descriptors as one message may carry (SCM_MAX_FD). */
    public static final int MAX_FDS = 253;

    private static final int AF_UNIX = 1;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int SOCK_NONBLOCK = 0x800;
    private static final int SOL_SOCKET = 1;
    private static final int SCM_RIGHTS = 1;
    private static final int SO_PEERCRED = 17;
    private static final int SO_RCVTIMEO = 20;
    private static final int SO_SNDTIMEO = 21;
    private static final int BACKLOG = 128;
    private static final int MSG_NOSIGNAL = 0x4000;
    private static final int MSG_CMSG_CLOEXEC = 0x40000000;
    private static final int MSG_CTRUNC = 0x8;
    private static final int MSG_PEEK = 0x2;
    private static final int MAX_PATH = 107;
    // struct msghdr: name@0 namelen@8 iov@16 iovlen@24 control@32 controllen@40 flags@48
    private static final int MSGHDR_SIZE = 56;
    private static final int CMSG_HEADER = 16;

    private final Fd fd;

    public UnixSocket(Fd fd) {
        this.fd = fd;
    }

    /** A listening socket at a path, which must not exist; created with mode 0600. Non-blocking. */
    public static UnixSocket listen(Kind kind, String path) {
        UnixSocket socket = create(kind, path, SOCK_NONBLOCK);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = address(arena, path);
            // bind(2) gives the file the mode of the unbound socket, less the umask: at no time is it open to others.
            ErrnoException.check("fchmod " + path, Syscall.call(Syscall.FCHMOD, socket.fd.number(), 0600));
            ErrnoException.check(
                    "bind " + path,
                    Syscall.call(Syscall.BIND, socket.fd.number(), address.address(), address.byteSize()));
            if (kind != Kind.DATAGRAM) {
                ErrnoException.check("listen " + path, Syscall.call(Syscall.LISTEN, socket.fd.number(), BACKLOG));
            }
            return socket;
        } catch (RuntimeException e) {
            socket.close();
            throw e;
        }
    }

    /** Connects to a path; blocks while the other side's backlog is full. */
    public static UnixSocket connect(Kind kind, String path) {
        return connect(kind, path, 0);
    }

    /**
     * Connects to a path without waiting; the socket is non-blocking. EAGAIN if the other side's backlog is full, as of
     * one that does not accept.
     */
    public static UnixSocket connectNow(Kind kind, String path) {
        return connect(kind, path, SOCK_NONBLOCK);
    }

    private static UnixSocket connect(Kind kind, String path, int flags) {
        UnixSocket socket = create(kind, path, flags);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = address(arena, path);
            ErrnoException.check(
                    "connect " + path,
                    Syscall.call(Syscall.CONNECT, socket.fd.number(), address.address(), address.byteSize()));
            return socket;
        } catch (RuntimeException e) {
            socket.close();
            throw e;
        }
    }

    /** Two sockets connected to each other. */
    public static UnixSocket[] pair(Kind kind) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pair = arena.allocate(8, 8);
            ErrnoException.check(
                    "socketpair",
                    Syscall.call(Syscall.SOCKETPAIR, AF_UNIX, kind.number | SOCK_CLOEXEC, 0, pair.address()));
            return new UnixSocket[] {
                new UnixSocket(Fd.adopt(pair.get(ValueLayout.JAVA_INT, 0), "socket")),
                new UnixSocket(Fd.adopt(pair.get(ValueLayout.JAVA_INT, 4), "socket"))
            };
        }
    }

    private static UnixSocket create(Kind kind, String path, int flags) {
        int type = kind.number | SOCK_CLOEXEC | flags;
        long result = Syscall.call(Syscall.SOCKET, AF_UNIX, type, 0);
        return new UnixSocket(Fd.adopt((int) ErrnoException.check("socket", result), path));
    }

    /** struct sockaddr_un; a path that starts with '@' names the abstract namespace. */
    private static MemorySegment address(Arena arena, String path) {
        byte[] bytes = path.getBytes(StandardCharsets.UTF_8);
        boolean isAbstract = path.startsWith("@");
        if (bytes.length == 0 || bytes.length > MAX_PATH) {
            throw new VmmException("socket path " + path + " has " + bytes.length + " bytes, a unix socket's has 1 to "
                    + MAX_PATH + ": use a shorter one");
        }
        if (path.indexOf('\0') >= 0) {
            throw new VmmException("a socket path cannot hold a NUL character");
        }
        MemorySegment address = arena.allocate(2 + bytes.length + (isAbstract ? 0 : 1), 2);
        address.set(ValueLayout.JAVA_SHORT, 0, (short) AF_UNIX);
        MemorySegment.copy(MemorySegment.ofArray(bytes), 0, address, 2, bytes.length);
        if (isAbstract) {
            address.set(ValueLayout.JAVA_BYTE, 2, (byte) 0);
        }
        return address;
    }

    public Fd fd() {
        return fd;
    }

    /** Accepts a connection, non-blocking; null if none waits. */
    public UnixSocket accept() {
        long result = Syscall.call(Syscall.ACCEPT4, fd.number(), 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (Errno.EAGAIN.is(result) || Errno.EINTR.is(result) || Errno.ECONNABORTED.is(result)) {
            return null;
        }
        return new UnixSocket(Fd.adopt((int) ErrnoException.check("accept " + fd.name(), result), fd.name()));
    }

    /** Who is at the other side: pid, uid and gid at the time of connect (SO_PEERCRED). */
    public record Peer(int pid, int uid, int gid) {
        /** This process, with its effective ids. */
        public static Peer self() {
            return new Peer((int) Syscall.call(Syscall.GETPID), (int) Syscall.call(Syscall.GETEUID), (int)
                    Syscall.call(Syscall.GETEGID));
        }
    }

    public Peer peer() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cred = arena.allocate(12, 4);
            MemorySegment length = arena.allocateFrom(ValueLayout.JAVA_INT, 12);
            ErrnoException.check(
                    "getsockopt SO_PEERCRED",
                    Syscall.call(
                            Syscall.GETSOCKOPT,
                            fd.number(),
                            SOL_SOCKET,
                            SO_PEERCRED,
                            cred.address(),
                            length.address(),
                            0));
            return new Peer(
                    cred.get(ValueLayout.JAVA_INT, 0),
                    cred.get(ValueLayout.JAVA_INT, 4),
                    cred.get(ValueLayout.JAVA_INT, 8));
        }
    }

    /** Bounds how long sending and receiving may block; then they answer EAGAIN. 0 for ever. */
    public void setTimeout(int millis) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment timeval = arena.allocate(16, 8); // struct timeval: tv_sec@0, tv_usec@8
            timeval.set(ValueLayout.JAVA_LONG, 0, millis / 1000);
            timeval.set(ValueLayout.JAVA_LONG, 8, millis % 1000 * 1000L);
            setOption("SO_RCVTIMEO", SO_RCVTIMEO, timeval);
            setOption("SO_SNDTIMEO", SO_SNDTIMEO, timeval);
        }
    }

    private void setOption(String name, int option, MemorySegment value) {
        ErrnoException.check(
                "setsockopt " + name,
                Syscall.call(
                        Syscall.SETSOCKOPT, fd.number(), SOL_SOCKET, option, value.address(), value.byteSize(), 0));
    }

    /**
     * Sends bytes, with descriptors on the first of them. Returns the bytes taken (a stream may take fewer; then the
     * descriptors are gone with them) or {@code -errno}; never SIGPIPE, but EPIPE.
     */
    public long trySend(MemorySegment bytes, List<Fd> fds) {
        if (fds.size() > MAX_FDS) {
            throw new IllegalArgumentException(fds.size() + " descriptors in one message");
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment message = message(arena, bytes, fds.isEmpty() ? 0 : space(fds.size()));
            if (!fds.isEmpty()) {
                MemorySegment control = control(message);
                control.set(ValueLayout.JAVA_LONG, 0, CMSG_HEADER + 4L * fds.size());
                control.set(ValueLayout.JAVA_INT, 8, SOL_SOCKET);
                control.set(ValueLayout.JAVA_INT, 12, SCM_RIGHTS);
                for (int i = 0; i < fds.size(); i++) {
                    control.set(
                            ValueLayout.JAVA_INT,
                            CMSG_HEADER + 4L * i,
                            fds.get(i).number());
                }
            }
            return Syscall.call(Syscall.SENDMSG, fd.number(), message.address(), MSG_NOSIGNAL);
        }
    }

    /**
     * What came with one recvmsg(2).
     *
     * @param bytes how many bytes, 0 at the end of a stream, or {@code -errno}
     * @param fds the descriptors that came with them, now owned by the receiver
     * @param fdsLost whether the kernel had to drop some (MSG_CTRUNC)
     */
    public record Received(long bytes, List<Fd> fds, boolean fdsLost) {}

    /** Receives bytes and up to {@link #MAX_FDS} descriptors, which are CLOEXEC. Blocks if the socket does. */
    public Received receive(MemorySegment into) {
        return receive(into, MAX_FDS);
    }

    /** Receives bytes and up to {@code maxFds} descriptors, or one more; the kernel closes the rest. */
    public Received receive(MemorySegment into, int maxFds) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment message = message(arena, into, space(maxFds));
            long n = Syscall.call(Syscall.RECVMSG, fd.number(), message.address(), MSG_CMSG_CLOEXEC);
            if (n < 0) {
                return new Received(n, List.of(), false);
            }
            List<Fd> fds = new ArrayList<>();
            MemorySegment control = control(message);
            long length = message.get(ValueLayout.JAVA_LONG, 40);
            long at = 0;
            while (at + CMSG_HEADER <= length) {
                long cmsgLength = control.get(ValueLayout.JAVA_LONG, at);
                if (control.get(ValueLayout.JAVA_INT, at + 8) == SOL_SOCKET
                        && control.get(ValueLayout.JAVA_INT, at + 12) == SCM_RIGHTS) {
                    for (long i = at + CMSG_HEADER; i + 4 <= at + cmsgLength; i += 4) {
                        fds.add(Fd.adopt(control.get(ValueLayout.JAVA_INT, i), "received fd"));
                    }
                }
                at += Math.max(CMSG_HEADER, (cmsgLength + 7) & ~7L);
            }
            boolean lost = (message.get(ValueLayout.JAVA_INT, 48) & MSG_CTRUNC) != 0;
            return new Received(n, fds, lost);
        }
    }

    /**
     * Looks at bytes that a later {@link #receive} will take; descriptors stay where they are. Stops behind the first
     * message that carries some. Returns how many, 0 at the end of a stream, or {@code -errno}; blocks if the socket does.
     */
    public long peek(MemorySegment into) {
        try (Arena arena = Arena.ofConfined()) {
            return Syscall.call(
                    Syscall.RECVMSG, fd.number(), message(arena, into, 0).address(), MSG_PEEK);
        }
    }

    /** A msghdr with one iovec and room for {@code controlSpace} bytes of control data behind both. */
    private static MemorySegment message(Arena arena, MemorySegment bytes, long controlSpace) {
        MemorySegment message = arena.allocate(MSGHDR_SIZE + 16 + controlSpace, 8);
        message.set(ValueLayout.JAVA_LONG, 16, message.address() + MSGHDR_SIZE);
        message.set(ValueLayout.JAVA_LONG, 24, 1);
        message.set(ValueLayout.JAVA_LONG, MSGHDR_SIZE, bytes.address());
        message.set(ValueLayout.JAVA_LONG, MSGHDR_SIZE + 8, bytes.byteSize());
        if (controlSpace > 0) {
            message.set(ValueLayout.JAVA_LONG, 32, message.address() + MSGHDR_SIZE + 16);
            message.set(ValueLayout.JAVA_LONG, 40, controlSpace);
        }
        return message;
    }

    private static MemorySegment control(MemorySegment message) {
        return message.asSlice(MSGHDR_SIZE + 16);
    }

    private static long space(int fds) {
        return CMSG_HEADER + ((4L * fds + 7) & ~7L);
    }

    @Override
    public void close() {
        fd.close();
    }
}
