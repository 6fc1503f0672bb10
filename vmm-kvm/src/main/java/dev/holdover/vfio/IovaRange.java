package dev.holdover.vfio;

/**
 * A range of I/O addresses.
 *
 * @param first its first address, unsigned
 * @param last its last address, unsigned
 */
public record IovaRange(long first, long last) {
    /** Whether all of {@code length} bytes from {@code start} lie in it; no bytes lie in none. */
    public boolean contains(long start, long length) {
        long end = start + length - 1;
        return length != 0
                && Long.compareUnsigned(end, start) >= 0
                && Long.compareUnsigned(first, start) <= 0
                && Long.compareUnsigned(end, last) <= 0;
    }

    @Override
    public String toString() {
        return "0x" + Long.toHexString(first) + "-0x" + Long.toHexString(last);
    }
}
