package dev.holdover.pci;

/**
 * What a function does about its message interrupts. Called under the lock of {@link Msix} or {@link Msi}, on a vCPU's
 * thread or the one that restores; must not call back.
 *
 * <p>One guest write may change many vectors: each is told of, then {@link #settled} follows once. Who sends the messages
 * itself, and has nobody to tell, needs {@link #deliver} only.
 */
public interface MsiListener {
    /** Message interrupts are switched on (no vector is usable yet) or off (none is any more). */
    default void enabled(boolean on) {}

    /** Vector {@code vector} is usable from now on with this message, or its message has changed. */
    default void unmasked(int vector, long address, int data) {}

    /** A vector that was usable is so no more: what comes is to be kept pending. */
    default void masked(int vector) {}

    /** One that was raised while it was masked is to be sent now, or one that is not masked has been raised. */
    void deliver(int vector, long address, int data);

    /** Whether a masked vector waits where only the function sees it; for who reads the pending bits. */
    default boolean isPending(int vector) {
        return false;
    }

    /** All that one write changes has been told: what is costly can be done now, at once. */
    default void settled() {}
}
