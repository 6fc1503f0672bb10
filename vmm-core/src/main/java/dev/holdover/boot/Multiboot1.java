package dev.holdover.boot;

import dev.holdover.boot.Segments.Segment;
import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A kernel with a multiboot 1 header (GRUB's old protocol): an ELF file, or any file whose header has load addresses.
 * Its initrd is its one module. As with QEMU, the command line starts with the kernel's name.
 *
 * @param entry GPA of the first instruction
 * @see <a href="https://www.gnu.org/software/grub/manual/multiboot/multiboot.html">Multiboot Specification 0.6.96</a>
 */
record Multiboot1(Segments segments, long entry) implements Kernel {
    private static final int MAGIC = 0x1badb002;
    private static final int SEARCHED = 8192;
    /** Modules on page boundaries, memory information, video mode information: what of the must-have bits we know. */
    private static final long KNOWN_REQUIREMENTS = 0x7;

    private static final long REQUIREMENTS = 0xffff;
    private static final long HAS_ADDRESSES = 1 << 16;

    // What the information holds
    private static final int INFO_MEMORY = 1;
    private static final int INFO_COMMAND_LINE = 1 << 2;
    private static final int INFO_MODULES = 1 << 3;
    private static final int INFO_MEMORY_MAP = 1 << 6;
    private static final int INFO_LOADER_NAME = 1 << 9;

    private static final long INFO = MemoryMap.MULTIBOOT_INFO;
    private static final int INFO_SIZE = 116;
    private static final long MODULE = INFO + 0x80;
    private static final long LOADER_NAME = INFO + 0x100;
    private static final long MODULE_NAME = INFO + 0x200;
    private static final long MEMORY_MAP = INFO + 0x400;
    private static final byte[] HOLDOVER = {'H', 'o', 'l', 'd', 'o', 'v', 'e', 'r', 0};

    /** The offset of a header in the file, or -1. */
    static int findHeader(BootFile file) {
        long end = Math.min(file.head().byteSize(), SEARCHED);
        for (int at = 0; at + 12 <= end; at += 4) {
            if (file.has32(at, MAGIC)) {
                int sum = MAGIC + (int) file.u32(at + 4) + (int) file.u32(at + 8);
                if (sum == 0) {
                    return at;
                }
            }
        }
        return -1;
    }

    /** An ELF file with a header; addresses in that come before the ELF file's own. */
    static Multiboot1 parse(ElfImage elf, int header) {
        BootFile file = elf.segments().file();
        if ((requirements(file, header) & HAS_ADDRESSES) != 0) {
            return parse(file, header);
        }
        return new Multiboot1(elf.segments(), elf.segments().entry(elf.entry()));
    }

    /** A file of another kind, whose header must have the addresses. */
    static Multiboot1 parse(BootFile file, int header) {
        if ((requirements(file, header) & HAS_ADDRESSES) == 0) {
            throw file.refuse("has a multiboot header without load addresses, and is no ELF file that would have them");
        }
        long headerAddress = file.u32(header + 12);
        long load = file.u32(header + 16);
        long loadEnd = file.u32(header + 20);
        long bssEnd = file.u32(header + 24);
        long entry = file.u32(header + 28);
        long offset = header - (headerAddress - load);
        if (load > headerAddress || offset < 0) {
            throw file.refuse("is damaged: its multiboot header says that it lies at " + LowRam.hex(headerAddress)
                    + " of an image loaded at " + LowRam.hex(load));
        }
        // 0 means: all of the file; no bytes to clear.
        long size = loadEnd == 0 ? file.size() - offset : loadEnd - load;
        long cleared = bssEnd == 0 ? size : bssEnd - load;
        if (size <= 0 || cleared < size) {
            throw file.refuse("is damaged: its multiboot header has load address " + LowRam.hex(load) + ", end "
                    + LowRam.hex(loadEnd) + " and end of zeroes " + LowRam.hex(bssEnd));
        }
        if (!file.holds(offset, size)) {
            throw file.refuse("is cut off: its multiboot header announces " + (offset + size)
                    + " bytes, and the file has " + file.size());
        }
        Segments segments = new Segments(file, List.of(new Segment(offset, load, load, size, cleared)));
        return new Multiboot1(segments, segments.entry(entry));
    }

    private static long requirements(BootFile file, int header) {
        long flags = file.u32(header + 4);
        if ((flags & REQUIREMENTS & ~KNOWN_REQUIREMENTS) != 0) {
            throw file.refuse("asks by the flags " + LowRam.hex(flags)
                    + " of its multiboot header for something that is not known here");
        }
        return flags;
    }

    @Override
    public CpuEntry load(GuestMemory memory, E820 map, BootConfig config, long rsdp) {
        BootFile file = segments.file();
        LowRam ram = new LowRam(map.lowRamEnd());
        long end = segments.load(memory, ram);
        Initrd module = Initrd.load(config.initrd(), memory, end, ram.end());
        String text = config.commandLine().isEmpty() ? file.name() : file.name() + " " + config.commandLine();
        CommandLine.write(memory, file, text, CommandLine.MAX_LENGTH);
        long mapLength = writeMemoryMap(memory, map);
        if (module.isPresent()) {
            writeModule(memory, module, config.initrd().getFileName().toString());
        }
        memory.write(LOADER_NAME, HOLDOVER);
        writeInfo(memory, ram, module.isPresent(), mapLength);
        EntryState.write(memory, CpuEntry.Mode.PROTECTED_32);
        return CpuEntry.multiboot(entry);
    }

    private static void writeInfo(GuestMemory memory, LowRam ram, boolean module, long mapLength) {
        memory.slice(INFO, INFO_SIZE).fill((byte) 0);
        int flags = INFO_MEMORY | INFO_COMMAND_LINE | INFO_MEMORY_MAP | INFO_LOADER_NAME;
        memory.putInt(INFO, module ? flags | INFO_MODULES : flags);
        memory.putInt(INFO + 4, (int) (MemoryMap.EBDA >> 10)); // mem_lower, KiB
        memory.putInt(INFO + 8, (int) ((ram.end() - MemoryMap.HIGH_MEMORY) >> 10)); // mem_upper, KiB
        memory.putInt(INFO + 16, (int) MemoryMap.COMMAND_LINE);
        memory.putInt(INFO + 20, module ? 1 : 0);
        memory.putInt(INFO + 24, module ? (int) MODULE : 0);
        memory.putInt(INFO + 44, (int) mapLength);
        memory.putInt(INFO + 48, (int) MEMORY_MAP);
        memory.putInt(INFO + 64, (int) LOADER_NAME);
    }

    private static void writeModule(GuestMemory memory, Initrd module, String name) {
        memory.putInt(MODULE, (int) module.gpa());
        memory.putInt(MODULE + 4, (int) (module.gpa() + module.size()));
        memory.putInt(MODULE + 8, (int) MODULE_NAME);
        memory.putInt(MODULE + 12, 0);
        MemorySegment to = memory.slice(MODULE_NAME, MEMORY_MAP - MODULE_NAME);
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8); // a file's name: 255 bytes at most
        to.asSlice(0, bytes.length).copyFrom(MemorySegment.ofArray(bytes));
        to.asSlice(bytes.length).fill((byte) 0);
    }

    /** Returns its length in bytes. */
    private static long writeMemoryMap(GuestMemory memory, E820 map) {
        long entry = MEMORY_MAP;
        for (int i = 0; i < map.ranges().size(); i++) {
            E820.Range range = map.ranges().get(i);
            memory.putInt(entry, 20); // what follows of this entry
            memory.putLong(entry + 4, range.start());
            memory.putLong(entry + 12, range.size());
            memory.putInt(entry + 20, range.type());
            entry += 24;
        }
        return entry - MEMORY_MAP;
    }
}
