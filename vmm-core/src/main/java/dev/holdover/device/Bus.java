package dev.holdover.device;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;

/**
 * An address space of the guest's (ports, or MMIO) and the devices in it.
 *
 * <p>Devices are added before the guest runs, by one thread; reads and writes then come from all vCPU threads, without
 * lock or allocation. An access belongs to the device that its first byte meets, even if it crosses that device's end:
 * the device answers for the bytes beyond ({@link IsaDevice} with all ones). Where no device is, a read gives all ones
 * and a write is dropped; both are counted.
 */
public final class Bus {
    /** So many distinct addresses without a device are kept for diagnosis. */
    static final int MAX_UNKNOWN_ADDRESSES = 16;

    private record Range(long base, long end, BusDevice device) {}

    /** Sorted by base, without overlap. */
    private Range[] ranges = new Range[0];

    private final AtomicLong unknownReads = new AtomicLong();
    private final AtomicLong unknownWrites = new AtomicLong();
    private final long[] unknownAddresses = new long[MAX_UNKNOWN_ADDRESSES];
    /** Entries of {@link #unknownAddresses} that are valid; stored after the entry. */
    private volatile int unknownCount;

    /** A bus without devices. */
    public Bus() {}

    /**
     * Puts a device at {@code size} addresses from {@code base} on.
     *
     * @throws IllegalArgumentException if the range is empty, beyond 2^63, or overlaps another device's
     */
    public void add(long base, long size, BusDevice device) {
        if (base < 0 || size <= 0 || base > Long.MAX_VALUE - size) {
            throw new IllegalArgumentException("no address range: base 0x" + Long.toHexString(base) + ", size " + size);
        }
        Range added = new Range(base, base + size, device);
        int at = 0;
        while (at < ranges.length && ranges[at].base < base) {
            at++;
        }
        if (at > 0 && overlap(ranges[at - 1], added)) {
            throw overlapping(ranges[at - 1], added);
        }
        if (at < ranges.length && overlap(ranges[at], added)) {
            throw overlapping(ranges[at], added);
        }
        Range[] grown = Arrays.copyOf(ranges, ranges.length + 1);
        System.arraycopy(ranges, at, grown, at + 1, ranges.length - at);
        grown[at] = added;
        ranges = grown;
    }

    private static boolean overlap(Range a, Range b) {
        return a.base < b.end && b.base < a.end;
    }

    private static IllegalArgumentException overlapping(Range there, Range added) {
        return new IllegalArgumentException(name(added) + " overlaps " + name(there));
    }

    private static String name(Range range) {
        return range.device.getClass().getSimpleName() + " at 0x" + Long.toHexString(range.base) + "-0x"
                + Long.toHexString(range.end - 1);
    }

    /**
     * The guest reads {@code width} (1 to 8) bytes; the result has them in its low bytes, zeroes above.
     *
     * <p>KVM cuts an access at a page boundary, so widths that are no power of two occur; these go byte by byte.
     */
    public long read(long address, int width) {
        if (Integer.bitCount(width) != 1) {
            long value = 0;
            for (int i = 0; i < width; i++) {
                value |= read(address + i, 1) << (8 * i);
            }
            return value;
        }
        Range range = find(address);
        if (range == null) {
            unknownReads.getAndIncrement();
            noteUnknown(address);
            return mask(width);
        }
        return range.device.read(address - range.base, width) & mask(width);
    }

    /** The guest writes the low {@code width} (1 to 8) bytes of {@code value}; those above are ignored. */
    public void write(long address, int width, long value) {
        if (Integer.bitCount(width) != 1) {
            for (int i = 0; i < width; i++) {
                write(address + i, 1, value >>> (8 * i));
            }
            return;
        }
        Range range = find(address);
        if (range == null) {
            unknownWrites.getAndIncrement();
            noteUnknown(address);
            return;
        }
        range.device.write(address - range.base, width, value & mask(width));
    }

    private Range find(long address) {
        Range[] table = ranges;
        int low = 0;
        int high = table.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            Range range = table[middle];
            if (address < range.base) {
                high = middle - 1;
            } else if (address >= range.end) {
                low = middle + 1;
            } else {
                return range;
            }
        }
        return null;
    }

    private static long mask(int width) {
        return width >= Long.BYTES ? -1L : (1L << (8 * width)) - 1;
    }

    private void noteUnknown(long address) {
        int count = unknownCount;
        for (int i = 0; i < count; i++) {
            if (unknownAddresses[i] == address) {
                return;
            }
        }
        if (count < MAX_UNKNOWN_ADDRESSES) {
            addUnknown(address);
        }
    }

    private synchronized void addUnknown(long address) {
        int count = unknownCount;
        for (int i = 0; i < count; i++) {
            if (unknownAddresses[i] == address) {
                return;
            }
        }
        if (count < MAX_UNKNOWN_ADDRESSES) {
            unknownAddresses[count] = address;
            unknownCount = count + 1;
        }
    }

    /** Reads so far that met no device. */
    public long unknownReads() {
        return unknownReads.get();
    }

    /** Writes so far that met no device. */
    public long unknownWrites() {
        return unknownWrites.get();
    }

    /** The first distinct addresses (16 at most) that met no device, in the order in which they came. */
    public long[] unknownAddresses() {
        return Arrays.copyOf(unknownAddresses, unknownCount);
    }
}
