package dev.holdover.liveupdate;

import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.FD_OFFSET;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.FINISH_SIZE;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.GET_NAME_SIZE;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_FINISH;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_GET_NAME;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_PRESERVE_FD;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_RETRIEVE_FD;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.NAME_OFFSET;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.PRESERVE_FD_SIZE;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.TOKEN_OFFSET;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.liveupdate.wire.ForeignFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A session of the kernel's: Documentation/userspace-api/liveupdate.rst. */
public final class KernelSession implements Session {
    private final Fd fd;
    private final String name;

    KernelSession(Fd fd, String name) {
        this.fd = fd;
        this.name = name;
    }

    /** Takes one over that a client of that uid passed; closes what is none, without asking a file's server. */
    public static KernelSession of(Fd fd, int uid) {
        try {
            String name = ForeignFd.isSession(fd) ? tryName(fd) : null;
            if (name == null) {
                throw new SessionException(
                        fd.name() + " is no live-update session of the kernel's",
                        Errno.ENOTTY,
                        "it does not know LIVEUPDATE_SESSION_GET_NAME");
            }
            return new KernelSession(fd, name);
        } catch (RuntimeException e) {
            ForeignFd.close(fd, uid);
            throw e;
        }
    }

    /** LIVEUPDATE_SESSION_GET_NAME; null if the descriptor is no session of the kernel's. */
    static String tryName(Fd fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(GET_NAME_SIZE, 8);
            struct.set(ValueLayout.JAVA_INT, 0, GET_NAME_SIZE);
            long result = fd.tryIoctl(LIVEUPDATE_SESSION_GET_NAME, struct.address());
            if (Session.isNoSession(result)) {
                return null;
            }
            if (result < 0) {
                throw new SessionException(
                        fd.name() + " is no live-update session",
                        Errno.of(-result),
                        "LIVEUPDATE_SESSION_GET_NAME fails on it");
            }
            return SessionName.read(struct.asSlice(NAME_OFFSET));
        }
    }

    @Override
    public String name() {
        return name;
    }

    /** LIVEUPDATE_SESSION_PRESERVE_FD. */
    @Override
    public void preserve(Fd file, long token) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(PRESERVE_FD_SIZE, 8);
            struct.set(ValueLayout.JAVA_INT, 0, PRESERVE_FD_SIZE);
            struct.set(ValueLayout.JAVA_INT, FD_OFFSET, file.number());
            struct.set(ValueLayout.JAVA_LONG, TOKEN_OFFSET, token);
            long result = fd.tryIoctl(LIVEUPDATE_SESSION_PRESERVE_FD, struct.address());
            if (result < 0) {
                throw SessionErrors.preserve(name, file.name(), token, Errno.of(-result));
            }
        }
    }

    /** LIVEUPDATE_SESSION_RETRIEVE_FD. */
    @Override
    public Fd retrieve(long token) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(PRESERVE_FD_SIZE, 8);
            struct.set(ValueLayout.JAVA_INT, 0, PRESERVE_FD_SIZE);
            struct.set(ValueLayout.JAVA_LONG, TOKEN_OFFSET, token);
            long result = fd.tryIoctl(LIVEUPDATE_SESSION_RETRIEVE_FD, struct.address());
            if (result < 0) {
                throw SessionErrors.retrieve(name, token, Errno.of(-result));
            }
            return Fd.adopt(struct.get(ValueLayout.JAVA_INT, FD_OFFSET), Tokens.fileName(name, token));
        }
    }

    /** LIVEUPDATE_SESSION_FINISH. */
    @Override
    public void finish() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(FINISH_SIZE, 8);
            struct.set(ValueLayout.JAVA_INT, 0, FINISH_SIZE);
            long result = fd.tryIoctl(LIVEUPDATE_SESSION_FINISH, struct.address());
            if (result < 0) {
                throw SessionErrors.finish(name, Errno.of(-result));
            }
        }
    }

    @Override
    public Fd fd() {
        return fd;
    }

    @Override
    public void close() {
        fd.close();
    }
}
