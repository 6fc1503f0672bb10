package dev.holdover.platform;

/**
 * A device as the guest sees it: registers at offsets from its base.
 *
 * <p>Called on vCPU threads, by several at once: a device locks itself. A device never throws for anything the guest
 * does; it answers all ones or drops the write.
 */
public interface BusDevice {
    /**
     * The guest reads.
     *
     * @param offset bytes from the device's base, within its size
     * @param width 1, 2, 4 or 8 bytes; may reach beyond the device's end
     * @return the value in the low {@code width} bytes; the rest is ignored
     */
    long read(long offset, int width);

    /** The guest writes the low {@code width} bytes of {@code value}; those above are zero. */
    void write(long offset, int width, long value);
}
