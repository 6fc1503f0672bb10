package dev.holdover.boot.acpi;

import dev.holdover.boot.MemoryMap;
import dev.holdover.device.AcpiPm;
import java.util.List;

/**
 * Differentiated System Description Table: soft-off, the serial port, the clock, the virtio-mmio devices. ACPI 6.5
 * §5.2.11.1.
 */
final class Dsdt {
    /** Two: integers in its AML have 64 bits. */
    private static final int REVISION = 2;

    private Dsdt() {}

    static byte[] bytes(List<VirtioSlot> virtio) {
        byte[][] devices = new byte[2 + virtio.size()][];
        devices[0] = com1();
        devices[1] = rtc();
        for (int i = 0; i < virtio.size(); i++) {
            devices[2 + i] = virtio(i, virtio.get(i));
        }
        byte[] softOff = Aml.integer(AcpiPm.S5_SLEEP_TYPE);
        byte[] off = Aml.pack(softOff, softOff, Aml.integer(0), Aml.integer(0));
        return new Table("DSDT", REVISION)
                .append(Aml.name("_S5_", off))
                .append(Aml.scope("_SB_", devices))
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
}
