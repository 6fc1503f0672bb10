package dev.holdover.serial;

import dev.holdover.linux.UsageException;

/** What the guest's serial port is wired to: the value of --serial. */
public sealed interface SerialConfig {
    /** The terminal, or whatever standard input and output are. */
    record Stdio() implements SerialConfig {}

    /** Nothing. */
    record Null() implements SerialConfig {}

    /** Output into a file, which is created or cut; no input. */
    record File(String path) implements SerialConfig {}

    /** A unix socket that clients connect to, one at a time. */
    record Unix(String path) implements SerialConfig {}

    /** A new pseudo-terminal, whose path is printed. */
    record Pty() implements SerialConfig {}

    /** As it is given to {@link #parse}. */
    default String text() {
        if (this instanceof File file) {
            return "file:" + file.path();
        }
        if (this instanceof Unix unix) {
            return "unix:" + unix.path();
        }
        return this instanceof Stdio ? "stdio" : this instanceof Pty ? "pty" : "null";
    }

    /** Parses stdio, null, file:PATH, unix:PATH or pty. Throws {@link UsageException} for anything else. */
    static SerialConfig parse(String text) {
        if (text.equals("stdio")) {
            return new Stdio();
        }
        if (text.equals("null")) {
            return new Null();
        }
        if (text.equals("pty")) {
            return new Pty();
        }
        if (text.startsWith("file:")) {
            return new File(path(text, "file:"));
        }
        if (text.startsWith("unix:")) {
            return new Unix(path(text, "unix:"));
        }
        throw new UsageException("--serial " + text + " is not known: use stdio, null, file:PATH, unix:PATH or pty");
    }

    private static String path(String text, String prefix) {
        String path = text.substring(prefix.length());
        if (path.isEmpty() || path.indexOf('\0') >= 0) {
            throw new UsageException("--serial " + prefix + " needs a path: use " + prefix + "PATH");
        }
        return path;
    }
}
