package dev.holdover.control;

/** An error reply of QMP: its class and its description. */
public final class QmpException extends Exception {
    private static final long serialVersionUID = 1L;

    static final String GENERIC = "GenericError";
    static final String COMMAND_NOT_FOUND = "CommandNotFound";

    private final String errorClass;

    QmpException(String errorClass, String description) {
        super(description);
        this.errorClass = errorClass;
    }

    QmpException(String description) {
        this(GENERIC, description);
    }

    public String errorClass() {
        return errorClass;
    }
}
