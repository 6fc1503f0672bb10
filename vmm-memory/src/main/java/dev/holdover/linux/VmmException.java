package dev.holdover.linux;

/** A failure as one sentence for the user: what failed, on what, why, and what to do about it. */
public class VmmException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public VmmException(String sentence) {
        super(sentence);
    }

    public VmmException(String sentence, Throwable cause) {
        super(sentence, cause);
    }
}
