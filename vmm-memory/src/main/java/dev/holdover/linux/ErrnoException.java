package dev.holdover.linux;

/** A system call that failed: which one, on what, and its errno. */
public final class ErrnoException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final Errno errno;

    public ErrnoException(String call, Errno errno) {
        super(call + ": " + errno.name() + " (" + errno.text() + ")");
        this.errno = errno;
    }

    public Errno errno() {
        return errno;
    }

    /** Returns {@code result}, or throws if it is a negative errno. */
    public static long check(String call, long result) {
        if (result < 0) {
            throw new ErrnoException(call, Errno.of(-result));
        }
        return result;
    }
}
