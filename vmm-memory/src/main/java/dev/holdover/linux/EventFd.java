package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** An eventfd(2), non-blocking: a counter that wakes epoll, and that KVM takes as irqfd and ioeventfd. */
public final class EventFd implements AutoCloseable {
    private static final int EFD_NONBLOCK = 0x800;
    private static final int EFD_CLOEXEC = 0x80000;
    private static final MemorySegment ONE = Arena.global().allocateFrom(ValueLayout.JAVA_LONG, 1);

    private final Fd fd;
    private final MemorySegment counter = Arena.ofAuto().allocate(ValueLayout.JAVA_LONG);

    public EventFd() {
        this(Fd.adopt(
                (int) ErrnoException.check("eventfd", Syscall.call(Syscall.EVENTFD2, 0, EFD_NONBLOCK | EFD_CLOEXEC)),
                "eventfd"));
    }

    private EventFd(Fd fd) {
        this.fd = fd;
    }

    /** Takes over one that another process made, and that is non-blocking. */
    public static EventFd adopt(Fd fd) {
        return new EventFd(fd);
    }

    public Fd fd() {
        return fd;
    }

    /** Adds one. Never blocks; a full counter (2^64-2) is left as it is, which signals just as well. */
    public void signal() {
        fd.tryWrite(ONE);
    }

    /** Takes the count and resets it; 0 if nobody signalled. One thread at a time. */
    public long drain() {
        return fd.tryRead(counter) == Long.BYTES ? counter.get(ValueLayout.JAVA_LONG, 0) : 0;
    }

    @Override
    public void close() {
        fd.close();
    }
}
