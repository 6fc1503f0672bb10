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

    /** An interrupt by its GSI: edge-triggered, active high, exclusive. */
    static byte[] interrupt(int gsi) {
        return Aml.concat(new byte[] {(byte) 0x89, 6, 0, CONSUMER_EDGE, 1}, Aml.u32(gsi));
    }
}
