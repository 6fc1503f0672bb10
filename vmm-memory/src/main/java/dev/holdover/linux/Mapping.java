package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A mapping of a file or of anonymous memory, as a segment that is accessible until the mapping is closed.
 *
 * <p>Any thread may use the segment, unless it was made for one. Closing unmaps and makes further access throw {@link IllegalStateException};
 * whoever gave its address to the kernel (a memslot, an ioctl under way) takes it back first.
 */
public final class Mapping implements AutoCloseable {
    /** Give huge pages; must be said before the first touch, and again for every new mapping. */
    public static final int MADV_HUGEPAGE = 14;

    public static final int MADV_NOHUGEPAGE = 15;
    /** Leave it out of core dumps. */
    public static final int MADV_DONTDUMP = 16;
    /** Populate writable page tables, faulting pages in; Linux 5.14. */
    public static final int MADV_POPULATE_WRITE = 23;

    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int MAP_SHARED = 0x01;
    private static final int MAP_PRIVATE = 0x02;
    private static final int MAP_FIXED = 0x10;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final int MAP_NORESERVE = 0x4000;

    private final Arena arena;
    private final MemorySegment segment;
    private final String name;

    @SuppressWarnings("restricted")
    private Mapping(Arena arena, long address, long size, String name) {
        this.arena = arena;
        this.name = name;
        this.segment = MemorySegment.ofAddress(address).reinterpret(size, arena, null);
    }

    /** Maps bytes of a file, shared and writable. {@code offset} is a multiple of the page size. */
    public static Mapping shared(Fd fd, long offset, long size) {
        return file(fd, offset, size, 1, MAP_SHARED, true);
    }

    /**
     * Maps bytes of a file. ENOMEM if it lies on hugetlbfs and too few huge pages are free.
     *
     * @param alignment a power of two that the address is to be a multiple of; 1 for the kernel's choice
     * @param shared whether stores reach the file; else copy-on-write
     * @param writable whether it may be stored to
     */
    public static Mapping file(Fd fd, long offset, long size, long alignment, boolean shared, boolean writable) {
        // No MAP_NORESERVE: it would take the reservation of huge pages away, and their lack would be a SIGBUS later.
        return file(fd, offset, size, alignment, shared ? MAP_SHARED : MAP_PRIVATE, writable);
    }

    private static Mapping file(Fd fd, long offset, long size, long alignment, int flags, boolean writable) {
        int prot = PROT_READ | (writable ? PROT_WRITE : 0);
        long address = map(size, alignment, prot, flags, fd.number(), offset, "mmap " + fd.name());
        return new Mapping(Arena.ofShared(), address, size, fd.name());
    }

    /** Maps private anonymous memory, zeroed, aligned as asked. */
    public static Mapping anonymous(long size, long alignment) {
        return anonymous(Arena.ofShared(), size, alignment);
    }

    /**
     * As {@link #anonymous}, for the calling thread alone, which also closes it: that does not wait until no thread of
     * the JVM is in the middle of an access.
     */
    public static Mapping ofThread(long size) {
        return anonymous(Arena.ofConfined(), size, 1);
    }

    private static Mapping anonymous(Arena arena, long size, long alignment) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        long address = map(size, alignment, PROT_READ | PROT_WRITE, flags, -1, 0, "mmap");
        return new Mapping(arena, address, size, "anonymous memory");
    }

    private static long map(long size, long alignment, int prot, int flags, int fd, long offset, String call) {
        if (alignment <= 4096) {
            return ErrnoException.check(call, Syscall.call(Syscall.MMAP, 0, size, prot, flags, fd, offset));
        }
        // Reserve more than is needed, place the mapping on a boundary within, give the ends back.
        long reserved = size + alignment;
        long base = ErrnoException.check(
                call, Syscall.call(Syscall.MMAP, 0, reserved, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        long start = (base + alignment - 1) & -alignment;
        long result = Syscall.call(Syscall.MMAP, start, size, prot, flags | MAP_FIXED, fd, offset);
        if (result < 0) {
            unmap(base, reserved);
            ErrnoException.check(call, result);
        }
        long end = (start + size + 4095) & -4096;
        if (start > base) {
            unmap(base, start - base);
        }
        if (base + reserved > end) {
            unmap(end, base + reserved - end);
        }
        return start;
    }

    private static void unmap(long address, long size) {
        Syscall.call(Syscall.MUNMAP, address, size);
    }

    public MemorySegment segment() {
        return segment;
    }

    /** madvise(2) on the whole mapping; returns 0 or {@code -errno}. May block. */
    public long tryAdvise(int advice) {
        return tryAdvise(advice, 0, segment.byteSize());
    }

    /** madvise(2) on a part, given in bytes from the start; returns 0 or {@code -errno}. May block. */
    public long tryAdvise(int advice, long offset, long length) {
        return Syscall.call(Syscall.MADVISE, segment.address() + offset, length, advice);
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close(); // once it returns, no access is under way
            unmap(segment.address(), segment.byteSize());
        }
    }

    @Override
    public String toString() {
        return "mapping of " + name;
    }
}
