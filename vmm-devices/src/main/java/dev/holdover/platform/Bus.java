package dev.holdover.platform;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;

/**
 * An address space of the guest's (ports, or MMIO) and the devices in it.
 *
 * <p>Devices may come and go while the guest runs. Reads and writes come from all vCPU threads, without lock or
 * allocation; one under way may still reach a device that has just been removed. An access belongs to the device that its first byte meets, even if it crosses that device's end:
 * the device answers for the bytes beyond ({@link IsaDevice} with all ones). Where no device is, a read gives all ones
 * and a write is dropped; both are counted.
 */
public final class Bus {
    /** So many distinct addresses without a device are kept for diagnosis. */
    static final int MAX_UNKNOWN_ADDRESSES = 16;

    private record Range(long base, long end, BusDevice device) {}

    /** Sorted by base, without overlap; never changed, but replaced. */
    private volatile Range[] ranges = new Range[0];

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
        Range there = insert(base, size, device);
        if (there != null) {
            throw new IllegalArgumentException(name(new Range(base, base + size, device)) + " overlaps " + name(there));
        }
    }

    /** As {@link #add}, for a place that the guest chose: false, and no change, if the range overlaps another's. */
    public boolean tryAdd(long base, long size, BusDevice device) {
        return insert(base, size, device) == null;
    }

    /** Returns the range that is in the way; null if the device is in its place. */
    private synchronized Range insert(long base, long size, BusDevice device) {
        if (base < 0 || size <= 0 || base > Long.MAX_VALUE - size) {
            throw new IllegalArgumentException("no address range: base 0x" + Long.toHexString(base) + ", size " + size);
        }
        Range[] old = ranges;
        Range added = new Range(base, base + size, device);
        int at = 0;
        while (at < old.length && old[at].base < base) {
            at++;
        }
        if (at > 0 && overlap(old[at - 1], added)) {
            return old[at - 1];
        }
        if (at < old.length && overlap(old[at], added)) {
            return old[at];
        }
        Range[] grown = Arrays.copyOf(old, old.length + 1);
        System.arraycopy(old, at, grown, at + 1, old.length - at);
        grown[at] = added;
        ranges = grown;
        return null;
    }

    /**
     * Takes away the device whose range begins at {@code base}.
     *
     * @throws IllegalArgumentException if there is none
     */
    public synchronized void remove(long base) {
        Range[] old = ranges;
        for (int i = 0; i < old.length; i++) {
            if (old[i].base == base) {
                Range[] shrunk = Arrays.copyOf(old, old.length - 1);
                System.arraycopy(old, i + 1, shrunk, i, old.length - 1 - i);
                ranges = shrunk;
                return;
            }
        }
        throw new IllegalArgumentException("no device begins at 0x" + Long.toHexString(base));
    }

    private static boolean overlap(Range a, Range b) {
        return a.base < b.end && b.base < a.end;
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
