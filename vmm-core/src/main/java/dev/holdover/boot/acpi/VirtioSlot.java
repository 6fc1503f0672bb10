package dev.holdover.boot.acpi;

/**
 * A virtio-mmio device, as the DSDT tells of it.
 *
 * @param base GPA of its registers, below 4 GiB
 * @param size of its registers, bytes
 * @param gsi its interrupt: edge-triggered, active high
 */
public record VirtioSlot(long base, long size, int gsi) {}
