package dev.holdover.virtio;

/** How a driver reaches a virtio device. */
public sealed interface VirtioTransport permits VirtioMmio, VirtioPci {
    /** As after power-on. Waits for the request under way. */
    void reset();
}
