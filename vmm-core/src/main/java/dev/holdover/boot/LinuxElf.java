package dev.holdover.boot;

import dev.holdover.memory.GuestMemory;

/**
 * A vmlinux without a PVH note: Linux' 64-bit protocol from an ELF file, with a setup header made here.
 *
 * @param entry GPA of the first instruction
 */
record LinuxElf(Segments segments, long entry) implements Kernel {
    /** COMMAND_LINE_SIZE of Linux on x86, less the NUL. */
    private static final int COMMAND_LINE_LIMIT = 2047;

    static LinuxElf parse(ElfImage elf) {
        BootFile file = elf.segments().file();
        if (elf.program()) {
            throw file.refuse("is a program or library of user space, not a kernel");
        }
        if (!elf.wide()) {
            throw file.refuse("is a 32-bit ELF file with neither a PVH note nor a multiboot header: no kernel that can"
                    + " be booted here");
        }
        return new LinuxElf(elf.segments(), elf.segments().entry(elf.entry()));
    }

    @Override
    public CpuEntry load(GuestMemory memory, E820 map, BootConfig config, long rsdp) {
        LowRam ram = new LowRam(map.lowRamEnd());
        long end = segments.load(memory, ram);
        Initrd initrd = Initrd.load(config.initrd(), memory, end, ram.end());
        CommandLine.write(memory, segments.file(), config.commandLine(), COMMAND_LINE_LIMIT);
        BootParams.clear(memory);
        BootParams.makeHeader(memory, COMMAND_LINE_LIMIT);
        BootParams.fill(memory, map, initrd, rsdp);
        EntryState.write(memory, CpuEntry.Mode.LONG_64);
        return CpuEntry.linux(CpuEntry.Mode.LONG_64, entry);
    }
}
