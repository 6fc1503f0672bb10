package dev.holdover.vmstate;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import java.lang.foreign.MemorySegment;

/**
 * Where a state goes. Opened before the guest is stopped, so that most of what can fail has not by then; whole when
 * {@link #publish} has returned, and until then not to be taken for a state. Every failure is a {@link VmmException},
 * after which {@link #close} leaves nothing behind. One thread.
 */
public abstract sealed class StateTarget implements AutoCloseable permits FileTarget, FdTarget, MemfdTarget {
    private final String name;
    private final Fd fd;
    private boolean begun;

    StateTarget(String name, Fd fd) {
        this.name = name;
        this.fd = fd;
    }

    /** Its path, or what else it is known by. */
    public String name() {
        return name;
    }

    final Fd descriptor() {
        return fd;
    }

    /** Writes bytes of a state that is not published yet. Blocks as pwrite(2) does. */
    final void write(MemorySegment bytes, long offset) {
        try {
            begin();
            fd.writeFully(bytes, offset);
        } catch (ErrnoException e) {
            throw failure(name, e);
        }
    }

    /** Seals the image and writes it, then makes the state known. Blocks until it is on storage. */
    public final void publish(StateImage image) {
        image.seal();
        try {
            begin();
            commit(image);
        } catch (ErrnoException e) {
            throw failure(name, e);
        }
        image.forgetPages();
    }

    private void begin() {
        if (!begun) {
            invalidate();
            begun = true;
        }
    }

    /** Makes an older state, which is about to be written over, none. */
    void invalidate() {}

    /** Writes the sealed image, and makes it last and be found. */
    abstract void commit(StateImage image);

    /** Discards what was not published; else only closes. */
    @Override
    public abstract void close();

    /** Why a state could not be saved, and what to do. */
    static VmmException failure(String name, ErrnoException e) {
        return new VmmException(
                "can't save to " + name + ": " + e.errno().name() + " ("
                        + e.errno().text() + ")" + advice(e.errno()),
                e);
    }

    private static String advice(Errno errno) {
        return switch (errno) {
            case ENOSPC, EDQUOT, EFBIG -> "; make room there, or save elsewhere";
            case EROFS -> "; save to a file system that can be written";
            case EACCES, EPERM -> "; it and its directory must be writable for you";
            case ENOENT, ENOTDIR -> "; does its directory exist?";
            case EISDIR -> "; name a file in it";
            case EBADF -> "; open it for writing, too";
            default -> "";
        };
    }
}
