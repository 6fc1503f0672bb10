package dev.holdover.control;

import dev.holdover.linux.Fd;
import java.util.List;
import java.util.Map;

/** A command's arguments, checked against its declaration, and the descriptor that came with it. */
final class Call implements AutoCloseable {
    private final Map<String, Object> arguments;
    private Fd fd;

    Call(Map<String, Object> arguments, Fd fd) {
        this.arguments = arguments;
        this.fd = fd;
    }

    Map<String, Object> arguments() {
        return arguments;
    }

    boolean has(String name) {
        return arguments.containsKey(name);
    }

    /** A string, or null if it is not given. */
    String string(String name) {
        return (String) arguments.get(name);
    }

    long integer(String name, long otherwise) {
        return has(name) ? (Long) arguments.get(name) : otherwise;
    }

    boolean bool(String name, boolean otherwise) {
        return has(name) ? (Boolean) arguments.get(name) : otherwise;
    }

    List<?> array(String name) {
        return (List<?>) arguments.get(name);
    }

    /** Takes over the descriptor that came with the command; null if none did. */
    Fd takeFd() {
        Fd taken = fd;
        fd = null;
        return taken;
    }

    /** Closes a descriptor that the command had no use for. */
    @Override
    public void close() {
        if (fd != null) {
            fd.close();
        }
    }
}
