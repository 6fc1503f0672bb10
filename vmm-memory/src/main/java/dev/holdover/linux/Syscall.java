package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * The one downcall of the program: {@code long syscall(long number, ...)}, syscall(2).
 *
 * <p>Never {@code Linker.Option.critical}: a garbage collection would wait for a call that blocks. errno is captured
 * into a segment of the calling thread; the JVM may overwrite the C library's own before Java could read it.
 */
final class Syscall {
    // Numbers of x86-64: arch/x86/entry/syscalls/syscall_64.tbl.
    static final int READ = 0;
    static final int WRITE = 1;
    static final int OPEN = 2;
    static final int CLOSE = 3;
    static final int FSTAT = 5;
    static final int POLL = 7;
    static final int LSEEK = 8;
    static final int MMAP = 9;
    static final int MUNMAP = 11;
    static final int RT_SIGACTION = 13;
    static final int RT_SIGPROCMASK = 14;
    static final int IOCTL = 16;
    static final int PREAD64 = 17;
    static final int PWRITE64 = 18;
    static final int READV = 19;
    static final int WRITEV = 20;
    static final int MADVISE = 28;
    static final int DUP2 = 33;
    static final int GETPID = 39;
    static final int SOCKET = 41;
    static final int CONNECT = 42;
    static final int SENDMSG = 46;
    static final int RECVMSG = 47;
    static final int SHUTDOWN = 48;
    static final int BIND = 49;
    static final int LISTEN = 50;
    static final int SOCKETPAIR = 53;
    static final int SETSOCKOPT = 54;
    static final int GETSOCKOPT = 55;
    static final int FCNTL = 72;
    static final int FLOCK = 73;
    static final int FSYNC = 74;
    static final int FDATASYNC = 75;
    static final int FTRUNCATE = 77;
    static final int RENAME = 82;
    static final int UNLINK = 87;
    static final int FCHMOD = 91;
    static final int SYSINFO = 99;
    static final int GETEUID = 107;
    static final int GETEGID = 108;
    static final int FSTATFS = 138;
    static final int SYNC = 162;
    static final int REBOOT = 169;
    static final int ARCH_PRCTL = 158;
    static final int GETTID = 186;
    static final int FSETXATTR = 190;
    static final int FGETXATTR = 193;
    static final int TGKILL = 234;
    static final int EPOLL_CTL = 233;
    static final int EPOLL_PWAIT = 281;
    static final int FALLOCATE = 285;
    static final int ACCEPT4 = 288;
    static final int EVENTFD2 = 290;
    static final int EPOLL_CREATE1 = 291;
    static final int PREADV = 295;
    static final int PWRITEV = 296;
    static final int NAME_TO_HANDLE_AT = 303;
    static final int MEMFD_CREATE = 319;
    static final int KEXEC_FILE_LOAD = 320;
    static final int STATX = 332;
    static final int PIDFD_OPEN = 434;

    private static final long FUNCTION = address("syscall");

    /** The shorter way, or null. */
    private static final MethodHandle ENTRY_POINT = EntryPoint.find();

    private static final MethodHandle LINKED = ENTRY_POINT != null ? null : link();

    // A class, not a lambda: this is on the way to the first system call, and a lambda's class is spun at run time.
    private static final ThreadLocal<MemorySegment> ERRNO = new ThreadLocal<>() {
        @Override
        protected MemorySegment initialValue() {
            return Arena.ofAuto().allocate(ValueLayout.JAVA_INT);
        }
    };

    private Syscall() {}

    @SuppressWarnings("restricted")
    private static MethodHandle link() {
        MemoryLayout c = ValueLayout.JAVA_LONG;
        return Linker.nativeLinker()
                .downcallHandle(
                        MemorySegment.ofAddress(FUNCTION),
                        FunctionDescriptor.of(ValueLayout.JAVA_LONG, c, c, c, c, c, c, c),
                        Linker.Option.firstVariadicArg(1),
                        Linker.Option.captureCallState("errno"));
    }

    /** The address of a function of the C library. */
    static long address(String name) {
        long address = EntryPoint.address(name);
        return address != 0 ? address : lookUp(name);
    }

    private static long lookUp(String name) {
        Optional<MemorySegment> found = Linker.nativeLinker().defaultLookup().find(name);
        if (found.isEmpty()) {
            throw new VmmException("this C library has no " + name + "()");
        }
        return found.get().address();
    }

    /** Makes the call; returns its result, or {@code -errno}. */
    static long call(int number, long a, long b, long c, long d, long e, long f) {
        MemorySegment errno = ERRNO.get();
        long result;
        try {
            // The segment of errno stays: its thread has it.
            result = ENTRY_POINT != null
                    ? (long) ENTRY_POINT.invokeExact(FUNCTION, errno.address(), (long) number, a, b, c, d, e, f, 0L)
                    : (long) LINKED.invokeExact(errno, (long) number, a, b, c, d, e, f);
        } catch (Throwable t) {
            throw new AssertionError(t);
        }
        // No call made here returns a legitimate -1.
        return result == -1 ? -errno.get(ValueLayout.JAVA_INT, 0) : result;
    }

    static long call(int number) {
        return call(number, 0, 0, 0, 0, 0, 0);
    }

    static long call(int number, long a) {
        return call(number, a, 0, 0, 0, 0, 0);
    }

    static long call(int number, long a, long b) {
        return call(number, a, b, 0, 0, 0, 0);
    }

    static long call(int number, long a, long b, long c) {
        return call(number, a, b, c, 0, 0, 0);
    }

    static long call(int number, long a, long b, long c, long d) {
        return call(number, a, b, c, d, 0, 0);
    }
}
