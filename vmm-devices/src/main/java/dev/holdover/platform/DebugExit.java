package dev.holdover.platform;

import java.util.function.Consumer;

/**
 * The debug-exit port of test guests: a write of any width ends the VMM with an exit code made from the value. Reads
 * give 0, by which guests can tell that it is there. As QEMU's isa-debug-exit. Without state.
 */
public final class DebugExit implements BusDevice {
    /** Ports it takes on the bus. */
    public static final int PORTS = 4;

    private final Consumer<GuestRequest> requests;

    /** {@code requests} is told on the vCPU's thread. */
    public DebugExit(Consumer<GuestRequest> requests) {
        this.requests = requests;
    }

    @Override
    public long read(long offset, int width) {
        return 0;
    }

    @Override
    public void write(long offset, int width, long value) {
        requests.accept(new GuestRequest.DebugExit((int) value));
    }
}
