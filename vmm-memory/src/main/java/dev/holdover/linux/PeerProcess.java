package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * The process that connected a unix(7) socket, by a descriptor of it: its pid may be another's by the time somebody asks.
 *
 * <p>SO_PEERPIDFD exists since Linux 6.5. Before, the pid that SO_PEERCRED tells is opened, which is to be done right
 * behind accept(2): a process that has ended since, and whose pid is taken anew, would count as running.
 */
public final class PeerProcess implements AutoCloseable {
    private static final int SOL_SOCKET = 1;
    private static final int SO_PEERPIDFD = 77;
    private static final short POLLIN = 1;

    private final Optional<Fd> pidfd;
    /** What is assumed without a descriptor. */
    private final boolean exited;

    private PeerProcess(Optional<Fd> pidfd, boolean exited) {
        this.pidfd = pidfd;
        this.exited = exited;
    }

    /** The process at the other side of a connection; throws {@link ErrnoException} EMFILE, ENFILE or ENOMEM. */
    public static PeerProcess of(UnixSocket connection) {
        long result = peerPidfd(connection);
        if (Errno.ENOPROTOOPT.is(result)) {
            result = ofPid(connection.peer().pid());
        }
        if (result >= 0) {
            return new PeerProcess(Optional.of(Fd.adopt((int) result, "pidfd of a client")), false);
        }
        // 6.5 to 6.15 answer EINVAL for a process that has been reaped.
        if (Errno.ESRCH.is(result) || Errno.EINVAL.is(result)) {
            return new PeerProcess(Optional.empty(), true);
        }
        if (Errno.EMFILE.is(result) || Errno.ENFILE.is(result) || Errno.ENOMEM.is(result)) {
            throw new ErrnoException("pidfd of a client", Errno.of(-result));
        }
        return new PeerProcess(Optional.empty(), false);
    }

    private static long peerPidfd(UnixSocket connection) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment number = arena.allocateFrom(ValueLayout.JAVA_INT, -1);
            MemorySegment length = arena.allocateFrom(ValueLayout.JAVA_INT, 4);
            long result = Syscall.call(
                    Syscall.GETSOCKOPT,
                    connection.fd().number(),
                    SOL_SOCKET,
                    SO_PEERPIDFD,
                    number.address(),
                    length.address(),
                    0);
            return result < 0 ? result : number.get(ValueLayout.JAVA_INT, 0);
        }
    }

    /** pidfd_open(2); without it, or for a pid that is not visible here, nothing is known. */
    static long ofPid(int pid) {
        return pid <= 0 ? -Errno.EOPNOTSUPP.number() : Syscall.call(Syscall.PIDFD_OPEN, pid, 0, 0);
    }

    /** Whether it has ended, reaped or not. One that cannot be followed counts as running. */
    public boolean hasExited() {
        if (pidfd.isEmpty() || pidfd.get().isClosed()) {
            return exited;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment poll = arena.allocate(8, 4); // struct pollfd: fd@0, events@4, revents@6
            poll.set(ValueLayout.JAVA_INT, 0, pidfd.get().number());
            poll.set(ValueLayout.JAVA_SHORT, 4, POLLIN);
            return Syscall.call(Syscall.POLL, poll.address(), 1, 0) > 0;
        }
    }

    /** Stops following it: from now on it counts as running. */
    @Override
    public void close() {
        pidfd.ifPresent(Fd::close);
    }
}
