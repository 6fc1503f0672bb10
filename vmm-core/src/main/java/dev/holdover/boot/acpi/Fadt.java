package dev.holdover.boot.acpi;

import dev.holdover.platform.MemoryMap;

/**
 * Fixed ACPI Description Table, revision 6: the PM registers, the SCI, the reset register. ACPI 6.5 §5.2.9.
 *
 * <p>There is no SMI command port, so the machine is always in ACPI mode: SCI_EN reads as 1.
 */
final class Fadt {
    private static final int PM1_EVENT = MemoryMap.PORT_ACPI_PM;
    private static final int PM1_CONTROL = MemoryMap.PORT_ACPI_PM + 4;
    private static final int PM_TIMER = MemoryMap.PORT_ACPI_PM + 8;

    /** Latencies that say: no C2, no C3. */
    private static final int NO_C2 = 101;

    private static final int NO_C3 = 1001;

    // IAPC_BOOT_ARCH. An 8042 is not told of: what there is of it can reset the machine and do nothing else.
    private static final int LEGACY_DEVICES = 1;
    private static final int VGA_NOT_PRESENT = 1 << 2;

    // Flags. PWR_BUTTON is 0: the power button is one of the fixed registers.
    private static final int WBINVD = 1;
    private static final int PROC_C1 = 1 << 2;
    private static final int NO_SLEEP_BUTTON = 1 << 5;
    private static final int NO_RTC_WAKE = 1 << 6;
    private static final int RESET_REG_SUP = 1 << 10;

    /** What the keyboard controller takes for a reset. */
    private static final int RESET_VALUE = 0xfe;

    // Access sizes of a Generic Address Structure
    private static final int BYTE = 1;
    private static final int WORD = 2;
    private static final int DWORD = 3;

    private static final int REVISION = 6;
    private static final int MINOR_REVISION = 5;

    private Fadt() {}

    static byte[] bytes(long facs, long dsdt) {
        Table fadt = new Table("FACP", REVISION);
        fadt.u32(facs).u32(dsdt);
        fadt.u8(0).u8(0); // reserved, preferred power profile: unspecified
        fadt.u16(MemoryMap.GSI_SCI);
        fadt.u32(0).u8(0).u8(0).u8(0).u8(0); // SMI_CMD and what would be written to it
        fadt.u32(PM1_EVENT)
                .u32(0)
                .u32(PM1_CONTROL)
                .u32(0)
                .u32(0)
                .u32(PM_TIMER)
                .u32(0)
                .u32(0);
        fadt.u8(4).u8(2).u8(0).u8(4).u8(0).u8(0); // lengths of these: PM1 events, control, PM2, timer, GPE0, GPE1
        fadt.u8(0).u8(0); // GPE1_BASE, CST_CNT
        fadt.u16(NO_C2).u16(NO_C3);
        fadt.u16(0).u16(0).u8(0).u8(0); // cache flush, duty cycle
        fadt.u8(0).u8(0).u8(0); // DAY_ALRM, MON_ALRM, CENTURY: the RTC has none
        fadt.u16(LEGACY_DEVICES | VGA_NOT_PRESENT).u8(0);
        fadt.u32(WBINVD | PROC_C1 | NO_SLEEP_BUTTON | NO_RTC_WAKE | RESET_REG_SUP);
        port(fadt, MemoryMap.PORT_I8042_COMMAND, 8, BYTE);
        fadt.u8(RESET_VALUE).u16(0).u8(MINOR_REVISION);
        fadt.u64(0); // X_FIRMWARE_CTRL: the 32-bit field says it
        fadt.u64(dsdt);
        port(fadt, PM1_EVENT, 32, WORD);
        none(fadt);
        port(fadt, PM1_CONTROL, 16, WORD);
        none(fadt);
        none(fadt); // PM2
        port(fadt, PM_TIMER, 32, DWORD);
        none(fadt); // GPE0
        none(fadt); // GPE1
        none(fadt); // sleep control and status: of hardware-reduced machines
        none(fadt);
        fadt.u64(0); // hypervisor vendor
        return fadt.finish();
    }

    /** A Generic Address Structure of an I/O port. */
    private static void port(Table fadt, int port, int bits, int access) {
        fadt.u8(1).u8(bits).u8(0).u8(access).u64(port);
    }

    private static void none(Table fadt) {
        fadt.skip(12);
    }
}
