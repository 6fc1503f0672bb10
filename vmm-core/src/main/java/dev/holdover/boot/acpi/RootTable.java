package dev.holdover.boot.acpi;

/** Where the other tables are, with addresses of 32 bits for old guests (RSDT) and of 64: ACPI 6.5 §5.2.7 and §5.2.8. */
final class RootTable {
    private RootTable() {}

    static byte[] rsdt(long fadt, long madt) {
        return new Table("RSDT", 1).u32(fadt).u32(madt).finish();
    }

    static byte[] xsdt(long fadt, long madt) {
        return new Table("XSDT", 1).u64(fadt).u64(madt).finish();
    }
}
