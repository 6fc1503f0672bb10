package dev.holdover.vmstate;

import dev.holdover.linux.VmmException;

/** A state that is refused: damaged, of another kind, or not for this machine. One sentence that names its part. */
public final class StateException extends VmmException {
    private static final long serialVersionUID = 1L;

    /** @param state the state's path, or what else it is known by */
    public StateException(String state, String sentence) {
        super("state " + state + ": " + sentence);
    }

    public StateException(String state, String sentence, Throwable cause) {
        super("state " + state + ": " + sentence, cause);
    }
}
