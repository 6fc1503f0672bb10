package dev.holdover.boot.acpi;

import dev.holdover.pci.PciHostBridge;
import dev.holdover.platform.AcpiPm;
import dev.holdover.platform.MemoryMap;
import dev.holdover.platform.PciWindows;
import java.util.ArrayList;
import java.util.List;

/**
 * Differentiated System Description Table: soft-off, the serial port, the clock, the virtio-mmio devices, the PCI bus.
 * ACPI 6.5 §5.2.11.1.
 */
final class Dsdt {
    /** Two: integers in its AML have 64 bits. */
    private static final int REVISION = 2;

    private Dsdt() {}

    /** @param pci null if there is no such bus */
    static byte[] bytes(List<VirtioSlot> virtio, PciRoot pci) {
        List<byte[]> devices = new ArrayList<>();
        devices.add(com1());
        devices.add(rtc());
        for (int i = 0; i < virtio.size(); i++) {
            devices.add(virtio(i, virtio.get(i)));
        }
        if (pci != null) {
            devices.add(ecam(pci));
            devices.add(pci(pci));
        }
        byte[] softOff = Aml.integer(AcpiPm.S5_SLEEP_TYPE);
        byte[] off = Aml.pack(softOff, softOff, Aml.integer(0), Aml.integer(0));
        return new Table("DSDT", REVISION)
                .append(Aml.name("_S5_", off))
                .append(Aml.scope("_SB_", devices.toArray(new byte[0][])))
                .finish();
    }

    private static byte[] com1() {
        return Aml.device(
                "COM1",
                Aml.name("_HID", Aml.eisaId("PNP0501")),
                Aml.name("_UID", Aml.integer(0)),
                Aml.name(
                        "_CRS",
                        Resources.template(
                                Resources.ports(MemoryMap.PORT_COM1, 8), Resources.irq(MemoryMap.GSI_COM1))));
    }

    private static byte[] rtc() {
        return Aml.device(
                "RTC_",
                Aml.name("_HID", Aml.eisaId("PNP0B00")),
                Aml.name(
                        "_CRS",
                        Resources.template(Resources.ports(MemoryMap.PORT_CMOS, 2), Resources.irq(MemoryMap.GSI_RTC))));
    }

    /** The id that Linux' virtio-mmio driver listens to. */
    private static byte[] virtio(int index, VirtioSlot slot) {
        char high = Character.toUpperCase(Character.forDigit(index >> 4, 16));
        char low = Character.toUpperCase(Character.forDigit(index & 15, 16));
        return Aml.device(
                "VR" + high + low,
                Aml.name("_HID", Aml.string("LNRO0005")),
                Aml.name("_UID", Aml.integer(index)),
                Aml.name("_CCA", Aml.integer(1)),
                Aml.name(
                        "_CRS",
                        Resources.template(
                                Resources.memory(slot.base(), slot.size()), Resources.interrupt(slot.gsi()))));
    }

    /** A mainboard resource: Linux uses the MCFG only if what it names is reserved so. */
    private static byte[] ecam(PciRoot pci) {
        return Aml.device(
                "ECAM",
                Aml.name("_HID", Aml.eisaId("PNP0C02")),
                Aml.name("_UID", Aml.integer(0)),
                Aml.name("_CRS", Resources.template(Resources.memory(pci.ecam(), PciHostBridge.ECAM_SIZE))));
    }

    private static byte[] pci(PciRoot pci) {
        List<byte[]> resources = new ArrayList<>();
        resources.add(Resources.buses(0, 0));
        resources.add(Resources.ports(PciHostBridge.PORT, PciHostBridge.PORTS));
        PciWindows.Window ports = pci.windows().ports();
        resources.add(Resources.portWindow(ports.base(), ports.end() - 1));
        PciWindows.Window low = pci.windows().low();
        resources.add(Resources.memoryWindow(low.base(), low.end() - 1));
        PciWindows.Window high = pci.windows().high();
        if (!high.isEmpty()) {
            resources.add(Resources.highMemoryWindow(high.base(), high.end() - 1));
        }
        List<byte[]> routes = new ArrayList<>();
        for (PciRoot.Interrupt interrupt : pci.interrupts()) {
            // All functions of a device, INTA#, no link device: the GSI itself.
            routes.add(Aml.pack(
                    Aml.integer(((long) interrupt.slot() << 16) | 0xffff),
                    Aml.integer(0),
                    Aml.integer(0),
                    Aml.integer(interrupt.gsi())));
        }
        return Aml.device(
                "PCI0",
                Aml.name("_HID", Aml.eisaId("PNP0A08")), // with configuration space as memory
                Aml.name("_CID", Aml.eisaId("PNP0A03")),
                Aml.name("_SEG", Aml.integer(0)),
                Aml.name("_BBN", Aml.integer(0)),
                Aml.name("_UID", Aml.integer(0)),
                Aml.name("_CRS", Resources.template(resources.toArray(new byte[0][]))),
                Aml.name("_PRT", Aml.pack(routes.toArray(new byte[0][]))));
    }
}
