package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;

/**
 * An owned file descriptor: closed once, always CLOEXEC when opened here.
 *
 * <p>Safe for use by several threads as the kernel is; a thread that may block in a call on it is woken before it is
 * closed, by whoever closes it. Segments given to it must be native.
 */
public final class Fd implements AutoCloseable {
    public static final int O_RDONLY = 0;
    public static final int O_WRONLY = 1;
    public static final int O_RDWR = 2;
    public static final int O_ACCMODE = 3;
    public static final int O_CREAT = 0x40;
    public static final int O_EXCL = 0x80;
    public static final int O_NOCTTY = 0x100;
    public static final int O_TRUNC = 0x200;
    public static final int O_APPEND = 0x400;
    public static final int O_NONBLOCK = 0x800;
    public static final int O_DIRECTORY = 0x10000;
    public static final int O_NOFOLLOW = 0x20000;
    public static final int O_CLOEXEC = 0x80000;
    public static final int O_TMPFILE = 0x400000 | O_DIRECTORY;
    /** Only to ask what a name stands for: fstat(2) works on it, reading and writing do not. */
    public static final int O_PATH = 0x200000;

    private static final int F_GETFD = 1;
    private static final int F_SETFD = 2;
    private static final int F_GETFL = 3;
    private static final int F_SETFL = 4;
    private static final int F_DUPFD_CLOEXEC = 1030;
    private static final int F_OFD_SETLK = 37;
    private static final int FD_CLOEXEC = 1;
    static final int STATX_SIZE = 256;
    static final int AT_EMPTY_PATH = 0x1000;
    private static final int AT_STATX_DONT_SYNC = 0x4000;
    private static final int STATX_BASIC_STATS = 0x7ff;

    private static final VarHandle NUMBER;

