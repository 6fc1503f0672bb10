package dev.holdover.memory;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.List;

/**
 * The guest's RAM by guest-physical address (GPA). Every access is checked; what is not wholly within one region
 * throws {@link GuestAddressException}. Any thread; the guest changes RAM at any time, so a value read twice may differ.
 *
 * <p>Values are little-endian, and need no alignment unless a method says so. If the file behind the RAM was cut, an
 * access throws {@link InternalError} (the JVM's word for SIGBUS).
 */
public final class GuestMemory {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle ALIGNED_SHORT = ValueLayout.JAVA_SHORT.varHandle();

    /**
     * A stretch of RAM.
     *
     * @param gpa where the guest sees it; a multiple of the page size
     * @param segment the bytes; the whole region, valid while the RAM backend is open
     * @param fd the file behind it, null for anonymous memory; owned by the RAM backend
     * @param fdOffset where in the file it starts, bytes
     * @param shared whether stores reach the file
     */
    public record Region(long gpa, MemorySegment segment, Fd fd, long fdOffset, boolean shared) {
        public long size() {
            return segment.byteSize();
        }

        /** The GPA behind its last byte. */
        public long end() {
            return gpa + segment.byteSize();
        }

        /**
         * Whether it holds nothing but zeros, in its file if it has one. A file is read by pread(2), so that none of its
         * holes is filled; a DAX device through the mapping. Blocks as reads do.
         */
        public boolean isZero() {
            if (fd == null || fd.stat().isCharacterDevice()) {
                return isZero(segment);
            }
            long end = fdOffset + size();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment chunk = arena.allocate(Math.min(CHUNK, size()), Long.BYTES);
                long at = fdOffset;
                while (at < end) {
                    long data = fd.trySeekData(at);
                    if (Errno.ENXIO.is(data) || data >= end) {
                        return true;
                    }
                    at = Math.max(at, data);
                    MemorySegment some = chunk.asSlice(0, Math.min(chunk.byteSize(), end - at));
                    some.fill((byte) 0);
                    fd.readFully(some, at);
                    if (!isZero(some)) {
                        return false;
                    }
                    at += some.byteSize();
                }
                return true;
            }
        }

        private static boolean isZero(MemorySegment bytes) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment zeros = arena.allocate(Math.min(CHUNK, bytes.byteSize()), Long.BYTES);
                for (long at = 0; at < bytes.byteSize(); at += zeros.byteSize()) {
                    long length = Math.min(zeros.byteSize(), bytes.byteSize() - at);
                    if (MemorySegment.mismatch(bytes, at, at + length, zeros, 0, length) >= 0) {
                        return false;
                    }
                }
                return true;
            }
        }
    }

    private static final long CHUNK = 1 << 20;

    private final List<Region> regions;
    private final long[] starts;
    private final long[] sizes;
    private final MemorySegment[] segments;

    /** RAM of these regions, which are in ascending order and do not overlap. */
    public GuestMemory(List<Region> regions) {
        this.regions = List.copyOf(regions);
        int n = regions.size();
        this.starts = new long[n];
        this.sizes = new long[n];
        this.segments = new MemorySegment[n];
        long end = 0;
        for (int i = 0; i < n; i++) {
            Region region = regions.get(i);
            if (region.gpa() < end) {
                throw new IllegalArgumentException("regions out of order at 0x" + Long.toHexString(region.gpa()));
            }
            end = region.end();
            starts[i] = region.gpa();
            sizes[i] = region.size();
            segments[i] = region.segment();
        }
    }

    public List<Region> regions() {
        return regions;
    }

    /** Bytes in all. */
    public long size() {
        long sum = 0;
        for (long size : sizes) {
            sum += size;
        }
        return sum;
    }

    /** The region that holds all of these bytes, or -1. No overflow for any argument. */
    private int find(long gpa, long length) {
        for (int i = 0; i < starts.length; i++) {
            long offset = gpa - starts[i];
            if (offset >= 0 && gpa >= 0 && length >= 0 && length <= sizes[i] && offset <= sizes[i] - length) {
                return i;
            }
        }
        return -1;
    }

    private int require(long gpa, long length) {
        int i = find(gpa, length);
        if (i < 0) {
            throw new GuestAddressException(gpa, length);
        }
        return i;
    }

    /** Whether all of these bytes are RAM of one region. */
    public boolean contains(long gpa, long length) {
        return find(gpa, length) >= 0;
    }

    /** These bytes, in place; for I/O straight into guest RAM. */
    public MemorySegment slice(long gpa, long length) {
        int i = require(gpa, length);
        return segments[i].asSlice(gpa - starts[i], length);
    }

    /** The VMM's own address of these bytes, for an iovec. */
    public long hostAddress(long gpa, long length) {
        int i = require(gpa, length);
        return segments[i].address() + (gpa - starts[i]);
    }

    public byte getByte(long gpa) {
        int i = require(gpa, 1);
        return segments[i].get(ValueLayout.JAVA_BYTE, gpa - starts[i]);
    }

    public short getShort(long gpa) {
        int i = require(gpa, 2);
        return segments[i].get(SHORT, gpa - starts[i]);
    }

    public int getInt(long gpa) {
        int i = require(gpa, 4);
        return segments[i].get(INT, gpa - starts[i]);
    }

    public long getLong(long gpa) {
        int i = require(gpa, 8);
        return segments[i].get(LONG, gpa - starts[i]);
    }

    public void putByte(long gpa, byte value) {
        int i = require(gpa, 1);
        segments[i].set(ValueLayout.JAVA_BYTE, gpa - starts[i], value);
    }

    public void putShort(long gpa, short value) {
        int i = require(gpa, 2);
        segments[i].set(SHORT, gpa - starts[i], value);
    }

    public void putInt(long gpa, int value) {
        int i = require(gpa, 4);
        segments[i].set(INT, gpa - starts[i], value);
    }

    public void putLong(long gpa, long value) {
        int i = require(gpa, 8);
        segments[i].set(LONG, gpa - starts[i], value);
    }

    /** A 16-bit load with acquire order, as of a ring index that the guest's other CPUs write; {@code gpa} is even. */
    public short getShortAcquire(long gpa) {
        int i = require(gpa, 2);
        return (short) ALIGNED_SHORT.getAcquire(segments[i], gpa - starts[i]);
    }

    /** A 16-bit store with release order; {@code gpa} is even. */
    public void putShortRelease(long gpa, short value) {
        int i = require(gpa, 2);
        ALIGNED_SHORT.setRelease(segments[i], gpa - starts[i], value);
    }

    /** Copies bytes out of RAM. */
    public byte[] read(long gpa, int length) {
        return slice(gpa, length).toArray(ValueLayout.JAVA_BYTE);
    }

    /** Copies bytes into RAM. */
    public void write(long gpa, byte[] bytes) {
        write(gpa, MemorySegment.ofArray(bytes));
    }

    /** Copies bytes into RAM. */
    public void write(long gpa, MemorySegment bytes) {
        MemorySegment.copy(bytes, 0, slice(gpa, bytes.byteSize()), 0, bytes.byteSize());
    }
}
