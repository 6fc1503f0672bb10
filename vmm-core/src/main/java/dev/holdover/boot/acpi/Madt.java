package dev.holdover.boot.acpi;

import dev.holdover.platform.MemoryMap;

/** Multiple APIC Description Table: the vCPUs and how interrupts reach them. ACPI 6.5 §5.2.12. */
final class Madt {
    private static final int REVISION = 5;
    /** There are 8259s beside the APICs. */
    private static final int PCAT_COMPAT = 1;

    private static final int ENABLED = 1;
    /** APIC ids from here on do not fit into the entry of an xAPIC, 255 being its broadcast. */
    private static final int FIRST_X2APIC = 255;

    private static final int IOAPIC_ID = 0;
    private static final int TIMER_IRQ = 0;
    private static final int TIMER_GSI = 2;
    private static final int BUS_DEFAULT = 0;
    private static final int LEVEL_ACTIVE_HIGH = 0xd;
    private static final int NMI_PIN = 1;

    private Madt() {}

    static byte[] bytes(int cpus) {
        Table madt = new Table("APIC", REVISION);
        madt.u32(MemoryMap.LAPIC).u32(PCAT_COMPAT);
        for (int id = 0; id < cpus; id++) {
            if (id < FIRST_X2APIC) {
                madt.u8(0).u8(8).u8(id).u8(id).u32(ENABLED);
            } else {
                madt.u8(9).u8(16).u16(0).u32(id).u32(ENABLED).u32(id);
            }
        }
        madt.u8(1).u8(12).u8(IOAPIC_ID).u8(0).u32(MemoryMap.IOAPIC).u32(0);
        override(madt, TIMER_IRQ, TIMER_GSI, BUS_DEFAULT);
        override(madt, MemoryMap.GSI_SCI, MemoryMap.GSI_SCI, LEVEL_ACTIVE_HIGH);
        madt.u8(4).u8(6).u8(0xff).u16(BUS_DEFAULT).u8(NMI_PIN); // NMI of all LAPICs
        if (cpus > FIRST_X2APIC) {
            madt.u8(0xa).u8(12).u16(BUS_DEFAULT).u32(0xffffffffL).u8(NMI_PIN).skip(3);
        }
        return madt.finish();
    }

    /** An ISA interrupt whose pin or mode is not what an AT's would be. */
    private static void override(Table madt, int irq, int gsi, int flags) {
        madt.u8(2).u8(10).u8(0).u8(irq).u32(gsi).u16(flags);
    }
}
