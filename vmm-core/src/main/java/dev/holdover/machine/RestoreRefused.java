package dev.holdover.machine;

import dev.holdover.linux.VmmException;

/** A state that must not be restored, though it could be read: exit code 4. The sentence says why and what to do. */
public final class RestoreRefused extends VmmException {
    private static final long serialVersionUID = 1L;

    public RestoreRefused(String sentence) {
        super(sentence);
    }
}