    static {
        try {
            NUMBER = MethodHandles.lookup().findVarHandle(Fd.class, "number", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final String name;
    private volatile int number;

    private Fd(int number, String name) {
        this.number = number;
        this.name = name;
    }

    /** Takes over a descriptor that nobody else will close; {@code name} says in errors what it is. */
    public static Fd adopt(int number, String name) {
        return new Fd(number, name);
    }

    /** open(2), with O_CLOEXEC and O_NOCTTY added. May block (FIFOs). */
    public static Fd open(String path, int flags, int mode) {
        return new Fd((int) ErrnoException.check("open " + path, tryOpen(path, flags, mode)), path);
    }

    /** open(2) of an existing file. */
    public static Fd open(String path, int flags) {
        return open(path, flags, 0);
    }

    private static long tryOpen(String path, int flags, int mode) {
        try (Arena arena = Arena.ofConfined()) {
            return Syscall.call(Syscall.OPEN, cString(arena, path).address(), flags | O_CLOEXEC | O_NOCTTY, mode);
        }
    }

    /** {@code text} as a C string; refuses a NUL in it with EINVAL, as no path can hold one. */
    static MemorySegment cString(Arena arena, String text) {
        if (text.indexOf('\0') >= 0) {
            throw new ErrnoException("path with a NUL character", Errno.EINVAL);
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        MemorySegment string = arena.allocate(bytes.length + 1L);
        // Not from the array itself, nor by allocateFrom: the JDK would first generate a class that tells kinds of
        // arrays apart.
        MemorySegment.copy(MemorySegment.ofArray(bytes), 0, string, 0, bytes.length);
        return string;
    }

    /** The kernel's number. Throws {@link IllegalStateException} once closed. */
    public int number() {
        int n = number;
        if (n < 0) {
            throw new IllegalStateException(name + " is closed");
        }
        return n;
    }

    /** What it is, for errors. */
    public String name() {
        return name;
    }

    /** The same descriptor under another name for errors; this object is closed from now on, without close(2). */
    public Fd renamed(String to) {
        int n = (int) NUMBER.getAndSet(this, -1);
        if (n < 0) {
            throw new IllegalStateException(name + " is closed");
        }
        return new Fd(n, to);
    }

    /** A second descriptor of the same open file description: fcntl(2) F_DUPFD_CLOEXEC. */
    public Fd dup() {
        return new Fd((int) ErrnoException.check("dup " + name, tryDup(number())), name);
    }

    /**
     * A descriptor of an open file description of its own, whose locks and flags others do not share: open(2) of
     * /proc/self/fd/N. Null if the file cannot be opened anew: its permissions do not allow it, or /proc is not there.
     *
     * @param flags as of open(2): {@link #O_RDWR} say
     */
    public Fd tryReopen(int flags) {
        long result = tryOpen("/proc/self/fd/" + number(), flags, 0);
        return result < 0 ? null : new Fd((int) result, name);
    }

    /** Duplicates a descriptor that is not owned here, say one that was inherited; returns it or throws EBADF. */
    public static Fd dupOf(int foreign, String name) {
        return new Fd((int) ErrnoException.check("dup " + name, tryDup(foreign)), name);
    }

    private static long tryDup(int number) {
        return Syscall.call(Syscall.FCNTL, number, F_DUPFD_CLOEXEC, 0);
    }

    /** Makes a descriptor number that is not owned here, say 0, one of this open file: dup2(2). It survives an exec. */
    public void duplicateTo(int foreign) {
        ErrnoException.check("dup2 " + name, Syscall.call(Syscall.DUP2, number(), foreign));
    }

    /** Whether a descriptor number of this process is open and would survive an exec: fcntl(2) F_GETFD. */
    public static boolean isOpenAcrossExec(int foreign) {
        long flags = Syscall.call(Syscall.FCNTL, foreign, F_GETFD);
        return flags >= 0 && (flags & FD_CLOEXEC) == 0;
    }

    /** Sets or clears FD_CLOEXEC; cleared, the descriptor goes to programs this process starts. */
    public void setCloseOnExec(boolean on) {
        ErrnoException.check(
                "fcntl F_SETFD " + name, Syscall.call(Syscall.FCNTL, number(), F_SETFD, on ? FD_CLOEXEC : 0));
    }

    /** The access mode and status flags: fcntl(2) F_GETFL. */
    public int statusFlags() {
        return (int) ErrnoException.check("fcntl F_GETFL " + name, Syscall.call(Syscall.FCNTL, number(), F_GETFL));
    }

    /** Sets O_NONBLOCK on or off. The flag belongs to the open file description, which others may share. */
    public void setNonBlocking(boolean on) {
        int flags = statusFlags();
        int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        ErrnoException.check("fcntl F_SETFL " + name, Syscall.call(Syscall.FCNTL, number(), F_SETFL, wanted));
    }

    /**
     * Locks the whole file for this open file description (fcntl(2) F_OFD_SETLK), shared or exclusive, without waiting.
     * Returns false if another holds it. The lock goes with the last descriptor of the description.
     */
    public boolean tryLock(boolean exclusive) {
        try (Arena arena = Arena.ofConfined()) {
            // struct flock: l_type@0 (F_RDLCK 0, F_WRLCK 1), l_whence@2, l_start@8, l_len@16, l_pid@24
            MemorySegment flock = arena.allocate(32, 8);
            flock.set(ValueLayout.JAVA_SHORT, 0, (short) (exclusive ? 1 : 0));
            long result = Syscall.call(Syscall.FCNTL, number(), F_OFD_SETLK, flock.address());
            if (Errno.EAGAIN.is(result) || Errno.EACCES.is(result)) {
                return false;
            }
            ErrnoException.check("fcntl F_OFD_SETLK " + name, result);
            return true;
        }
    }

    /** flock(2), exclusive, without waiting, which works on a directory, too; returns 0 or {@code -errno}, -EAGAIN if it is taken. */
    public long tryFlock() {
        return Syscall.call(Syscall.FLOCK, number(), 2 | 4); // LOCK_EX, LOCK_NB
    }

    /** ioctl(2) with an integer or an address as argument; {@code call} names it in the error. */
    public long ioctl(String call, long request, long argument) {
        return ErrnoException.check(call, tryIoctl(request, argument));
    }

    /** ioctl(2) with a struct. */
    public long ioctl(String call, long request, MemorySegment struct) {
        return ioctl(call, request, struct.address());
    }

    /** ioctl(2); returns its result or {@code -errno}. */
    public long tryIoctl(long request, long argument) {
        return Syscall.call(Syscall.IOCTL, number(), request, argument);
    }

    /** read(2); returns the bytes read (0 at the end) or {@code -errno}. May block. */
    public long tryRead(MemorySegment to) {
        return Syscall.call(Syscall.READ, number(), address(to), to.byteSize());
    }

    /** write(2); returns the bytes written or {@code -errno}. May block. */
    public long tryWrite(MemorySegment from) {
        return Syscall.call(Syscall.WRITE, number(), address(from), from.byteSize());
    }

    /** readv(2) into {@code count} iovecs (16 bytes each: base, length); returns bytes or {@code -errno}. May block. */
    public long tryReadv(MemorySegment iovecs, int count) {
        return Syscall.call(Syscall.READV, number(), address(iovecs), count);
    }

    /** writev(2); returns bytes or {@code -errno}. May block. */
    public long tryWritev(MemorySegment iovecs, int count) {
        return Syscall.call(Syscall.WRITEV, number(), address(iovecs), count);
    }

    /** preadv(2) at a byte offset; returns bytes or {@code -errno}. May block. */
    public long tryPreadv(MemorySegment iovecs, int count, long offset) {
        return Syscall.call(Syscall.PREADV, number(), address(iovecs), count, offset);
    }

    /** pwritev(2) at a byte offset; returns bytes or {@code -errno}. May block. */
    public long tryPwritev(MemorySegment iovecs, int count, long offset) {
        return Syscall.call(Syscall.PWRITEV, number(), address(iovecs), count, offset);
    }

    /** pread(2) at a byte offset, once; returns bytes or {@code -errno}. May block. */
    public long tryPread(MemorySegment to, long offset) {
        return Syscall.call(Syscall.PREAD64, number(), address(to), to.byteSize(), offset);
    }

    /** pwrite(2) at a byte offset, once; returns bytes or {@code -errno}. May block. */
    public long tryPwrite(MemorySegment from, long offset) {
        return Syscall.call(Syscall.PWRITE64, number(), address(from), from.byteSize(), offset);
    }

    /** pread(2) until {@code to} is full or the file ends; returns the bytes read. */
    public long readFully(MemorySegment to, long offset) {
        long done = 0;
        while (done < to.byteSize()) {
            long n = Syscall.call(Syscall.PREAD64, number(), address(to) + done, to.byteSize() - done, offset + done);
            if (Errno.EINTR.is(n)) {
                continue;
            }
            if (ErrnoException.check("read " + name, n) == 0) {
                break;
            }
            done += n;
        }
        return done;
    }

    /** The kernel's view of a segment; one on the Java heap has none, and its "address" would be a wild one. */
    private static long address(MemorySegment segment) {
        if (!segment.isNative()) {
            throw new IllegalArgumentException("a segment on the heap is given to a system call");
        }
        return segment.address();
    }

    /** pwrite(2) of the whole segment. */
    public void writeFully(MemorySegment from, long offset) {
        long done = 0;
        while (done < from.byteSize()) {
            long n = Syscall.call(
                    Syscall.PWRITE64, number(), address(from) + done, from.byteSize() - done, offset + done);
            if (!Errno.EINTR.is(n)) {
                done += ErrnoException.check("write " + name, n);
            }
        }
    }

    /** fstat(2). */
    public FileStat stat() {
        try (Arena arena = Arena.ofConfined()) {
            // struct stat: st_dev@0, st_ino@8, st_mode@24, st_rdev@40, st_size@48, st_blksize@56
            MemorySegment stat = arena.allocate(144, 8);
            ErrnoException.check("stat " + name, Syscall.call(Syscall.FSTAT, number(), stat.address()));
            return new FileStat(
                    stat.get(ValueLayout.JAVA_LONG, 0),
                    stat.get(ValueLayout.JAVA_LONG, 8),
                    stat.get(ValueLayout.JAVA_LONG, 16),
                    stat.get(ValueLayout.JAVA_INT, 24),
                    stat.get(ValueLayout.JAVA_LONG, 40),
                    stat.get(ValueLayout.JAVA_LONG, 48),
                    stat.get(ValueLayout.JAVA_LONG, 56));
        }
    }

    /**
     * statx(2) with AT_STATX_DONT_SYNC: what the kernel knows of the file without asking its server, if it lies on FUSE
     * or a network file system. Does not block.
     */
    public FileStat statUnsynced() {
        try (Arena arena = Arena.ofConfined()) {
            // struct statx: stx_blksize@4, stx_nlink@16, stx_mode@28, stx_ino@32, stx_size@40, stx_rdev@128,
            // stx_dev@136
            MemorySegment statx = arena.allocate(STATX_SIZE, 8);
            ErrnoException.check("statx " + name, tryStatx(arena, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, statx));
            return new FileStat(
                    FileStat.device(statx.get(ValueLayout.JAVA_INT, 136), statx.get(ValueLayout.JAVA_INT, 140)),
                    statx.get(ValueLayout.JAVA_LONG, 32),
                    statx.get(ValueLayout.JAVA_INT, 16),
                    Short.toUnsignedInt(statx.get(ValueLayout.JAVA_SHORT, 28)),
                    FileStat.device(statx.get(ValueLayout.JAVA_INT, 128), statx.get(ValueLayout.JAVA_INT, 132)),
                    statx.get(ValueLayout.JAVA_LONG, 40),
                    statx.get(ValueLayout.JAVA_INT, 4));
        }
    }

    /** statx(2) of this file into {@value #STATX_SIZE} bytes. */
    long tryStatx(Arena arena, int flags, int mask, MemorySegment statx) {
        long empty = cString(arena, "").address();
        return Syscall.call(Syscall.STATX, number(), empty, AT_EMPTY_PATH | flags, mask, statx.address(), 0);
    }

    /** fstatfs(2). */
    public FileSystem fileSystem() {
        try (Arena arena = Arena.ofConfined()) {
            // struct statfs: f_type@0, f_bsize@8, f_blocks@16, f_bfree@24, f_bavail@32
            MemorySegment statfs = arena.allocate(120, 8);
            ErrnoException.check("statfs " + name, Syscall.call(Syscall.FSTATFS, number(), statfs.address()));
            return new FileSystem(
                    statfs.get(ValueLayout.JAVA_LONG, 0),
                    statfs.get(ValueLayout.JAVA_LONG, 8),
                    statfs.get(ValueLayout.JAVA_LONG, 16),
                    statfs.get(ValueLayout.JAVA_LONG, 32));
        }
    }

    /** The size in bytes by seeking to the end (lseek(2)), which works on block devices too. Moves no one's offset of use here. */
    public long seekEnd() {
        return ErrnoException.check("lseek " + name, Syscall.call(Syscall.LSEEK, number(), 0, 2));
    }

    /**
     * Where the next data at or behind a byte offset begin: lseek(2) SEEK_DATA; ENXIO, as {@code -errno}, if only a
     * hole follows. A file system that knows no holes answers {@code offset}. Moves the offset of read(2) and write(2).
     */
    public long trySeekData(long offset) {
        return Syscall.call(Syscall.LSEEK, number(), offset, 3);
    }

    /** ftruncate(2). */
    public void truncate(long size) {
        ErrnoException.check("ftruncate " + name, Syscall.call(Syscall.FTRUNCATE, number(), size));
    }

    /** fallocate(2); returns 0 or {@code -errno}. May block. */
    public long tryAllocate(int mode, long offset, long length) {
        return Syscall.call(Syscall.FALLOCATE, number(), mode, offset, length);
    }

    /** Sets an extended attribute (fsetxattr(2)), whole or not at all; returns 0 or {@code -errno}. */
    public long trySetAttribute(String attribute, MemorySegment value) {
        try (Arena arena = Arena.ofConfined()) {
            long key = cString(arena, attribute).address();
            return Syscall.call(Syscall.FSETXATTR, number(), key, value.address(), value.byteSize(), 0, 0);
        }
    }

    /** Reads an extended attribute (fgetxattr(2)); returns its bytes or {@code -errno}, -ENODATA if there is none. */
    public long tryGetAttribute(String attribute, MemorySegment to) {
        try (Arena arena = Arena.ofConfined()) {
            long key = cString(arena, attribute).address();
            return Syscall.call(Syscall.FGETXATTR, number(), key, to.address(), to.byteSize());
        }
    }

    /** fdatasync(2); returns 0 or {@code -errno}. Blocks. */
    public long tryDataSync() {
        return Syscall.call(Syscall.FDATASYNC, number());
    }

    /** fsync(2). Blocks. */
    public void sync() {
        ErrnoException.check("fsync " + name, Syscall.call(Syscall.FSYNC, number()));
    }

    public boolean isClosed() {
        return number < 0;
    }

    /** close(2), once; a second call does nothing. An error of close is not reported: the number is gone in any case. */
    @Override
    public void close() {
        int n = (int) NUMBER.getAndSet(this, -1);
        if (n >= 0) {
            Syscall.call(Syscall.CLOSE, n);
        }
    }

    @Override
    public String toString() {
        return name + " (fd " + number + ")";
    }
}
