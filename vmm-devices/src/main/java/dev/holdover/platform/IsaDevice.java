package dev.holdover.platform;

/**
 * A device on the eight data lines of the ISA bus: an access of two bytes or more reaches it as one access a byte, the
 * lowest address first. Bytes beyond its last port read as all ones, and are dropped when written.
 */
abstract class IsaDevice implements BusDevice {
    private final int ports;

    /** {@code ports} is how many ports it decodes, from its base on. */
    IsaDevice(int ports) {
        this.ports = ports;
    }

    /** Reads the port at {@code offset}, which is one of the device's; only the low eight bits count. */
    abstract int in(int offset);

    /** Writes {@code value}, 0 to 255, to the port at {@code offset}, which is one of the device's. */
    abstract void out(int offset, int value);

    @Override
    public final long read(long offset, int width) {
        long value = 0;
        for (int i = 0; i < width && i < Long.BYTES; i++) {
            long port = offset + i;
            long b = port >= 0 && port < ports ? in((int) port) & 0xff : 0xff;
            value |= b << (8 * i);
        }
        return value;
    }

    @Override
    public final void write(long offset, int width, long value) {
        for (int i = 0; i < width && i < Long.BYTES; i++) {
            long port = offset + i;
            if (port >= 0 && port < ports) {
                out((int) port, (int) (value >>> (8 * i)) & 0xff);
            }
        }
    }
}
