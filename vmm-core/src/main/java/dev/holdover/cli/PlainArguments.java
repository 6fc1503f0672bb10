package dev.holdover.cli;

/**
 * A command line that is written plainly, read without picocli: to load picocli and to build its model takes longer than
 * all the rest of a guest's start. Commands that are started often pull their options from it one by one.
 *
 * <p>Plain are known options, once each, with a value behind them or after '='. What is not (help, a mistake, a value
 * that looks like an option) throws {@link NotPlain}; picocli then reads the line from its beginning, and says about it
 * whatever is to be said.
 */
final class PlainArguments {
    /** A command that reads its own options. */
    interface Reader {
        /** Takes every argument into the fields that picocli would fill, and nothing else. */
        void read(PlainArguments arguments);
    }

    /** The line is picocli's. */
    static final class NotPlain extends RuntimeException {
        private static final long serialVersionUID = 1;

        NotPlain() {
            super(null, null, false, false);
        }
    }

    private final String[] arguments;
    private int next = 1;
    private String value;

    private PlainArguments(String[] arguments) {
        this.arguments = arguments;
    }

    /** Lets a command read the arguments behind its name; false if picocli has to, into a new command. */
    static boolean read(String[] arguments, Reader command) {
        try {
            command.read(new PlainArguments(arguments));
            return true;
        } catch (NotPlain e) {
            return false;
        }
    }

    boolean hasNext() {
        return next < arguments.length;
    }

    /** The next option's name as it was typed; "" for an argument that is none, which is then the value. */
    String option() {
        String argument = arguments[next++];
        value = null;
        if (argument.isEmpty() || argument.charAt(0) != '-') {
            value = argument;
            return "";
        }
        int equals = argument.indexOf('=');
        if (equals > 0) {
            value = argument.substring(equals + 1);
            return argument.substring(0, equals);
        }
        return argument;
    }

    /** The option's value. */
    String value() {
        if (value == null) {
            if (!hasValue()) {
                throw new NotPlain();
            }
            value = arguments[next++];
        }
        return value;
    }

    private boolean hasValue() {
        return hasNext() && !arguments[next].startsWith("-");
    }

    /** The value of what may be given once: {@code before} is null then. */
    String once(Object before) {
        if (before != null) {
            throw new NotPlain();
        }
        return value();
    }

    /** As {@link #once(Object)}, of an option whose value may be left out. */
    String once(Object before, String otherwise) {
        if (before == null && value == null && !hasValue()) {
            return otherwise;
        }
        return once(before);
    }

    /** An option without value. */
    boolean flag(boolean before) {
        if (before || value != null) {
            throw new NotPlain();
        }
        return true;
    }
}
