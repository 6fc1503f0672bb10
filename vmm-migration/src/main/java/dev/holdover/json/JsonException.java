package dev.holdover.json;

/** A text that is no JSON value; the message is QMP's for it. */
public final class JsonException extends Exception {
    private static final long serialVersionUID = 1L;

    JsonException(String description) {
        super(description);
    }
}
