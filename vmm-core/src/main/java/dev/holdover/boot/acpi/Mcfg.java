package dev.holdover.boot.acpi;

/** Memory-mapped configuration space: PCI Firmware Specification 3.2, section 4.1.2. One segment with bus 0 alone. */
final class Mcfg {
    private static final int REVISION = 1;

    private Mcfg() {}

    static byte[] bytes(PciRoot pci) {
        Table mcfg = new Table("MCFG", REVISION);
        mcfg.skip(8);
        mcfg.u64(pci.ecam()).u16(0).u8(0).u8(0).skip(4); // segment, first bus, last bus
        return mcfg.finish();
    }
}
