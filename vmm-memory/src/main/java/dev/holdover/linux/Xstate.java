package dev.holdover.linux;

/** Vector state that the kernel gives to programs, and to their guests, only if they ask: arch_prctl(2). */
public final class Xstate {
    /** The tiles of AMX, as a bit's number in XCR0. */
    public static final int TILE_DATA = 18;

    private static final int ARCH_REQ_XCOMP_GUEST_PERM = 0x1025;

    private Xstate() {}

    /**
     * Asks that this process's guests may use a component of the vector state: before the first vCPU is made, for all
     * that come. Returns 0 or {@code -errno}: EOPNOTSUPP if the CPU has it not, EINVAL before Linux 5.17.
     */
    public static long tryRequestForGuests(int component) {
        return Syscall.call(Syscall.ARCH_PRCTL, ARCH_REQ_XCOMP_GUEST_PERM, component);
    }
}
