package dev.holdover.platform;

/** Where the bytes go that a guest sends through a serial port. Any thread. */
public interface SerialOutput {
    /** Takes a byte. May block for a bounded time if the guest sends although not {@link #ready}. */
    void write(byte b);

    /**
     * Whether a burst of 16 bytes would be taken at once. Once this has been false, {@link Uart16550#transmitReady} is
     * called as soon as it is true again.
     */
    boolean ready();
}
