package dev.holdover.virtio;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Tty;
import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;

/** Where the virtio console goes: the value of --console. */
public sealed interface ConsoleConfig {
    String SYNTAX = "pty or file:PATH";

    /** A new pseudo-terminal, whose path is printed. */
    record Pty() implements ConsoleConfig {}

    /** Output into a file, which is created or cut, but for a guest that goes on; no input. */
    record File(String path) implements ConsoleConfig {}

    /** As it is given to {@link #parse}. */
    default String text() {
        return this instanceof File file ? "file:" + file.path() : "pty";
    }

    /** Parses {@link #SYNTAX}; throws {@link UsageException} for anything else. */
    static ConsoleConfig parse(String text) {
        if (text.equals("pty")) {
            return new Pty();
        }
        if (text.startsWith("file:") && text.length() > "file:".length()) {
            return new File(text.substring("file:".length()));
        }
        if (text.equals("stdio")) {
            throw new UsageException("--console stdio: the terminal belongs to --serial; use --console " + SYNTAX);
        }
        throw new UsageException("--console " + text + " is not known: use " + SYNTAX);
    }

    /** Opens it, as a device. */
    default VirtioConsole open(EventLoop.FailureHandler onFailure) {
        try {
            if (this instanceof File file) {
                Fd output = Fd.open(file.path(), Fd.O_WRONLY | Fd.O_CREAT | Fd.O_APPEND, 0600);
                return new VirtioConsole(null, output, 0, 0, onFailure);
            }
            Tty.Pty pty = Tty.openPty();
            System.err.println("console: " + pty.path());
            return VirtioConsole.onPty(pty, onFailure);
        } catch (ErrnoException e) {
            throw new VmmException(
                    "cannot open the virtio console, " + e.getMessage()
                            + (this instanceof File ? ": name a file that can be written" : ""),
                    e);
        }
    }
}
