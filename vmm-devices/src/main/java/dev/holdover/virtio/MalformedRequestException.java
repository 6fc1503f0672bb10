package dev.holdover.virtio;

/** The driver broke the rules of virtio: its device is broken until it is reset. Never leaves the package. */
final class MalformedRequestException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    MalformedRequestException(String what) {
        // No stack trace: a hostile guest can cause these at will.
        super(what, null, false, false);
    }
}
