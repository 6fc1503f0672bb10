package dev.holdover.memory;

/** The guest named an address that is not RAM: its fault, never the VMM's. */
public final class GuestAddressException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public GuestAddressException(long gpa, long length) {
        // No stack trace: a hostile guest can cause these at will.
        super("guest address 0x" + Long.toHexString(gpa) + " + " + length + " bytes is not RAM", null, false, false);
    }
}
