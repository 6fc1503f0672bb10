package dev.holdover.virtio;

import dev.holdover.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Buffers in guest RAM, in order, at once as iovecs for readv(2) and its kin and as guest addresses for bytes that the
 * device itself looks at. Made once and filled again for each request. One thread.
 */
final class GuestBuffers {
    /** struct iovec: base@0, length@8. */
    private static final int IOVEC = 16;

    private final GuestMemory memory;
    private final MemorySegment iovecs;
    private final long[] gpas;
    private int count;
    private long bytes;

    /** At most {@code capacity} buffers; the kernel takes up to 1024 in a call (IOV_MAX). */
    GuestBuffers(GuestMemory memory, int capacity) {
        this.memory = memory;
        this.iovecs = Arena.ofAuto().allocate((long) capacity * IOVEC, 8);
        this.gpas = new long[capacity];
    }

    void clear() {
        count = 0;
        bytes = 0;
    }

    /** Adds a buffer behind the others; GuestAddressException if it is not RAM. */
    void add(long gpa, long length) {
        set(count, memory.hostAddress(gpa, length), length);
        gpas[count++] = gpa;
        bytes += length;
    }

    /** Adds a buffer that is not the guest's, and has no guest address. */
    void addOwn(MemorySegment buffer) {
        set(count, buffer.address(), buffer.byteSize());
        gpas[count++] = -1;
        bytes += buffer.byteSize();
    }

    /** Adds all buffers of {@code other}, which has the same memory. */
    void addAll(GuestBuffers other) {
        MemorySegment.copy(other.iovecs, 0, iovecs, (long) count * IOVEC, (long) other.count * IOVEC);
        System.arraycopy(other.gpas, 0, gpas, count, other.count);
        count += other.count;
        bytes += other.bytes;
    }

    /** How many more buffers can be added. */
    int room() {
        return gpas.length - count;
    }

    int count() {
        return count;
    }

    /** Bytes in all. */
    long byteSize() {
        return bytes;
    }

    /** The iovecs; the first {@link #count} are meant. */
    MemorySegment iovecs() {
        return iovecs;
    }

    private void set(int i, long base, long length) {
        iovecs.set(ValueLayout.JAVA_LONG, (long) i * IOVEC, base);
        iovecs.set(ValueLayout.JAVA_LONG, (long) i * IOVEC + 8, length);
    }

    private long base(int i) {
        return iovecs.get(ValueLayout.JAVA_LONG, (long) i * IOVEC);
    }

    private long length(int i) {
        return iovecs.get(ValueLayout.JAVA_LONG, (long) i * IOVEC + 8);
    }

    /** Drops the first {@code n} bytes, at most {@link #byteSize}. */
    void skip(long n) {
        long left = n;
        int whole = 0;
        while (whole < count && left >= length(whole)) {
            left -= length(whole);
            whole++;
        }
        if (whole > 0) {
            count -= whole;
            MemorySegment.copy(iovecs, (long) whole * IOVEC, iovecs, 0, (long) count * IOVEC);
            System.arraycopy(gpas, whole, gpas, 0, count);
        }
        if (left > 0) {
            set(0, base(0) + left, length(0) - left);
            gpas[0] += left;
        }
        bytes -= n;
    }

    /** Keeps the first {@code n} bytes, or all if there are fewer. */
    void truncate(long n) {
        while (bytes > n) {
            int last = count - 1;
            long surplus = bytes - n;
            if (surplus >= length(last)) {
                bytes -= length(last);
                count = last;
            } else {
                set(last, base(last), length(last) - surplus);
                bytes = n;
            }
        }
    }

    /** The guest address of a byte; {@code offset} is below {@link #byteSize}. */
    long gpa(long offset) {
        long left = offset;
        int i = 0;
        while (left >= length(i)) {
            left -= length(i);
            i++;
        }
        return gpas[i] + left;
    }

    /** A little-endian value of {@code width} bytes, which may lie in several buffers. */
    long get(long offset, int width) {
        if (width == 8 && offset + 8 <= length(0)) {
            return memory.getLong(gpas[0] + offset);
        }
        long value = 0;
        for (int i = width - 1; i >= 0; i--) {
            value = (value << 8) | (memory.getByte(gpa(offset + i)) & 0xff);
        }
        return value;
    }

    /** Stores the first {@code length} of these bytes at the front; a few, no bulk data. */
    void put(byte[] source, int length) {
        for (int i = 0; i < length; i++) {
            memory.putByte(gpa(i), source[i]);
        }
    }

    /** Fills all of it with zeros. */
    void zero() {
        for (int i = 0; i < count; i++) {
            memory.slice(gpas[i], length(i)).fill((byte) 0);
        }
    }
}
