package dev.holdover.serial;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.platform.Uart16550;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Brings bytes from a descriptor to a serial port as fast as the guest reads them, on the thread of its
 * {@link EventLoop}.
 */
final class SerialInput {
    /** What to read from the source while the guest does not read. */
    enum LookAhead {
        /** Nothing: what the guest does not take stays in the source, for whoever reads it next. */
        NONE,
        /** Up to 64 KiB: a person's keys are looked at even if the guest hangs, and a client's leaving is noticed. */
        BUFFER
    }

    private static final int CAPACITY = 64 << 10;

    private final EventLoop loop;
    private final Uart16550 uart;
    private final LookAhead lookAhead;
    /** Null where no escapes are. */
    private final ConsoleEscape escape;

    private final Runnable onEnd;
    private final MemorySegment chunk = Arena.ofAuto().allocate(4096);
    private final byte[] pending = new byte[CAPACITY];
    private int from;
    private int to;

    private Fd source;
    private Fd suspended;
    private boolean alwaysReady;
    /** Key of the watch, 0 while not watching. */
    private long watch;

    /**
     * @param escape filters what is read, or null
     * @param onEnd called when the source has ended or failed; it is not watched then
     */
    SerialInput(EventLoop loop, Uart16550 uart, LookAhead lookAhead, ConsoleEscape escape, Runnable onEnd) {
        this.loop = loop;
        this.uart = uart;
        this.lookAhead = lookAhead;
        this.escape = escape;
        this.onEnd = onEnd;
        Runnable pump = new Runnable() {
            @Override
            public void run() {
                pump();
            }
        };
        uart.onReceiveRoom(new Runnable() {
            @Override
            public void run() {
                loop.run(pump);
            }
        });
    }

    /** Reads from {@code fd} from now on; is not waited for. Any thread. */
    void attach(Fd fd) {
        loop.run(new Runnable() {
            @Override
            public void run() {
                read(fd);
            }
        });
    }

    /** Reads from {@code fd} after the next {@link #resume}; the loop, whose thread takes a while to start, runs then. */
    void rest(Fd fd) {
        loop.runAndWait(new Runnable() {
            @Override
            public void run() {
                suspended = fd;
            }
        });
    }

    /** Releases the source; what was read ahead still goes to the guest. Any thread. */
    void detach() {
        loop.runAndWait(new Runnable() {
            @Override
            public void run() {
                unwatch();
                source = null;
            }
        });
    }

    /** Reads no more until {@link #resume}; what was read ahead is kept. Any thread. */
    void suspend() {
        loop.runAndWait(new Runnable() {
            @Override
            public void run() {
                unwatch();
                suspended = source;
                source = null;
            }
        });
    }

    /**
     * Goes on after {@link #suspend}; is not waited for. Any thread.
     *
     * @param before bytes, at most 64 KiB, that come in front of all that is read, if nothing was read yet
     */
    void resume(MemorySegment before) {
        loop.run(new Runnable() {
            @Override
            public void run() {
                if (before.byteSize() > 0) {
                    preload(before);
                }
                if (suspended != null) {
                    read(suspended);
                    suspended = null;
                }
            }
        });
    }

    private void read(Fd fd) {
        source = fd;
        alwaysReady = false;
        pump();
    }

    private void preload(MemorySegment bytes) {
        to = (int) Math.min(bytes.byteSize(), CAPACITY);
        MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, 0, pending, 0, to);
    }

    /** What was read and the guest has not taken; while it is suspended. */
    MemorySegment pending() {
        return MemorySegment.ofArray(Arrays.copyOfRange(pending, from, to));
    }

    private void pump() {
        deliver();
        while (source != null) {
            int wanted = wanted();
            if (wanted == 0) {
                // Not modify(0): a hang-up would come again and again.
                unwatch();
                return;
            }
            if (!alwaysReady) {
                watch();
            }
            if (!alwaysReady) {
                return;
            }
            read(wanted);
            deliver();
        }
    }

    private int wanted() {
        int free = Math.min(CAPACITY - (to - from), (int) chunk.byteSize());
        return lookAhead == LookAhead.BUFFER ? free : Math.min(free, uart.receiveRoom());
    }

    private void watch() {
        if (watch != 0) {
            return;
        }
        try {
            watch = loop.watch(source, Epoll.EPOLLIN, new EventLoop.Handler() {
                @Override
                public void ready(int events) {
                    SerialInput.this.ready();
                }
            });
        } catch (ErrnoException e) {
            if (e.errno() != Errno.EPERM) {
                throw e;
            }
            alwaysReady = true; // a regular file, /dev/null
        }
    }

    private void unwatch() {
        if (watch != 0) {
            loop.unwatch(watch);
            watch = 0;
        }
    }

    private void ready() {
        int wanted = wanted();
        if (wanted > 0) {
            read(wanted);
        }
        pump();
    }

    private void read(int wanted) {
        long n = source.tryRead(chunk.asSlice(0, wanted));
        if (Errno.EINTR.is(n) || Errno.EAGAIN.is(n)) {
            return;
        }
        if (n <= 0) {
            detach();
            onEnd.run();
            return;
        }
        if (to + n > CAPACITY) {
            System.arraycopy(pending, from, pending, 0, to - from);
            to -= from;
            from = 0;
        }
        MemorySegment.copy(chunk, ValueLayout.JAVA_BYTE, 0, pending, to, (int) n);
        to += escape == null ? (int) n : escape.filter(pending, to, (int) n);
    }

    private void deliver() {
        if (from < to) {
            from += uart.receive(pending, from, to - from);
        }
        if (from == to) {
            from = 0;
            to = 0;
        }
    }
}
