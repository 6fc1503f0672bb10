package dev.holdover.serial;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.Tty;
import dev.holdover.platform.Uart16550;
import java.util.List;

/**
 * A serial port on standard input and output.
 *
 * <p>If standard input is a terminal it is in raw mode from {@link #start} on, and Ctrl-A begins a command to the VMM
 * ({@link ConsoleEscape}). If not, all bytes are the guest's, no more are read than it takes, and the end of the input
 * only ends the input. When the reader of standard output has gone, as in a pipe into head(1), the VMM ends.
 */
final class StdioSerial extends SerialBackend {
    private final EventLoop loop;
    /** Null where standard input is closed. */
    private final Fd in;
    /** Null where standard output is closed. */
    private final Fd out;

    private final Runnable quit;
    private final SerialWriter writer;
    private SerialInput input;
    /** The terminal's modes before raw mode, or null. Guarded by this. */
    private byte[] cookedModes;

    private boolean ended;

    /** Takes both descriptors over. */
    StdioSerial(EventLoop loop, Fd in, Fd out, Runnable quit) {
        this.loop = loop;
        this.in = in;
        this.out = out;
        this.quit = quit;
        this.writer = new SerialWriter("standard output", SerialWriter.WhenFull.HOLD);
        if (out != null) {
            writer.attach(out);
        }
    }

    /** On the descriptors 0 and 1 of this process, which stay open when it is closed. */
    static StdioSerial ofProcess(EventLoop loop, Runnable quit) {
        return new StdioSerial(loop, dup(0, "standard input"), dup(1, "standard output"), quit);
    }

    @Override
    SerialWriter writer() {
        return writer;
    }

    @Override
    SerialInput input() {
        return input;
    }

    /** A terminal's input stays here: another process of another job would be stopped for reading it. */
    @Override
    public void parts(List<NamedFd> to) {
        if (in != null && !Tty.isTerminal(in)) {
            to.add(new NamedFd(INPUT, "", in));
        }
        if (out != null) {
            to.add(new NamedFd(OUTPUT, "", out));
        }
    }

    private static Fd dup(int number, String name) {
        try {
            return Fd.dupOf(number, name);
        } catch (ErrnoException e) {
            return null; // closed
        }
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
        writer.onBrokenPipe(new Runnable() {
            @Override
            public void run() {
                System.err.println("vmm: standard output is closed (EPIPE), nobody sees the guest: the VMM ends");
                quit.run();
            }
        });
        if (in == null) {
            return;
        }
        boolean terminal = Tty.isTerminal(in);
        if (terminal) {
            makeRaw();
        }
        input = new SerialInput(
                loop,
                uart,
                terminal ? SerialInput.LookAhead.BUFFER : SerialInput.LookAhead.NONE,
                terminal ? new ConsoleEscape(quit) : null,
                new Runnable() {
                    @Override
                    public void run() {} // nothing more to come
                });
        attach(input, in);
    }

    private synchronized void makeRaw() {
        if (!ended) {
            cookedModes = Tty.makeRaw(in);
        }
    }

    private synchronized void makeCooked() {
        ended = true;
        if (cookedModes != null) {
            Tty.restore(in, cookedModes);
        }
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
    void removeTraces() {
        makeCooked();
    }

    @Override
    void closeDescriptors() {
        if (in != null) {
            in.close();
        }
        if (out != null) {
            out.close();
        }
    }
}
