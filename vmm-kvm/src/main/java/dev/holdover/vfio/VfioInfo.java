package dev.holdover.vfio;

/**
 * What VFIO tells of a device as a whole.
 *
 * @param pci whether it is a PCI device, whose regions and interrupts have the indexes of {@link VfioDevice}
 * @param resets whether {@link VfioDevice#reset} works on it
 * @param regions how many region indexes there are
 * @param irqs how many interrupt indexes there are
 */
public record VfioInfo(boolean pci, boolean resets, int regions, int irqs) {}
