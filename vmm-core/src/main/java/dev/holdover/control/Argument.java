package dev.holdover.control;

import java.util.List;
import java.util.Map;

/** An argument that a command declares: its name, its type, whether it must be given. */
record Argument(String name, Type type, boolean required) {
    /** The types of JSON values that QMP's commands take. */
    enum Type {
        STRING("expected: string"),
        BOOLEAN("expected: boolean"),
        /** A Long. */
        INTEGER("expected: integer"),
        /** A Long of at least 0: QEMU calls it so, and has another text for it. */
        SIZE("uint64"),
        ARRAY("expected: array"),
        OBJECT("expected: object");

        private final String text;

        Type(String text) {
            this.text = text;
        }

        private boolean takes(Object value) {
            return switch (this) {
                case STRING -> value instanceof String;
                case BOOLEAN -> value instanceof Boolean;
                case INTEGER -> value instanceof Long;
                case SIZE -> value instanceof Long size && size >= 0;
                case ARRAY -> value instanceof List;
                case OBJECT -> value instanceof Map;
            };
        }
    }

    static Argument required(String name, Type type) {
        return new Argument(name, type, true);
    }

    static Argument optional(String name, Type type) {
        return new Argument(name, type, false);
    }

    /**
     * Checks the members of an object against what is declared: missing and mistyped ones in the order of the
     * declaration, then unexpected ones.
     *
     * @param prefix what stands before a member's name in an error: empty, or {@code capabilities[0].}
     */
    static void check(List<Argument> declared, Map<String, Object> given, String prefix) throws QmpException {
        for (Argument argument : declared) {
            String path = prefix + argument.name;
            if (!given.containsKey(argument.name)) {
                if (argument.required) {
                    throw new QmpException("Parameter '" + path + "' is missing");
                }
            } else {
                checkType(path, argument.type, given.get(argument.name));
            }
        }
        for (String name : given.keySet()) {
            if (!declares(declared, name)) {
                throw new QmpException("Parameter '" + prefix + name + "' is unexpected");
            }
        }
    }

    static void checkType(String path, Type type, Object value) throws QmpException {
        if (!type.takes(value)) {
            throw new QmpException(
                    type == Type.SIZE
                            ? "Parameter '" + path + "' expects uint64"
                            : "Invalid parameter type for '" + path + "', " + type.text);
        }
    }

    private static boolean declares(List<Argument> declared, String name) {
        for (Argument argument : declared) {
            if (argument.name.equals(name)) {
                return true;
            }
        }
        return false;
    }
}
