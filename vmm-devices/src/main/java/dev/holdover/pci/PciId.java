package dev.holdover.pci;

/**
 * What a function says it is: PCI Local Bus 3.0, section 6.2.1.
 *
 * @param vendor 16 bits, as are {@code device} and the two of the subsystem
 * @param classCode class, subclass and programming interface, 24 bits
 * @param revision 8 bits
 */
public record PciId(int vendor, int device, int classCode, int revision, int subsystemVendor, int subsystem) {}
