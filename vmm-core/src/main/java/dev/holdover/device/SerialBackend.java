package dev.holdover.device;

/**
 * What the guest's serial port is wired to, on the host's side.
 *
 * <p>Output is written by a thread of its own ({@link SerialWriter}), so that a slow reader stops no vCPU for long; input
 * comes on an {@link EventLoop}, as fast as the guest takes it. {@link #close} writes what is pending, for two seconds at
 * most, and leaves no raw terminal and no socket behind; so does the end of the JVM by exit, SIGINT, SIGTERM or SIGHUP.
 */
public abstract sealed class SerialBackend implements SerialOutput, AutoCloseable
        permits NullSerial, FileSerial, StdioSerial, PtySerial, UnixSerial {
    SerialBackend() {}

    private Thread hook;
    private boolean restored;

    /**
     * Opens what {@code config} names.
     *
     * @param loop brings the input; may be shared
     * @param quit called on the loop's or the writer's thread when the user ends the VMM by Ctrl-A x or by going away
     *     from standard output; must not wait for either
     */
    public static SerialBackend open(SerialConfig config, EventLoop loop, Runnable quit) {
        SerialBackend backend = create(config, loop, quit);
        backend.hook = new Thread("serial restore") {
            @Override
            public void run() {
                backend.restoreOnce();
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

    /** Begins to bring input to {@code uart}, and tells it when there is room for output. Once, before the guest runs. */
    public abstract void start(Uart16550 uart);

    /** Bytes of the guest's so far that could not be written, or had no one to go to. */
    public abstract long dropped();

    /** Stops bringing input. */
    abstract void stop();

    /**
     * Writes what is pending and puts right what would outlive the process: terminal modes, a socket's path. Does not
     * need the loop, which may be the thread that exits.
     */
    abstract void restore();

    abstract void closeDescriptors();

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
