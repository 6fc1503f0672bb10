package dev.holdover.liveupdate;

import dev.holdover.linux.Errno;
import dev.holdover.linux.VmmException;

/** A call on /dev/liveupdate or a session that failed, as one sentence; the errno tells callers which failure it is. */
public final class SessionException extends VmmException {
    private static final long serialVersionUID = 1L;

    private final Errno errno;

    SessionException(String what, Errno errno, String why) {
        super(what + ", " + errno.name() + " (" + errno.text() + "): " + why);
        this.errno = errno;
    }

    public Errno errno() {
        return errno;
    }
}
