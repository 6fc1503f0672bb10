package dev.holdover.boot.acpi;

import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;

/**
 * The ACPI tables of the machine, between {@link MemoryMap#RSDP} and {@link MemoryMap#ACPI_TABLES_END}: one after the
 * other, what is pointed to before what points to it.
 *
 * @see <a href="https://uefi.org/specs/ACPI/6.5/">ACPI Specification 6.5</a>
 */
public final class AcpiTables {
    /** What the FACS needs; more than the others do. */
    private static final int ALIGNMENT = 64;

    private final GuestMemory memory;
    private long next = MemoryMap.ACPI_TABLES;

    private AcpiTables(GuestMemory memory) {
        this.memory = memory;
    }

    /**
     * Writes the tables, before the first vCPU runs, and anew after a reset.
     *
     * @return GPA of the root pointer, {@link MemoryMap#RSDP}
     * @throws VmmException if the RAM ends below 1 MiB, or there are more vCPUs and devices than there is room for
     */
    public static long write(GuestMemory memory, AcpiConfig config) {
        if (!memory.contains(0, MemoryMap.ACPI_TABLES_END)) {
            throw new VmmException(
                    "the guest's ACPI tables need 1 MiB of RAM, and there is less; give it more with --memory");
        }
        AcpiTables tables = new AcpiTables(memory);
        long facs = tables.add(Facs.bytes());
        long dsdt = tables.add(Dsdt.bytes(config.virtio(), config.pci()));
        long fadt = tables.add(Fadt.bytes(facs, dsdt));
        long madt = tables.add(Madt.bytes(config.cpus()));
        long[] pointers = config.pci() == null
                ? new long[] {fadt, madt}
                : new long[] {fadt, madt, tables.add(Mcfg.bytes(config.pci()))};
        long rsdt = tables.add(RootTable.rsdt(pointers));
        long xsdt = tables.add(RootTable.xsdt(pointers));
        memory.write(MemoryMap.RSDP, Rsdp.bytes(rsdt, xsdt));
        return MemoryMap.RSDP;
    }

    private long add(byte[] table) {
        long gpa = next;
        if (table.length > MemoryMap.ACPI_TABLES_END - gpa) {
            throw new VmmException("the ACPI tables do not fit into the "
                    + (MemoryMap.ACPI_TABLES_END - MemoryMap.ACPI_TABLES)
                    + " bytes kept for them; give the guest fewer vCPUs or devices");
        }
        memory.write(gpa, table);
        next = (gpa + table.length + ALIGNMENT - 1) & -ALIGNMENT;
        return gpa;
    }
}
