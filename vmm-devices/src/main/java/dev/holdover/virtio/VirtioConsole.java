package dev.holdover.virtio;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.Tty;
import java.util.List;

/**
 * A console of one port: virtio 1.2, section 5.3. Host input is read only while the driver has given buffers, output is
 * taken only as fast as the host takes it.
 *
 * <p>Descriptors that may block are best non-blocking: a write that hangs in a stopped terminal holds up a reset or a
 * pause. The end of the input ends input only; output that the host refuses (EPIPE, EIO, ENOSPC) is dropped.
 */
public final class VirtioConsole extends VirtioDevice {
    public static final String INPUT = "console-input";
    public static final String OUTPUT = "console-output";
    public static final String TERMINAL = "console-terminal";

    private static final int ID = 3;
    private static final int RX = 0;
    private static final int TX = 1;
    private static final long F_SIZE = 1L << 0;
    /** The most that is read at once: what a terminal's line has room for, and more. */
    private static final int MAX_READ = 64 * 1024;

    private final Fd input;
    private final Fd output;
    /** A pseudo-terminal's other side, or null. */
    private final Fd terminal;

    private final FdWatch inputWatch;
    private final FdWatch outputWatch;
    private volatile int columns;
    private volatile int rows;
    /** It has a saved guest's state. */
    private boolean goesOn;

    // The loop thread's.
    private boolean inputReady;
    private boolean inputEnded;
    private long written;

    /**
     * Takes over the descriptors, which may be the same.
     *
     * @param input null for a console that is only written to
     * @param columns of the terminal, 0 if it is none; then no size is offered
     */
    public VirtioConsole(Fd input, Fd output, int columns, int rows, EventLoop.FailureHandler onFailure) {
        this(input, output, null, columns, rows, onFailure);
    }

    private VirtioConsole(Fd input, Fd output, Fd terminal, int columns, int rows, EventLoop.FailureHandler onFailure) {
        super(
                "virtio-console",
                ID,
                2,
                columns > 0 ? F_SIZE : 0,
                new ConfigSpace(configBytes(columns, rows)),
                onFailure);
        this.input = input;
        this.output = input == output ? output.dup() : output; // epoll knows a descriptor once
        this.terminal = terminal;
        this.columns = columns;
        this.rows = rows;
        this.inputEnded = input == null;
        this.inputWatch = new FdWatch(loop(), input, new InputReady());
        this.outputWatch = new FdWatch(loop(), this.output, new OutputReady());
    }

    /**
     * A console on a pseudo-terminal, which it takes over, for terminal programs that come and go. What nobody reads is
     * dropped once the terminal is full: a guest's driver may wait for its output with interrupts off.
     */
    public static VirtioConsole onPty(Tty.Pty pty, EventLoop.FailureHandler onFailure) {
        Fd controller = pty.controller();
        controller.setNonBlocking(true);
        // Held open: else the last program to leave would end the input, and take the modes set here along.
        Fd terminal = Fd.open(pty.path(), Fd.O_RDWR);
        Tty.makeRaw(terminal); // or it would echo the guest's output back to the guest
        return new VirtioConsole(controller, controller, terminal, 0, 0, onFailure);
    }

    /** A console that another process had open; takes the descriptors over, input and terminal may be null. */
    public static VirtioConsole adopt(Fd input, Fd output, Fd terminal, EventLoop.FailureHandler onFailure) {
        return new VirtioConsole(input, output, terminal, 0, 0, onFailure);
    }

    /** The descriptors it lives on, to be handed to another process; they stay open here. */
    public void parts(List<NamedFd> to) {
        if (input != null) {
            to.add(new NamedFd(INPUT, "", input));
        }
        to.add(new NamedFd(OUTPUT, "", output));
        if (terminal != null) {
            to.add(new NamedFd(TERMINAL, "", terminal));
        }
    }

    /** struct virtio_console_config: cols@0 (2), rows@2 (2), max_nr_ports@4 (4), emerg_wr@8 (4). */
    private static byte[] configBytes(int columns, int rows) {
        byte[] config = new byte[12];
        config[0] = (byte) columns;
        config[1] = (byte) (columns >> 8);
        config[2] = (byte) rows;
        config[3] = (byte) (rows >> 8);
        config[4] = 1;
        return config;
    }

