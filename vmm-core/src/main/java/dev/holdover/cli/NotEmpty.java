package dev.holdover.cli;

import dev.holdover.linux.UsageException;

/** Refuses the empty value that an unset variable of a script leaves. */
final class NotEmpty {
    private NotEmpty() {}

    /** Returns {@code value}, which may be null: not given. */
    static String value(String option, String value) {
        if (value != null && value.isEmpty()) {
            throw new UsageException(option + " is empty: give it a value or leave it out");
        }
        return value;
    }

    /** Returns {@code value}, of an argument that cannot be left out. */
    static String argument(String name, String value) {
        if (value.isEmpty()) {
            throw new UsageException(name + " is empty: name one");
        }
        return value;
    }
}
