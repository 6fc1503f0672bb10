package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The signal that kicks a thread out of a blocking call, and threads by their kernel id.
 *
 * <p>Problem: a vCPU in KVM_RUN comes back only for a signal with a handler; a handler in Java (an FFM upcall) kills
 * the JVM, for it runs in a thread that is in native state. Solution: a handler that does nothing, the C library's
 * {@code abs}, installed by rt_sigaction(2) itself. The kernel then needs the address of a routine that calls
 * rt_sigreturn(2); the C library has one but does not export it, so it is read from the action of SIGSEGV, which the
 * JVM installed through the C library.
 */
public final class Signals {
    /** SIGRTMIN+2 as the C library counts: used by neither HotSpot nor the C library. */
    public static final int KICK = 36;

    private static final int SIGSEGV = 11;
    private static final int SIG_UNBLOCK = 1;
    // struct sigaction of the kernel: handler@0, flags@8, restorer@16, mask@24; the set has 8 bytes.
    private static final int ACTION_SIZE = 32;
    private static final int SET_SIZE = 8;
    private static final long SA_RESTORER = 0x04000000;

    private static boolean installed;

    private Signals() {}

    /** Installs the handler of {@link #KICK} for the process; a second call does nothing. */
    public static synchronized void installKick() {
        if (installed) {
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment jvm = arena.allocate(ACTION_SIZE, 8);
            ErrnoException.check(
                    "rt_sigaction SIGSEGV", Syscall.call(Syscall.RT_SIGACTION, SIGSEGV, 0, jvm.address(), SET_SIZE));
            if ((jvm.get(ValueLayout.JAVA_LONG, 8) & SA_RESTORER) == 0) {
                throw new VmmException("cannot install a signal handler: the JVM's own SIGSEGV action has no restorer");
            }
            MemorySegment kick = arena.allocate(ACTION_SIZE, 8);
            kick.set(ValueLayout.JAVA_LONG, 0, Syscall.address("abs"));
            kick.set(ValueLayout.JAVA_LONG, 8, SA_RESTORER);
            kick.set(ValueLayout.JAVA_LONG, 16, jvm.get(ValueLayout.JAVA_LONG, 16));
            ErrnoException.check("rt_sigaction", Syscall.call(Syscall.RT_SIGACTION, KICK, kick.address(), 0, SET_SIZE));
        }
        installed = true;
    }

    /** Unblocks {@link #KICK} in the calling thread, should the launcher have blocked it. */
    public static void unblockKick() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment set = arena.allocateFrom(ValueLayout.JAVA_LONG, 1L << (KICK - 1));
            ErrnoException.check(
                    "rt_sigprocmask", Syscall.call(Syscall.RT_SIGPROCMASK, SIG_UNBLOCK, set.address(), 0, SET_SIZE));
        }
    }

    /** The calling thread's kernel id: gettid(2). */
    public static int threadId() {
        return (int) Syscall.call(Syscall.GETTID);
    }

    /** Sends {@link #KICK} to a thread of this process: tgkill(2). A thread that has ended is no error. */
    public static void kick(int threadId) {
        Syscall.call(Syscall.TGKILL, Syscall.call(Syscall.GETPID), threadId, KICK);
    }
}
