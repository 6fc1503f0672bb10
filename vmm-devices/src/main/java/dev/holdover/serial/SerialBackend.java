package dev.holdover.serial;

import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.NamedFd;
import dev.holdover.platform.SerialOutput;
import dev.holdover.platform.Uart16550;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * What the guest's serial port is wired to, on the host's side.
 *
 * <p>Output is written by a thread of its own ({@link SerialWriter}), so that a slow reader stops no vCPU for long; input
 * comes on an {@link EventLoop}, as fast as the guest takes it. {@link #close} writes what is pending, for two seconds at
 * most, and leaves no raw terminal and no socket behind; so does the end of the JVM by exit, SIGINT, SIGTERM or SIGHUP.
 */
public abstract sealed class SerialBackend implements SerialOutput, AutoCloseable
        permits NullSerial, FileSerial, StdioSerial, PtySerial, UnixSerial {
    static final String INPUT = "serial-input";
    static final String OUTPUT = "serial-output";
    static final String TERMINAL = "serial-terminal";
    static final String LISTENER = "serial-listener";
    static final String CLIENT = "serial-client";

    SerialBackend() {}

    static final MemorySegment NOTHING = MemorySegment.ofArray(new byte[0]);

    /** What is on its way between guest and host: read and not taken, sent and not written. */
    public record Pending(MemorySegment input, MemorySegment output) {}

    private Thread hook;
    private boolean restored;
    private volatile boolean givenAway;

    /**
     * Opens what {@code config} names.
     *
     * @param loop brings the input; may be shared
     * @param quit called on the loop's or the writer's thread when the user ends the VMM by Ctrl-A x or by going away
     *     from standard output; must not wait for either
     */
    public static SerialBackend open(SerialConfig config, EventLoop loop, Runnable quit) {
        return hooked(create(config, loop, quit));
    }

    /**
     * Takes over what another process had open, with {@link #parts}. As {@link #open} otherwise.
     *
     * @param parts all that were handed over; this takes those that are its own
     */
    public static SerialBackend adopt(SerialConfig config, List<NamedFd> parts, EventLoop loop, Runnable quit) {
        SerialBackend backend;
        if (config instanceof SerialConfig.Stdio) {
            Fd in = NamedFd.take(parts, INPUT);
            backend = new StdioSerial(loop, in, NamedFd.take(parts, OUTPUT), quit);
        } else if (config instanceof SerialConfig.File file) {
            backend = new FileSerial(file.path(), NamedFd.require(parts, OUTPUT));
        } else if (config instanceof SerialConfig.Unix unix) {
            Fd listener = NamedFd.require(parts, LISTENER);
            backend = new UnixSerial(unix.path(), loop, listener, NamedFd.take(parts, CLIENT));
        } else if (config instanceof SerialConfig.Pty) {
            String path = NamedFd.id(parts, OUTPUT);
            Fd controller = NamedFd.require(parts, OUTPUT);
            backend = new PtySerial(loop, path, controller, NamedFd.require(parts, TERMINAL));
        } else {
            backend = new NullSerial();
        }
        backend.givenAway = true; // still the other process's
        return hooked(backend);
    }

    private static SerialBackend hooked(SerialBackend backend) {
        backend.hook = new Thread("serial restore") {
            @Override
            public void run() {
                backend.exiting();
            }
        };
        Runtime.getRuntime().addShutdownHook(backend.hook);
        return backend;
    }

    private static SerialBackend create(SerialConfig config, EventLoop loop, Runnable quit) {
        if (config instanceof SerialConfig.Stdio) {
            return StdioSerial.ofProcess(loop, quit);
        }
        if (config instanceof SerialConfig.File file) {
            return new FileSerial(file.path());
        }
        if (config instanceof SerialConfig.Unix unix) {
            return new UnixSerial(unix.path(), loop);
        }
        if (config instanceof SerialConfig.Pty) {
            return new PtySerial(loop);
        }
        return new NullSerial();
    }

    /** Before {@link #start}: the guest does not begin, it goes on; what it has written stays. */
    public void goOn() {}

    /**
     * Begins to bring input to {@code uart}, if it was {@link #adopt adopted} once it is {@link #taken}, and tells it when
     * there is room for output. Once, before the guest runs.
     */
    public abstract void start(Uart16550 uart);

    /** Lets {@code input} come from {@code source}, now or when this is {@link #taken}. */
    final void attach(SerialInput input, Fd source) {
        if (givenAway) {
            input.rest(source);
        } else {
            input.attach(source);
        }
    }

    /** What carries output, null where none goes. */
    SerialWriter writer() {
        return null;
    }

    /** What brings input, null where none comes or not yet. */
    SerialInput input() {
        return null;
    }

    /** The descriptors it lives on, to be handed to another process; they stay open here. */
    public void parts(List<NamedFd> to) {}

    /**
     * Lets no new client in until {@link #resume}: who comes waits, for this process or the one that is given the {@link
     * #parts}. Any thread but the loop's.
     */
    public void holdClients() {}

    /** Brings no more input until {@link #resume}. Any thread but the loop's. */
    public final void suspendInput() {
        if (input() != null) {
            input().suspend();
        }
    }

    /**
     * Carries nothing until {@link #resume}, and says what is pending; after {@link #suspendInput}. The guest is paused.
     */
    public final Pending suspend() {
        return new Pending(
                input() == null ? NOTHING : input().pending(), writer() == null ? NOTHING : writer().suspend());
    }

    /** Goes on after {@link #suspend}: the guest was not handed over. */
    public final void resume() {
        resume(NOTHING);
    }

    /** Likewise, with input that was read before: it comes first. */
    void resume(MemorySegment inputBefore) {
        if (writer() != null) {
            writer().resume();
        }
        if (input() != null) {
            input().resume(inputBefore);
        }
    }

    /** What it lived on is another process's now: {@link #close} leaves it as it is. */
    public final void giveAway() {
        givenAway = true;
        if (writer() != null) {
            writer().giveAway();
        }
    }

    /**
     * What was {@link #adopt adopted} is this process's now, and so is output that was pending in the one before; after
     * {@link #start}, before the guest runs. Until then nothing is read, and {@link #close} leaves it as it is.
     */
    public final void taken(MemorySegment output) {
        givenAway = false;
        for (long i = 0; writer() != null && i < output.byteSize(); i++) {
            writer().write(output.get(ValueLayout.JAVA_BYTE, i));
        }
    }

    /** Begins to bring input after {@link #taken}: first what the process before had read; the guest may run already. */
    public final void takenInput(MemorySegment before) {
        resume(before);
    }

    /** Whether what it lives on is another process's, and is to be left as it is. */
    final boolean isGivenAway() {
        return givenAway;
    }

    /** Waits, two seconds at most, until what the guest has sent is where it goes: before it may go on in another VMM. */
    public final void flush() {
        if (writer() != null) {
            writer().flush();
        }
    }

    /** Bytes of the guest's so far that could not be written, or had no one to go to. */
    public abstract long dropped();

    /** Stops bringing input. */
    abstract void stop();

    /**
     * Writes what is pending and puts right what would outlive the process: terminal modes, a socket's path. Does not
     * need the loop, which may be the thread that exits.
     */
    void restore() {
        if (writer() != null) {
            writer().close();
        }
        removeTraces();
    }

    abstract void closeDescriptors();

    /**
     * The process is about to end. The guest may run on for a while, and its state be taken meanwhile: no output is
     * refused. Where a machine is taken apart before the end, {@link #close} does the rest.
     */
    final void exiting() {
        flush();
        synchronized (this) { // as restoreOnce, which may run on another thread
            removeTraces();
        }
    }

    /** Puts right what would outlive the process: terminal modes, a socket's path. More than once is as good as once. */
    void removeTraces() {}

    private synchronized void restoreOnce() {
        if (!restored) {
            restored = true;
            restore();
        }
    }

    @Override
    public final void close() {
        stop();
        restoreOnce();
        closeDescriptors();
        if (hook != null) {
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException e) {
                // The JVM is ending: the hook runs, or has run.
            }
        }
    }

    /** Calls {@code uart} when {@code writer} is ready again. */
    static void wire(SerialWriter writer, Uart16550 uart) {
        writer.onReady(new Runnable() {
            @Override
            public void run() {
                uart.transmitReady();
            }
        });
    }
}
