package dev.holdover.boot.acpi;

import java.util.List;

/**
 * What of the machine differs between guests.
 *
 * @param cpus number of vCPUs; their APIC ids are 0 to {@code cpus - 1}
 * @param virtio the virtio-mmio devices, in the order in which the guest is to find them
 * @param pci the PCI bus; null if there is none
 */
public record AcpiConfig(int cpus, List<VirtioSlot> virtio, PciRoot pci) {
    public AcpiConfig {
        virtio = List.copyOf(virtio);
    }
}
