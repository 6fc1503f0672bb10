package dev.holdover.liveupdate.wire;

/**
 * Numbers and layouts of include/uapi/linux/liveupdate.h, Linux 7.3.
 *
 * <p>The requests carry neither direction nor size (all are {@code _IO}); each struct begins with its own size, and the
 * kernel takes a bigger one if its tail is zero.
 */
public final class LiveUpdateIoctl {
    // On /dev/liveupdate.
    public static final int LIVEUPDATE_IOCTL_CREATE_SESSION = 0xBA00;
    public static final int LIVEUPDATE_IOCTL_RETRIEVE_SESSION = 0xBA01;
    // On a session.
    public static final int LIVEUPDATE_SESSION_PRESERVE_FD = 0xBA40;
    public static final int LIVEUPDATE_SESSION_RETRIEVE_FD = 0xBA41;
    public static final int LIVEUPDATE_SESSION_FINISH = 0xBA42;
    public static final int LIVEUPDATE_SESSION_GET_NAME = 0xBA43;

    /** struct liveupdate_ioctl_create_session, _retrieve_session: size@0, fd@4 (out), name@8. */
    public static final int CREATE_SESSION_SIZE = 72;
    /** struct liveupdate_session_preserve_fd: size@0, fd@4 (in), token@8; _retrieve_fd: the same, fd@4 (out). */
    public static final int PRESERVE_FD_SIZE = 16;
    /** struct liveupdate_session_finish: size@0, reserved@4. */
    public static final int FINISH_SIZE = 8;
    /** struct liveupdate_session_get_name: size@0, reserved@4, name@8 (out). */
    public static final int GET_NAME_SIZE = 72;

    public static final int FD_OFFSET = 4;
    public static final int TOKEN_OFFSET = 8;
    public static final int NAME_OFFSET = 8;
    /** Bytes of a name, its NUL among them. */
    public static final int LIVEUPDATE_SESSION_NAME_LENGTH = 64;

    private LiveUpdateIoctl() {}
}
