package dev.holdover.boot;

import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;

/**
 * An ELF file with Xen's note of an entry for PVH guests: entered in protected mode, with hvm_start_info (version 1)
 * at {@link MemoryMap#PVH_INFO}.
 *
 * @param entry GPA of the first instruction
 * @see <a href="https://xenbits.xen.org/docs/unstable/misc/pvh.html">x86/HVM direct boot ABI</a>
 */
record PvhKernel(Segments segments, long entry) implements Kernel {
    private static final int MAGIC = 0x336ec578;
    private static final int VERSION = 1;

    static PvhKernel parse(ElfImage elf) {
        return new PvhKernel(elf.segments(), elf.segments().entry(elf.pvhEntry()));
    }

    @Override
    public CpuEntry load(GuestMemory memory, E820 map, BootConfig config, long rsdp) {
        LowRam ram = new LowRam(map.lowRamEnd());
        long end = segments.load(memory, ram);
        Initrd initrd = Initrd.load(config.initrd(), memory, end, ram.end());
        CommandLine.write(memory, segments.file(), config.commandLine(), CommandLine.MAX_LENGTH);
        writeModule(memory, initrd);
        writeMemoryMap(memory, map);
        writeStartInfo(memory, map, initrd, rsdp);
        EntryState.write(memory, CpuEntry.Mode.PROTECTED_32);
        return CpuEntry.pvh(entry);
    }

    /** struct hvm_start_info */
    private static void writeStartInfo(GuestMemory memory, E820 map, Initrd initrd, long rsdp) {
        long info = MemoryMap.PVH_INFO;
        memory.putInt(info, MAGIC);
        memory.putInt(info + 4, VERSION);
        memory.putInt(info + 8, 0); // flags
        memory.putInt(info + 12, initrd.isPresent() ? 1 : 0);
        memory.putLong(info + 16, initrd.isPresent() ? MemoryMap.PVH_MODULES : 0);
        memory.putLong(info + 24, MemoryMap.COMMAND_LINE);
        memory.putLong(info + 32, rsdp);
        memory.putLong(info + 40, MemoryMap.PVH_MEMORY_MAP);
        memory.putInt(info + 48, map.ranges().size());
        memory.putInt(info + 52, 0);
    }

    /** struct hvm_modlist_entry */
    private static void writeModule(GuestMemory memory, Initrd initrd) {
        long module = MemoryMap.PVH_MODULES;
        memory.putLong(module, initrd.gpa());
        memory.putLong(module + 8, initrd.size());
        memory.putLong(module + 16, 0); // no command line
        memory.putLong(module + 24, 0);
    }

    /** struct hvm_memmap_table_entry, one a range */
    private static void writeMemoryMap(GuestMemory memory, E820 map) {
        long entry = MemoryMap.PVH_MEMORY_MAP;
        for (int i = 0; i < map.ranges().size(); i++) {
            E820.Range range = map.ranges().get(i);
            memory.putLong(entry, range.start());
            memory.putLong(entry + 8, range.size());
            memory.putInt(entry + 16, range.type());
            memory.putInt(entry + 20, 0);
            entry += 24;
        }
    }
}
