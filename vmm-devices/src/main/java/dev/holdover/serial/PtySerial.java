package dev.holdover.serial;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.Tty;
import dev.holdover.linux.VmmException;
import dev.holdover.platform.Uart16550;
import java.util.List;

/**
 * A serial port on a new pseudo-terminal, for a terminal program to open; its path is printed on standard error.
 *
 * <p>While nobody reads, the terminal and the writer keep the first output, some 128 KiB, and the rest is dropped.
 */
final class PtySerial extends SerialBackend {
    private final EventLoop loop;
    private final Tty.Pty pty;
    /**
     * The terminal program's side, held open: without anyone there the controller would report a hang-up without end,
     * and the modes set here would be lost.
     */
    private final Fd terminal;

    private final SerialWriter writer;
    private SerialInput input;

    PtySerial(EventLoop loop) {
        this.loop = loop;
        try {
            pty = Tty.openPty();
            terminal = Fd.open(pty.path(), Fd.O_RDWR);
        } catch (ErrnoException e) {
            throw new VmmException(
                    "cannot open a pseudo-terminal for the serial port, " + e.getMessage() + ": check that /dev/pts is"
                            + " mounted",
                    e);
        }
        // Raw, or it would echo the guest's output back to the guest.
        Tty.makeRaw(terminal);
        writer = new SerialWriter(pty.path(), SerialWriter.WhenFull.DROP);
        writer.attach(pty.controller());
        System.err.println("serial: " + pty.path());
    }

    /** On a pseudo-terminal that another process opened; takes both descriptors over. */
    PtySerial(EventLoop loop, String path, Fd controller, Fd terminal) {
        this.loop = loop;
        this.pty = new Tty.Pty(controller, path);
        this.terminal = terminal;
        this.writer = new SerialWriter(path, SerialWriter.WhenFull.DROP);
        writer.attach(controller);
    }

    @Override
    SerialWriter writer() {
        return writer;
    }

    @Override
    SerialInput input() {
        return input;
    }

    @Override
    public void parts(List<NamedFd> to) {
        to.add(new NamedFd(OUTPUT, pty.path(), pty.controller()));
        to.add(new NamedFd(TERMINAL, "", terminal));
    }

    /** The path that a terminal program opens. */
    String path() {
        return pty.path();
    }

    @Override
    public void write(byte b) {
        writer.write(b);
    }

    @Override
    public boolean ready() {
        return writer.ready();
    }

    @Override
    public void start(Uart16550 uart) {
        wire(writer, uart);
        input = new SerialInput(loop, uart, SerialInput.LookAhead.BUFFER, null, new Runnable() {
            @Override
            public void run() {} // does not end while the terminal side is held open
        });
        attach(input, pty.controller());
    }

    @Override
    public long dropped() {
        return writer.dropped();
    }

    @Override
    void stop() {
        if (input != null) {
            input.detach();
        }
    }

    @Override
    void closeDescriptors() {
        terminal.close();
        pty.controller().close();
    }
}
