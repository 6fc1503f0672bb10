package dev.holdover.virtio;

/**
 * What a guest relies on in its disk, to be compared when it is restored.
 *
 * @param sectors of 512 bytes
 * @param readOnly whether the guest may only read
 */
public record VirtioBlkState(long sectors, boolean readOnly) {}
