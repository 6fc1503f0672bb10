package dev.holdover.linux;

/** A wrong option or value of the user's: exit code 2, where another failure is 1. */
public final class UsageException extends VmmException {
    private static final long serialVersionUID = 1L;

    public UsageException(String sentence) {
        super(sentence);
    }
}
