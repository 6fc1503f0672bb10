package dev.holdover.liveupdate;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;

/**
 * A set of files that outlive the process that put them in, and, if the kernel holds it, the kernel.
 *
 * <p>Outgoing, it takes files ({@link #preserve}); closing it with all its duplicates gives them up, and nothing has
 * happened. Incoming, it gives them back ({@link #retrieve}), until it is finished. <b>Closing the last descriptor of an
 * incoming session that is not finished frees every file not yet retrieved, without an error.</b>
 *
 * <p>Any thread; calls block. Everything throws {@link SessionException}, whose errno is the same whoever holds it.
 */
public sealed interface Session extends AutoCloseable permits KernelSession, HeldSession {
    /**
     * Takes over a session that was passed here: the kernel's own, or a socket to luod, which answers session ioctls with
     * ENOTTY. On a failure the descriptor is closed.
     */
    static Session of(Fd fd) {
        try {
            String name = KernelSession.tryName(fd);
            return name == null ? HeldSession.open(fd) : new KernelSession(fd, name);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** The name it was created with, 1 to 63 bytes. */
    String name();

    /**
     * Puts a file in, which stays usable. As long as it is in, it can neither shrink, grow nor lose pages (EPERM from
     * ftruncate(2), fallocate(2)); what is stored to it later is kept, too. The kernel allocates every hole and pins every
     * page: milliseconds with huge pages that exist, seconds otherwise.
     *
     * <p>ENOENT: a file that cannot be kept. EEXIST: the token is taken. EBUSY: the file is in a session already. EINVAL:
     * an incoming session.
     */
    void preserve(Fd fd, long token);

    /** Gives a file back, as a descriptor of its own each time. ENOENT: no such token. EINVAL: an outgoing session. */
    Fd retrieve(long token);

    /** Whether it waits for the next kernel, where alone its files come back. Asking changes nothing. */
    default boolean isOutgoing() {
        try {
            retrieve(Tokens.NONE).close();
            return false;
        } catch (SessionException e) {
            return e.errno() == Errno.EINVAL;
        }
    }

    /** Ends an incoming session: what is not retrieved is freed. A second time does nothing. EINVAL: an outgoing one. */
    void finish();

    /** To pass on; stays this object's. */
    Fd fd();

    @Override
    void close();

    /** Whether the kernel's session ioctls do not exist there. */
    static boolean isNoSession(long result) {
        return Errno.ENOTTY.is(result) || Errno.EOPNOTSUPP.is(result);
    }
}
