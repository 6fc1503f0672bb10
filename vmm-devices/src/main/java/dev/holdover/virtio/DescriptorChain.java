package dev.holdover.virtio;

import dev.holdover.memory.GuestMemory;

/**
 * One request: a chain of descriptors that was taken from a queue, every buffer of it checked to be RAM. Made once for
 * a queue and filled again by each {@link VirtQueue#next}.
 */
final class DescriptorChain {
    /** What the driver gives to the device. */
    final GuestBuffers readable;
    /** What the driver wants filled; it comes behind the readable part. */
    final GuestBuffers writable;

    private final GuestMemory memory;
    private int head;

    DescriptorChain(GuestMemory memory) {
        this.memory = memory;
        this.readable = new GuestBuffers(memory, VirtQueue.MAX_SIZE);
        this.writable = new GuestBuffers(memory, VirtQueue.MAX_SIZE);
    }

    /** The index of the first descriptor, by which the driver knows the request. */
    int head() {
        return head;
    }

    GuestMemory memory() {
        return memory;
    }

    void begin(int first) {
        head = first;
        readable.clear();
        writable.clear();
    }
}
