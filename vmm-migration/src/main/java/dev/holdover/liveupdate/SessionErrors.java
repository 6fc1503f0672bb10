package dev.holdover.liveupdate;

import dev.holdover.linux.Errno;

/**
 * What each errno means on each call. The same number says different things: ENOENT alone stands for an unknown session,
 * an unknown token, a finished session, a file of a kind that cannot be kept, and a kernel without live update.
 */
public final class SessionErrors {
    private SessionErrors() {}

    static SessionException open(String path, Errno errno) {
        String why = switch (errno) {
            case ENOENT, ENODEV, ENXIO ->
                "this kernel has no live update; it needs CONFIG_LIVEUPDATE and 'kho=on liveupdate=on' on its"
                        + " command line";
            case EBUSY -> "one process at a time can have it open, and another one keeps it; end that";
            case EACCES, EPERM -> "only root may open it";
            case EIO -> "what the last kernel left cannot be read by this one; its sessions are lost";
            default -> "the live-update device cannot be used";
        };
        return new SessionException("cannot open " + path, errno, why);
    }

    public static SessionException create(String name, Errno errno) {
        String why = switch (errno) {
            case EEXIST -> "an outgoing session of that name is still open in some process; close it there";
            case EINVAL -> "a name has 1 to 63 bytes";
            case EMFILE, ENFILE -> "too many files are open; raise the limit (RLIMIT_NOFILE)";
            case ENOMEM -> "the host is out of memory";
            default -> "the kernel makes no session";
        };
        return new SessionException("cannot create live-update session " + name, errno, why);
    }

    public static SessionException retrieveSession(String name, Errno errno) {
        String why = switch (errno) {
            case ENOENT ->
                "there is none: nothing was kept under that name through the last kexec, or it was closed since";
            case EINVAL, EBUSY -> "a process has it already";
            case EMFILE, ENFILE -> "too many files are open; raise the limit (RLIMIT_NOFILE)";
            default -> "what the last kernel left for it cannot be read";
        };
        return new SessionException("cannot retrieve live-update session " + name, errno, why);
    }

    static SessionException preserve(String session, String what, long token, Errno errno) {
        String why = switch (errno) {
            case ENOENT ->
                "no file of this kind can be kept; a memfd or an unlinked file on tmpfs can, one with a name or"
                        + " of huge pages cannot";
            case EEXIST -> "the session has a file under that token already";
            case EBUSY -> "the file is in a session already, or has come out of one that is not finished";
            case EINVAL -> "the session is an incoming one; a new one has to be made for the next kexec";
            case EBADF -> "it is not open";
            case EOPNOTSUPP -> "it has a seal that cannot be kept";
            case EFBIG, ENOMEM ->
                "it is too big for one file, or the host is out of memory; a memfd can have" + " just under 1 TiB";
            case ENOSPC -> "the session is full";
            default -> lost(errno, "it cannot be kept");
        };
        return new SessionException(
                "cannot preserve " + what + " in live-update session " + session + " under token "
                        + Tokens.toString(token),
                errno,
                why);
    }

    static SessionException retrieve(String session, long token, Errno errno) {
        String why = switch (errno) {
            case ENOENT -> "the session has no such file, or is finished";
            case EINVAL -> "the session is an outgoing one; its files come back in the next kernel only";
            case EMFILE, ENFILE -> "too many files are open; raise the limit (RLIMIT_NOFILE)";
            default -> lost(errno, "the file could not be made again from what was kept");
        };
        return new SessionException(
                "cannot retrieve token " + Tokens.toString(token) + " of live-update session " + session, errno, why);
    }

    static SessionException finish(String session, Errno errno) {
        String why = switch (errno) {
            case EINVAL -> "the session is an outgoing one; close it to give it up";
            case EBUSY -> "a device in it has not been taken up again";
            default -> lost(errno, "it stays as it is");
        };
        return new SessionException("cannot finish live-update session " + session, errno, why);
    }

    private static String lost(Errno errno, String otherwise) {
        return switch (errno) {
            case EPIPE, ECONNRESET, ENOTCONN -> "luod, which held the session, has ended";
            case EAGAIN, ETIMEDOUT -> "luod, which holds the session, does not answer";
            default -> otherwise;
        };
    }
}
