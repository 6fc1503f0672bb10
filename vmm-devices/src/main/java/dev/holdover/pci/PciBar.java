package dev.holdover.pci;

/**
 * What a base address register asks for: PCI Local Bus 3.0, section 6.2.5.1.
 *
 * @param index 0 to 5; one of {@link Kind#MEMORY_64} takes the next register, too
 * @param size bytes, a power of two: 16 or more of memory, 4 to 256 ports
 * @param prefetchable whether reads have no side effects and writes may be merged; memory only
 */
public record PciBar(int index, Kind kind, long size, boolean prefetchable) {
    /** Where it can lie. */
    public enum Kind {
        PORTS,
        MEMORY_32,
        MEMORY_64
    }

    public static final int COUNT = 6;

    /** The largest of 64 bits: what no bridge here has room for anyway. */
    private static final long MAX_SIZE = 1L << 46;

    public PciBar {
        boolean ports = kind == Kind.PORTS;
        long least = ports ? 4 : 16;
        long most = ports ? 256 : kind == Kind.MEMORY_32 ? 1L << 31 : MAX_SIZE;
        int last = kind == Kind.MEMORY_64 ? COUNT - 2 : COUNT - 1;
        if (index < 0 || index > last || Long.bitCount(size) != 1 || size < least || size > most) {
            throw new IllegalArgumentException("BAR " + index + ", " + kind + " of " + size + " bytes");
        }
        if (ports && prefetchable) {
            throw new IllegalArgumentException("BAR " + index + ": ports are not prefetchable");
        }
    }

    /** The bits of the register that say what it is. */
    int typeBits() {
        return switch (kind) {
            case PORTS -> 1;
            case MEMORY_32 -> prefetchable ? 8 : 0;
            case MEMORY_64 -> prefetchable ? 8 | 4 : 4;
        };
    }
}
