package dev.holdover.control;

import java.util.List;

/**
 * A command: what it is called, what it does, what it takes.
 *
 * @param arguments null if they depend on each other: the handler checks them
 */
record Command(String name, Handler handler, List<Argument> arguments) {
    /** Returns what the reply's {@code return} is to hold; null for an empty object. */
    @FunctionalInterface
    interface Handler {
        Object run(Call call) throws QmpException;
    }

    Command(String name, Handler handler, Argument... arguments) {
        this(name, handler, List.of(arguments));
    }
}
