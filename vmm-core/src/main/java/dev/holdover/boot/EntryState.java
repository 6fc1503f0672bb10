package dev.holdover.boot;

import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;
import java.lang.foreign.MemorySegment;

/**
 * The descriptor table (and page tables) that an entry by {@link CpuEntry.Mode#PROTECTED_32} or {@code LONG_64} finds in
 * guest RAM. The selectors are those of Linux' boot protocol; PVH and multiboot ask for flat segments only.
 */
public final class EntryState {
    public static final long GDT_BASE = MemoryMap.BOOT_GDT;
    /** CS: base 0, limit 4 GiB, execute and read, accessed; 64-bit in long mode, else 32-bit. */
    public static final int CODE_SELECTOR = 0x10;
    /** DS, ES, FS, GS, SS: base 0, limit 4 GiB, read and write, accessed. */
    public static final int DATA_SELECTOR = 0x18;
    /** TR: base 0, limit 0x67, busy. */
    public static final int TSS_SELECTOR = 0x20;
    /** Offset of the table's last byte. */
    public static final int GDT_LIMIT = 0x2f;

    private static final long CODE_32 = 0x00cf9b000000ffffL;
    private static final long CODE_64 = 0x00af9b000000ffffL;
    private static final long DATA = 0x00cf93000000ffffL;
    /** In long mode its upper half follows: base bits 32 and up, zero. */
    private static final long TSS = 0x00008b0000000067L;

    private EntryState() {}

    static void write(GuestMemory memory, CpuEntry.Mode mode) {
        boolean wide = mode == CpuEntry.Mode.LONG_64;
        long[] gdt = {0, 0, wide ? CODE_64 : CODE_32, DATA, TSS, 0};
        memory.write(GDT_BASE, MemorySegment.ofArray(gdt));
        if (wide) {
            PageTables.write(memory);
        }
    }
}
