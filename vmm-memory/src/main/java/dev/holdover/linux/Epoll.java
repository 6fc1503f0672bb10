package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** An epoll(7) instance, level-triggered. One thread waits; any thread may add, modify and remove. */
public final class Epoll implements AutoCloseable {
    public static final int EPOLLIN = 0x1;
    public static final int EPOLLOUT = 0x4;
    public static final int EPOLLERR = 0x8;
    public static final int EPOLLHUP = 0x10;
    public static final int EPOLLRDHUP = 0x2000;

    private static final int EPOLL_CLOEXEC = 0x80000;
    private static final int CTL_ADD = 1;
    private static final int CTL_DEL = 2;
    private static final int CTL_MOD = 3;
    private static final int MAX_EVENTS = 64;
    // struct epoll_event is packed on x86-64: events@0, data@4.
    private static final int EVENT_SIZE = 12;

    private final Fd fd;
    private final MemorySegment events = Arena.ofAuto().allocate((long) MAX_EVENTS * EVENT_SIZE, 8);

    public Epoll() {
        this.fd = Fd.adopt(
                (int) ErrnoException.check("epoll_create1", Syscall.call(Syscall.EPOLL_CREATE1, EPOLL_CLOEXEC)),
                "epoll");
    }

    /** Watches a descriptor. EPERM for a regular file, which is always ready. */
    public void add(Fd watched, int interest, long data) {
        ErrnoException.check("epoll_ctl ADD " + watched.name(), control(CTL_ADD, watched, interest, data));
    }

    /** As {@link #add}; returns 0 or {@code -errno}. */
    public long tryAdd(Fd watched, int interest, long data) {
        return control(CTL_ADD, watched, interest, data);
    }

    public void modify(Fd watched, int interest, long data) {
        ErrnoException.check("epoll_ctl MOD " + watched.name(), control(CTL_MOD, watched, interest, data));
    }

    public void remove(Fd watched) {
        ErrnoException.check("epoll_ctl DEL " + watched.name(), control(CTL_DEL, watched, 0, 0));
    }

    private long control(int operation, Fd watched, int interest, long data) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment event = arena.allocate(EVENT_SIZE, 8);
            event.set(ValueLayout.JAVA_INT, 0, interest);
            event.set(ValueLayout.JAVA_LONG_UNALIGNED, 4, data);
            return Syscall.call(Syscall.EPOLL_CTL, fd.number(), operation, watched.number(), event.address());
        }
    }

    /**
     * Waits for events; returns how many there are, 0 on time-out or a signal.
     *
     * @param timeoutMillis -1 for ever, 0 not at all
     */
    public int await(int timeoutMillis) {
        long n = Syscall.call(Syscall.EPOLL_PWAIT, fd.number(), events.address(), MAX_EVENTS, timeoutMillis, 0, 0);
        return Errno.EINTR.is(n) ? 0 : (int) ErrnoException.check("epoll_pwait", n);
    }

    /** The events of entry {@code i} of the last wait. */
    public int ready(int i) {
        return events.get(ValueLayout.JAVA_INT, (long) i * EVENT_SIZE);
    }

    /** The data given with the descriptor of entry {@code i}. */
    public long data(int i) {
        return events.get(ValueLayout.JAVA_LONG_UNALIGNED, (long) i * EVENT_SIZE + 4);
    }

    @Override
    public void close() {
        fd.close();
    }
}
