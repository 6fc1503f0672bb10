package dev.holdover.boot.acpi;

/** Where the other tables are, with addresses of 32 bits for old guests (RSDT) and of 64: ACPI 6.5 §5.2.7 and §5.2.8. */
final class RootTable {
    private RootTable() {}

    static byte[] rsdt(long... tables) {
        Table rsdt = new Table("RSDT", 1);
        for (long table : tables) {
            rsdt.u32(table);
        }
        return rsdt.finish();
    }

    static byte[] xsdt(long... tables) {
        Table xsdt = new Table("XSDT", 1);
        for (long table : tables) {
            xsdt.u64(table);
        }
        return xsdt.finish();
    }
}
