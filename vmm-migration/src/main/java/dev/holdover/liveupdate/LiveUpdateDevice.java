package dev.holdover.liveupdate;

import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.CREATE_SESSION_SIZE;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.FD_OFFSET;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_IOCTL_CREATE_SESSION;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_IOCTL_RETRIEVE_SESSION;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.NAME_OFFSET;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.LockSupport;

/**
 * /dev/liveupdate, the kernel's Live Update Orchestrator. One process at a time can have it open, so it is opened for a
 * moment only: sessions go on when it is closed.
 */
public final class LiveUpdateDevice implements AutoCloseable {
    public static final String PATH = "/dev/liveupdate";

    private static final int PATIENCE_MILLIS = 10_000;
    private static final long RETRY_NANOS = 10_000_000;

    private final Fd fd;

    private LiveUpdateDevice(Fd fd) {
        this.fd = fd;
    }

    /** Whether this kernel has one. */
    public static boolean exists() {
        return Files.exists(Path.of(PATH));
    }

    /** Why this process cannot open it, as a sentence; null if it may. Does not try: another process would be kept out. */
    static String lack() {
        if (!exists()) {
            return SessionErrors.open(PATH, Errno.ENOENT).getMessage();
        }
        Path path = Path.of(PATH);
        return Files.isReadable(path) && Files.isWritable(path)
                ? null
                : SessionErrors.open(PATH, Errno.EACCES).getMessage();
    }

    /**
     * Opens the device. The first open after a kexec reads what the last kernel left. Blocks for up to 10 s
     * ({@link Patience}: longer on a slow host) while another process has it open: VMMs that are started together all open it, each for a moment.
     *
     * @throws SessionException ENOENT without live update, EBUSY if a process keeps it open, EACCES, EIO
     */
    public static LiveUpdateDevice open() {
        long deadline = System.nanoTime() + Patience.host().nanos(PATIENCE_MILLIS);
        while (true) {
            try {
                return new LiveUpdateDevice(Fd.open(PATH, Fd.O_RDWR));
            } catch (ErrnoException e) {
                boolean patient =
                        System.nanoTime() < deadline && !Thread.currentThread().isInterrupted();
                if (e.errno() != Errno.EBUSY || !patient) {
                    throw SessionErrors.open(PATH, e.errno());
                }
                LockSupport.parkNanos(RETRY_NANOS);
            }
        }
    }

    /** LIVEUPDATE_IOCTL_CREATE_SESSION: a new outgoing session. EEXIST: one of that name is open. */
    public Session create(String name) {
        long result = session(LIVEUPDATE_IOCTL_CREATE_SESSION, name);
        if (result < 0) {
            throw SessionErrors.create(name, Errno.of(-result));
        }
        return opened(name, result);
    }

    /** LIVEUPDATE_IOCTL_RETRIEVE_SESSION: an incoming one. ENOENT: there is none. EINVAL: a process has it already. */
    public Session retrieve(String name) {
        long result = session(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, name);
        if (result < 0) {
            throw SessionErrors.retrieveSession(name, Errno.of(-result));
        }
        return opened(name, result);
    }

    private static Session opened(String name, long number) {
        return new KernelSession(Fd.adopt((int) number, "live-update session " + name), name);
    }

    private long session(int request, String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(CREATE_SESSION_SIZE, 8);
            struct.set(ValueLayout.JAVA_INT, 0, CREATE_SESSION_SIZE);
            if (!SessionName.write(name, struct.asSlice(NAME_OFFSET))) {
                return -Errno.EINVAL.number();
            }
            long result = fd.tryIoctl(request, struct.address());
            return result < 0 ? result : struct.get(ValueLayout.JAVA_INT, FD_OFFSET);
        }
    }

    @Override
    public void close() {
        fd.close();
    }
}
