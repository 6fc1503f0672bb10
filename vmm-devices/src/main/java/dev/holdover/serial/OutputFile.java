package dev.holdover.serial;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileNames;

/**
 * A file that takes a guest's output. Nothing is lost by a guest that never ran: only {@link #start} cuts an older file
 * to nothing, and a file that was created but not started is deleted again.
 */
public final class OutputFile implements AutoCloseable {
    /** Appended to, so that a file which somebody cuts (logrotate's copytruncate) goes on at its new end, without a hole. */
    private static final int FLAGS = Fd.O_WRONLY | Fd.O_CREAT | Fd.O_APPEND;

    private final String path;
    private final Fd fd;
    private final boolean created;
    private boolean started;
    private boolean goesOn;

    private OutputFile(String path, Fd fd, boolean created) {
        this.path = path;
        this.fd = fd;
        this.created = created;
    }

    /** Opens it, created with mode 0600 if it is not there; ErrnoException if it cannot be written. */
    public static OutputFile open(String path) {
        try {
            return new OutputFile(path, Fd.open(path, FLAGS | Fd.O_EXCL, 0600), true);
        } catch (ErrnoException e) {
            if (e.errno() != Errno.EEXIST) {
                throw e;
            }
            // O_CREAT for a link to nowhere.
            return new OutputFile(path, Fd.open(path, FLAGS, 0600), false);
        }
    }

    /** A file that bytes were written to already; takes the descriptor over. */
    static OutputFile begun(String path, Fd fd) {
        OutputFile file = new OutputFile(path, fd, false);
        file.started = true;
        return file;
    }

    /** Before {@link #start}: the guest goes on, and so does its output, behind what is there. */
    public void goOn() {
        goesOn = true;
    }

    /** Before the first byte. */
    public void start() {
        if (started) {
            return;
        }
        started = true;
        if (created || !fd.stat().isRegular()) {
            return;
        }
        if (!goesOn) {
            fd.truncate(0);
        }
    }

    public Fd fd() {
        return fd;
    }

    @Override
    public void close() {
        if (created && !started) {
            FileNames.tryUnlink(path);
        }
        fd.close();
    }
}
