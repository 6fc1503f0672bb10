/**
 * PCI devices of the host that a guest has as its own, through VFIO and iommufd.
 *
 * <p>What the guest does with such a device, and who sees to it:
 *
 * <pre>
 * registers in BARs        the device itself, by memslots; what cannot be mapped, by exits   {@link dev.holdover.passthrough.VfioBars}
 * MSI-X table, MSI, INTx   emulated: the host programs the device, an eventfd goes to KVM    {@link dev.holdover.passthrough.VfioInterrupts}
 * configuration space      emulated, but for PCI Express and what no capability claims        {@link dev.holdover.passthrough.VfioFunction}
 * DMA                      the device itself, where the iommufd maps guest RAM
 * </pre>
 *
 * <p>KVM's own VFIO device (KVM_DEV_TYPE_VFIO) is not used: it ties a device to the VM that it was bound for until the last
 * descriptor is closed, and a hand-over gives it another. What it would be for: guests whose devices do DMA past the
 * processor's caches, and graphics cards that need the VM.
 */
package dev.holdover.passthrough;
