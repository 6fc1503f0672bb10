package dev.holdover.linux;

import java.lang.foreign.Arena;

/** memfd_create(2) and its seals (fcntl(2)). */
public final class Memfd {
    public static final int F_SEAL_SEAL = 0x1;
    public static final int F_SEAL_SHRINK = 0x2;
    public static final int F_SEAL_GROW = 0x4;
    public static final int F_SEAL_WRITE = 0x8;
    public static final int F_SEAL_EXEC = 0x20;

    private static final int MFD_CLOEXEC = 0x1;
    private static final int MFD_ALLOW_SEALING = 0x2;
    private static final int MFD_EXEC = 0x10;
    private static final int F_ADD_SEALS = 1033;
    private static final int F_GET_SEALS = 1034;

    private Memfd() {}

    /**
     * A memfd of that size, sealable, CLOEXEC.
     *
     * <p>With MFD_EXEC: without it, vm.memfd_noexec=1 makes the kernel seal it F_SEAL_EXEC, and a live update gives
     * such a memfd back sealed against writing. Kernels before 6.3 do not know the flag; it is left out there. With
     * vm.memfd_noexec=2, which forbids it (EACCES), a file without a name on /dev/shm takes its place: as good for a live
     * update, but it cannot be sealed.
     */
    public static Fd create(String name, long size) {
        Fd fd = create(name);
        try {
            fd.truncate(size);
            return fd;
        } catch (ErrnoException e) {
            fd.close();
            throw e;
        }
    }

    private static Fd create(String name) {
        try (Arena arena = Arena.ofConfined()) {
            long text = Fd.cString(arena, name).address();
            long result = Syscall.call(Syscall.MEMFD_CREATE, text, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
            if (Errno.EINVAL.is(result)) {
                result = Syscall.call(Syscall.MEMFD_CREATE, text, MFD_CLOEXEC | MFD_ALLOW_SEALING);
            } else if (Errno.EACCES.is(result)) {
                return Fd.open("/dev/shm", Fd.O_RDWR | Fd.O_TMPFILE, 0600);
            }
            return Fd.adopt((int) ErrnoException.check("memfd_create " + name, result), "memfd " + name);
        }
    }

    /**
     * Adds seals, unless {@link #create} had to make a file that takes none. EPERM if F_SEAL_SEAL is set, EBUSY for
     * F_SEAL_WRITE while a writable shared mapping lives.
     */
    public static void seal(Fd memfd, int seals) {
        long result = Syscall.call(Syscall.FCNTL, memfd.number(), F_ADD_SEALS, seals);
        boolean takesNone = trySeals(memfd) == F_SEAL_SEAL && !memfd.name().startsWith("memfd");
        if (!takesNone) {
            ErrnoException.check("fcntl F_ADD_SEALS " + memfd.name(), result);
        }
    }

    /** Whether nobody can cut the file under a mapping but who has a descriptor of it: sealed, or without a name. */
    public static boolean isSafeFromOthers(Fd fd) {
        long seals = trySeals(fd);
        return seals >= 0 && ((seals & F_SEAL_SHRINK) != 0 || fd.stat().links() == 0);
    }

    /** The seals of a memfd or tmpfs file, or {@code -EINVAL} if it can have none. */
    public static long trySeals(Fd fd) {
        return Syscall.call(Syscall.FCNTL, fd.number(), F_GET_SEALS);
    }
}
