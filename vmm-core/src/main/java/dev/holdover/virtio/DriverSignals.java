package dev.holdover.virtio;

import dev.holdover.linux.EventFd;

/**
 * What a device tells its driver: used buffers, a changed configuration, that it needs a reset. Any thread; does not
 * block.
 *
 * <p>The interrupt is edge-triggered: one edge for each event, also while an earlier one is not acknowledged, so that
 * none is lost between the driver's reading of the status and its acknowledgement.
 */
final class DriverSignals {
    private static final int USED_BUFFER = 1;
    private static final int CONFIG_CHANGE = 2;

    private final EventFd interrupt;
    private int pending;
    private String trouble;

    DriverSignals(EventFd interrupt) {
        this.interrupt = interrupt;
    }

    void usedBuffers() {
        raise(USED_BUFFER);
    }

    void configChanged() {
        raise(CONFIG_CHANGE);
    }

    /** The driver broke the rules; {@code what} says how. */
    synchronized void needsReset(String what) {
        trouble = what;
        raise(CONFIG_CHANGE);
    }

    private synchronized void raise(int cause) {
        pending |= cause;
        interrupt.signal();
    }

    /** The causes not yet acknowledged: the register InterruptStatus. */
    synchronized int pending() {
        return pending;
    }

    synchronized void acknowledge(int causes) {
        pending &= ~causes;
    }

    /** What the driver did wrong since the last reset, or null. */
    synchronized String trouble() {
        return trouble;
    }

    /** Sets what is pending, and the trouble, without an interrupt. */
    synchronized void set(int causes, String what) {
        pending = causes;
        trouble = what;
    }
}
