package dev.holdover.boot.acpi;

/** Resource descriptors, the language of _CRS: ACPI 6.5 §6.4. */
final class Resources {
    private static final int READ_WRITE = 1;
    /** Of an extended interrupt: consumer, edge-triggered; not active low, not shared. */
    private static final int CONSUMER_EDGE = 3;

    private Resources() {}

    /** A buffer of these and the end tag. */
    static byte[] template(byte[]... resources) {
        return Aml.buffer(Aml.concat(Aml.concat(resources), new byte[] {0x79, 0}));
    }

    /** I/O ports, 16 address bits decoded. */
    static byte[] ports(int first, int count) {
        return new byte[] {
            0x47, 1, (byte) first, (byte) (first >> 8), (byte) first, (byte) (first >> 8), 1, (byte) count
        };
    }

    /** An ISA interrupt: edge-triggered, active high, exclusive. */
    static byte[] irq(int irq) {
        return new byte[] {0x22, (byte) (1 << irq), (byte) ((1 << irq) >> 8)};
    }

    /** A fixed range of addresses below 4 GiB. */
    static byte[] memory(long base, long size) {
        return Aml.concat(new byte[] {(byte) 0x86, 9, 0, READ_WRITE}, Aml.u32(base), Aml.u32(size));
    }

    // Address spaces (§6.4.3.5): what a bridge passes on. General flags: producer, both ends fixed.
    private static final int MEMORY = 0;
    private static final int PORTS = 1;
    private static final int BUSES = 2;
    private static final int WINDOW = 0xc;
    private static final int ALL_PORTS = 3;

    /** The numbers of the buses behind a bridge. */
    static byte[] buses(int first, int last) {
        return addressSpace(0x88, 2, BUSES, 0, first, last);
    }

    /** Ports that a bridge passes on. */
    static byte[] portWindow(long first, long last) {
        return addressSpace(0x88, 2, PORTS, ALL_PORTS, first, last);
    }

    /** Addresses below 4 GiB that a bridge passes on. */
    static byte[] memoryWindow(long first, long last) {
        return addressSpace(0x87, 4, MEMORY, READ_WRITE, first, last);
    }

    /** Addresses of 64 bits that a bridge passes on. */
    static byte[] highMemoryWindow(long first, long last) {
        return addressSpace(0x8a, 8, MEMORY, READ_WRITE, first, last);
    }

    /** Granularity, minimum, maximum, translation, length, each of {@code width} bytes. */
    private static byte[] addressSpace(int tag, int width, int type, int typeFlags, long first, long last) {
        int length = 3 + 5 * width;
        byte[] head = {(byte) tag, (byte) length, 0, (byte) type, WINDOW, (byte) typeFlags};
        byte[] fields = new byte[5 * width];
        long[] values = {0, first, last, 0, last - first + 1};
        for (int i = 0; i < fields.length; i++) {
            fields[i] = (byte) (values[i / width] >>> (8 * (i % width)));
        }
        return Aml.concat(head, fields);
    }

    /** An interrupt by its GSI: edge-triggered, active high, exclusive. */
    static byte[] interrupt(int gsi) {
        return Aml.concat(new byte[] {(byte) 0x89, 6, 0, CONSUMER_EDGE, 1}, Aml.u32(gsi));
    }
}
