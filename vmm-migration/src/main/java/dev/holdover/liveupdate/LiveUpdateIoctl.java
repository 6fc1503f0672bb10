package dev.holdover.liveupdate;

/**
 * Numbers and layouts of include/uapi/linux/liveupdate.h, Linux 7.3.
 *
 * <p>The requests carry neither direction nor size (all are {@code _IO}); each struct begins with its own size, and the
 * kernel takes a bigger one if its tail is zero.
 */
final class LiveUpdateIoctl {
    // On /dev/liveupdate.
    static final int LIVEUPDATE_IOCTL_CREATE_SESSION = 0xBA00;
    static final int LIVEUPDATE_IOCTL_RETRIEVE_SESSION = 0xBA01;
    // On a session.
    static final int LIVEUPDATE_SESSION_PRESERVE_FD = 0xBA40;
    static final int LIVEUPDATE_SESSION_RETRIEVE_FD = 0xBA41;
    static final int LIVEUPDATE_SESSION_FINISH = 0xBA42;
    static final int LIVEUPDATE_SESSION_GET_NAME = 0xBA43;

    /** struct liveupdate_ioctl_create_session, _retrieve_session: size@0, fd@4 (out), name@8. */
    static final int CREATE_SESSION_SIZE = 72;
    /** struct liveupdate_session_preserve_fd: size@0, fd@4 (in), token@8; _retrieve_fd: the same, fd@4 (out). */
    static final int PRESERVE_FD_SIZE = 16;
    /** struct liveupdate_session_finish: size@0, reserved@4. */
    static final int FINISH_SIZE = 8;
    /** struct liveupdate_session_get_name: size@0, reserved@4, name@8 (out). */
    static final int GET_NAME_SIZE = 72;

    static final int FD_OFFSET = 4;
    static final int TOKEN_OFFSET = 8;
    static final int NAME_OFFSET = 8;
    /** Bytes of a name, its NUL among them. */
    static final int LIVEUPDATE_SESSION_NAME_LENGTH = 64;

    private LiveUpdateIoctl() {}
}
