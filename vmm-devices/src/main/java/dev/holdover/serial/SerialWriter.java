package dev.holdover.serial;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.Signals;
import dev.holdover.platform.SerialOutput;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Carries bytes from vCPU threads to a descriptor: a ring of 64 KiB, and a thread that writes what is there by write(2),
 * at once and as much as there is. The descriptor may block (O_NONBLOCK on a terminal or pipe would reach everyone who
 * shares it), and a regular file is as good as a pipe.
 *
 * <p>If the ring fills, {@link WhenFull} says what gives way. Bytes for a closed pipe or without a descriptor are dropped
 * and counted.
 */
final class SerialWriter implements SerialOutput {
    /** What gives way to a reader that is too slow. */
    enum WhenFull {
        /**
         * The guest: it is told that the transmitter is busy when less than 256 bytes are free. If it sends on until the
         * ring is full its vCPU waits, one second at most ({@link Patience}: longer on a slow host) for each time the
         * reader stalls; after that bytes are dropped until the reader goes on.
         */
        HOLD(2000),
        /** The bytes: the newest are dropped. The guest notices nothing. */
        DROP(500);

        /** How long the end waits for the reader to take what is pending; a base limit. */
        private final int flushMillis;

        WhenFull(int flushMillis) {
            this.flushMillis = flushMillis;
        }
    }

    static final int CAPACITY = 64 << 10;

    private static final int SLACK = 256;
    private static final int MAX_WAIT_MILLIS = 1000;
    /** For a write(2) under way to be interrupted at the end. */
    private static final int END_MILLIS = 1000;

    private final String name;
    private final WhenFull whenFull;
    private final MemorySegment ring = Arena.ofAuto().allocate(CAPACITY);
    private final Thread thread;
    private Runnable onReady;
    private Runnable onBrokenPipe;

    private Fd target;
    private int head;
    private int count;
    private long dropped;
    /** A write(2) of bytes at {@link #head} is under way. */
    private boolean writing;
    /** A vCPU has waited in vain and the reader has not moved since. */
    private boolean stalled;

    private boolean complained;
    private boolean closing;
    private boolean suspended;
    private volatile boolean held;
    private volatile int threadId;

    /** {@code name} says in errors where the bytes go. */
    SerialWriter(String name, WhenFull whenFull) {
        this.name = name;
        this.whenFull = whenFull;
        Signals.installKick();
        this.thread = new Thread("serial output") {
            @Override
            public void run() {
                drain();
            }
        };
        thread.setDaemon(true);
        thread.start();
    }

    /** Sets what is called when it is ready again; before the first byte. */
    synchronized void onReady(Runnable callback) {
        onReady = callback;
    }

    /** Sets what is called, on the writer's thread, when nobody can read the descriptor any more; before the first byte. */
    synchronized void onBrokenPipe(Runnable callback) {
        onBrokenPipe = callback;
    }

    /** Bytes go to {@code fd} from now on; the caller keeps it open until {@link #detach} or {@link #close}. */
    synchronized void attach(Fd fd) {
        target = fd;
        notifyAll();
    }