    /** The terminal has another size. Any thread; nothing happens if no size was offered. */
    public void resize(int newColumns, int newRows) {
        if (columns > 0) {
            columns = newColumns;
            rows = newRows;
            changeConfig(configBytes(newColumns, newRows));
        }
    }

    /** While paused. */
    public VirtioConsoleState state() {
        return new VirtioConsoleState(written, columns, rows);
    }

    /** Before the guest runs: what an earlier guest wrote to the file goes, unless this is that guest. */
    public void startOutput() {
        if (!output.stat().isRegular()) {
            return;
        }
        if (goesOn) {
            output.seekEnd();
        } else {
            output.truncate(0);
        }
    }

    /** Takes over a saved state, before the transport is restored. */
    public void restore(VirtioConsoleState state) {
        goesOn = true;
        written = state.written();
        if (columns > 0 && state.columns() > 0) {
            columns = state.columns();
            rows = state.rows();
            initConfig(configBytes(columns, rows));
        }
    }

    private final class InputReady implements EventLoop.Handler {
        @Override
        public void ready(int events) {
            inputReady = true;
            serve(RX);
        }
    }

    private final class OutputReady implements EventLoop.Handler {
        @Override
        public void ready(int events) {
            outputWatch.want(0);
            serve(TX);
        }
    }

    @Override
    void halted() {
        inputReady = false;
        inputWatch.want(0);
        outputWatch.want(0);
    }

    @Override
    void forget() {
        written = 0;
    }

    @Override
    void process(int index, VirtQueue queue) {
        if (index == RX) {
            receive(queue);
        } else {
            send(queue);
        }
        interrupt(queue);
    }

    private void receive(VirtQueue queue) {
        boolean ready = inputReady;
        inputReady = false;
        int budget = queue.size();
        while (!inputEnded && queue.hasNext()) {
            // Read only what is known to be there: the descriptor may be a blocking one.
            if (!ready && inputWatch.want(Epoll.EPOLLIN)) {
                return;
            }
            if (budget-- == 0 || halting()) {
                again(RX);
                return;
            }
            receiveOnce(queue);
            ready = false;
        }
        inputWatch.want(0);
    }

    private void receiveOnce(VirtQueue queue) {
        DescriptorChain chain = queue.next();
        GuestBuffers buffers = chain.writable;
        if (buffers.count() == 0) {
            throw new MalformedRequestException("console input request without room");
        }
        buffers.truncate(MAX_READ);
        long n = input.tryReadv(buffers.iovecs(), buffers.count());
        if (n > 0) {
            queue.push(chain.head(), n);
            queue.publish();
            return;
        }
        queue.putBack(1);
        if (Errno.EFAULT.is(n)) {
            throw ramLost("a read of " + input.name());
        }
        inputEnded = !Errno.EAGAIN.is(n) && !Errno.EINTR.is(n);
    }

    private void send(VirtQueue queue) {
        int budget = queue.size();
        while (!halting()) {
            if (budget-- == 0) {
                again(TX);
                return;
            }
            DescriptorChain chain = queue.next();
            if (chain == null) {
                return;
            }
            GuestBuffers text = chain.readable;
            text.skip(Math.min(written, text.byteSize()));
            long n = output.tryWritev(text.iovecs(), text.count());
            if (Errno.EFAULT.is(n)) {
                throw ramLost("a write to " + output.name());
            }
            if (Errno.EAGAIN.is(n) && terminal == null) {
                queue.putBack(1);
                outputWatch.want(Epoll.EPOLLOUT);
                return;
            }
            if (Errno.EINTR.is(n)) {
                n = 0;
            } else if (n < 0) {
                n = text.byteSize(); // dropped
            }
            if (n < text.byteSize()) {
                written += n;
                queue.putBack(1);
            } else {
                written = 0;
                queue.push(chain.head(), 0);
                queue.publish();
            }
        }
    }

    /** Also closes the descriptors. */
    @Override
    public void close() {
        super.close();
        output.close();
        if (input != null) {
            input.close();
        }
        if (terminal != null) {
            terminal.close();
        }
    }
}
