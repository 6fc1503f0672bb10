package dev.holdover.boot;

import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;
import java.lang.foreign.MemorySegment;

/** An identity map of the first 4 GiB with 2 MiB pages, at {@link MemoryMap#PAGE_TABLES}: six pages. */
final class PageTables {
    private static final long PRESENT_WRITABLE = 3;
    private static final long LARGE = 1 << 7;
    private static final int ENTRIES = 512;
    private static final int DIRECTORIES = 4;

    private PageTables() {}

    static void write(GuestMemory memory) {
        long pml4 = MemoryMap.PAGE_TABLES;
        long pdpt = pml4 + MemoryMap.PAGE;
        long directory = pdpt + MemoryMap.PAGE;
        long[] tables = new long[(2 + DIRECTORIES) * ENTRIES];
        tables[0] = pdpt | PRESENT_WRITABLE;
        for (int i = 0; i < DIRECTORIES; i++) {
            tables[ENTRIES + i] = (directory + i * MemoryMap.PAGE) | PRESENT_WRITABLE;
        }
        for (int i = 0; i < DIRECTORIES * ENTRIES; i++) {
            tables[2 * ENTRIES + i] = (i * 2L * MemoryMap.MIB) | LARGE | PRESENT_WRITABLE;
        }
        memory.write(pml4, MemorySegment.ofArray(tables));
    }
}