    /** Drops what is pending and releases the descriptor: a write(2) under way is interrupted. */
    synchronized void detach() {
        target = null;
        boolean interrupted = false;
        while (writing) {
            Signals.kick(threadId);
            interrupted |= !pause(10);
        }
        discard();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Writes no more until {@link #resume}, and returns what is pending, in the order in which it came. A write(2) under
     * way is interrupted. The guest is paused.
     */
    synchronized MemorySegment suspend() {
        suspended = true;
        boolean interrupted = false;
        while (writing) {
            Signals.kick(threadId);
            interrupted |= !pause(10);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        byte[] pending = new byte[count];
        for (int i = 0; i < count; i++) {
            pending[i] = ring.get(ValueLayout.JAVA_BYTE, (head + i) % CAPACITY);
        }
        return MemorySegment.ofArray(pending);
    }

    /** Goes on after {@link #suspend}. */
    synchronized void resume() {
        suspended = false;
        notifyAll();
    }

    /** Forgets what is pending, which another process writes. */
    synchronized void giveAway() {
        head = 0;
        count = 0;
        target = null;
    }

    @Override
    public boolean ready() {
        return !held;
    }

    @Override
    public synchronized void write(byte b) {
        if (whenFull == WhenFull.HOLD) {
            awaitRoom();
        }
        if (target == null || closing || count == CAPACITY) {
            dropped++;
            return;
        }
        ring.set(ValueLayout.JAVA_BYTE, (head + count) % CAPACITY, b);
        count++;
        if (whenFull == WhenFull.HOLD && CAPACITY - count < SLACK) {
            held = true;
        }
        if (count == 1) {
            notifyAll();
        }
    }

    private void awaitRoom() {
        long deadline = 0;
        while (count == CAPACITY && !stalled && target != null && !closing) {
            long now = System.nanoTime();
            if (deadline == 0) {
                deadline = now + Patience.host().nanos(MAX_WAIT_MILLIS);
            }
            long millis = (deadline - now) / 1_000_000;
            if (millis <= 0) {
                stalled = true;
            } else if (!pause(millis)) {
                stalled = true;
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Waits for a change, {@code millis} at most (0: for ever); returns false if the thread was interrupted. */
    @SuppressWarnings("WaitNotInLoop") // the callers loop
    private boolean pause(long millis) {
        try {
            wait(millis);
            return true;
        } catch (InterruptedException e) {
            return false;
        }
    }

    private void drain() {
        Signals.unblockKick();
        threadId = Signals.threadId();
        while (true) {
            Fd fd;
            MemorySegment bytes;
            synchronized (this) {
                while ((count == 0 || target == null || suspended) && !closing) {
                    pause(0);
                }
                if (closing) {
                    return;
                }
                fd = target;
                bytes = ring.asSlice(head, Math.min(count, CAPACITY - head));
                writing = true;
            }
            long result = fd.tryWrite(bytes);
            if (Errno.EAGAIN.is(result)) { // someone who shares the descriptor made it so
                awaitWritable(fd);
            }
            if (written(result)) {
                onReady.run();
            }
            if (Errno.EPIPE.is(result) && onBrokenPipe != null) {
                onBrokenPipe.run();
            }
        }
    }

    private static void awaitWritable(Fd fd) {
        try (Epoll epoll = new Epoll()) {
            epoll.add(fd, Epoll.EPOLLOUT, 0);
            epoll.await(100);
        }
    }

    /** Notes what a write(2) returned; says whether {@link #onReady} is due. */
    private synchronized boolean written(long result) {
        writing = false;
        if (result > 0) {
            head = (int) ((head + result) % CAPACITY);
            count -= (int) result;
            stalled = false;
        } else if (!Errno.EINTR.is(result) && !Errno.EAGAIN.is(result)) {
            failed(result);
        }
        notifyAll();
        if (held && count <= CAPACITY / 2) {
            held = false;
            return onReady != null;
        }
        return false;
    }

    private void failed(long result) {
        discard();
        if (Errno.EPIPE.is(result) || Errno.ECONNRESET.is(result)) {
            target = null;
        } else if (!complained) {
            complained = true;
            Errno errno = Errno.of(-result);
            System.err.println("vmm: writing serial output to " + name + " failed: " + errno.name() + " ("
                    + errno.text() + "); what the guest wrote is lost");
        }
    }

    private void discard() {
        dropped += count;
        head = 0;
        count = 0;
    }

    /** Bytes so far that went nowhere. */
    synchronized long dropped() {
        return dropped;
    }

    /** Waits until all is written, as long as the end would wait at most. */
    synchronized void flush() {
        int base = whenFull.flushMillis;
        // The host is measured only for a reader that is slow: the end of most VMMs takes microseconds.
        if (!awaitTaken(base)) {
            awaitTaken(Patience.host().millis(base) - base);
        }
    }

    /** Waits until the reader has taken what is pending; false if it has not within so many milliseconds. */
    private synchronized boolean awaitTaken(int most) {
        long deadline = System.nanoTime() + most * 1_000_000L;
        boolean interrupted = false;
        for (long millis = most;
                millis > 0 && count > 0 && target != null;
                millis = (deadline - System.nanoTime()) / 1_000_000) {
            interrupted |= !pause(millis);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return count == 0 || target == null;
    }

    /**
     * Writes what is pending and ends the thread. What the reader has not taken after two seconds (half a second where
     * bytes may be dropped; {@link Patience}: longer on a slow host) is lost.
     */
    void close() {
        flush();
        synchronized (this) {
            closing = true;
            notifyAll();
        }
        boolean interrupted = false;
        // Bounded: a file system whose server is gone lets no signal in. The thread is a daemon.
        long start = System.nanoTime();
        while (thread.isAlive() && !isOver(System.nanoTime() - start)) {
            Signals.kick(threadId);
            try {
                thread.join(10);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        synchronized (this) {
            discard();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether the end has taken too long; measures the host only for one that is slow. */
    private static boolean isOver(long nanos) {
        return nanos >= END_MILLIS * 1_000_000L && nanos >= Patience.host().nanos(END_MILLIS);
    }
}
