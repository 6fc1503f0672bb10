package dev.holdover.virtio;

/**
 * What a device tells its driver: used buffers, a changed configuration, that it needs a reset; how the transport
 * interrupts it is the subclass'. Any thread; does not block.
 */
abstract class DriverSignals {
    static final int USED_BUFFER = 1;
    static final int CONFIG_CHANGE = 2;

    /** In place of a queue's index. */
    static final int CONFIG = -1;

    private int pending;
    private String trouble;

    /** Interrupts the driver; {@code queue} may be {@link #CONFIG}. Locked. */
    abstract void interrupt(int queue);

    void usedBuffers(int queue) {
        interruptLocked(queue);
    }

    void configChanged() {
        interruptLocked(CONFIG);
    }

    private synchronized void interruptLocked(int queue) {
        interrupt(queue);
    }

    /** The driver broke the rules; {@code what} says how. */
    synchronized void needsReset(String what) {
        trouble = what;
        interrupt(CONFIG);
    }

    /** Shows the cause of an interrupt as pending. */
    final void note(int queue) {
        pending |= queue == CONFIG ? CONFIG_CHANGE : USED_BUFFER;
    }

    /** The causes not yet acknowledged. */
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
