package dev.holdover.boot;

import dev.holdover.boot.Segments.Segment;
import dev.holdover.platform.MemoryMap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * An ELF file for x86, 32 or 64 bits.
 *
 * @param wide whether it is of the 64-bit class
 * @param program whether it looks like something that an operating system runs: it wants an interpreter or a dynamic
 *     linker, has thread-local data, or no fixed address
 * @param entry e_entry, a virtual or a physical address
 * @param pvhEntry GPA from Xen's note of a PVH entry; -1 if there is none
 * @see <a href="https://man7.org/linux/man-pages/man5/elf.5.html">elf(5)</a>
 */
record ElfImage(boolean wide, boolean program, long entry, long pvhEntry, Segments segments) {
    private static final int MAGIC = 0x464c457f;
    private static final int CLASS_32 = 1;
    private static final int CLASS_64 = 2;
    private static final int LITTLE_ENDIAN = 1;
    private static final int ET_EXEC = 2;
    private static final int ET_DYN = 3;
    private static final int EM_386 = 3;
    private static final int EM_X86_64 = 62;
    private static final int PT_LOAD = 1;
    private static final int PT_DYNAMIC = 2;
    private static final int PT_INTERP = 3;
    private static final int PT_NOTE = 4;
    private static final int PT_TLS = 7;
    private static final int XEN_ELFNOTE_PHYS32_ENTRY = 18;
    /** "Xen" with its NUL, little-endian. */
    private static final int XEN = 0x006e6558;

    /** More than any kernel has. */
    private static final int MAX_PROGRAM_HEADERS = 128;

    private static final long MAX_NOTES_SIZE = MemoryMap.MIB;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** A program header; the fields that differ between the classes are widened. */
    private record ProgramHeader(int type, long alignment, Segment segment) {}

    static boolean hasMagic(BootFile file) {
        return file.has32(0, MAGIC);
    }

    /** Checks the file's header, then its program headers, and looks for the note. */
    static ElfImage parse(BootFile file) {
        boolean wide = isWide(file);
        requireX86(file);
        boolean program = !isFixed(file);
        long entry = wide ? file.u64(24) : file.u32(24);
        long pvhEntry = -1;
        List<Segment> loaded = new ArrayList<>();
        List<ProgramHeader> headers = programHeaders(file, wide);
        for (int i = 0; i < headers.size(); i++) {
            ProgramHeader header = headers.get(i);
            int type = header.type();
            if (type == PT_LOAD) {
                requireWhole(file, header.segment());
                if (header.segment().size() != 0) {
                    loaded.add(header.segment());
                }
            } else if (type == PT_NOTE && pvhEntry < 0) {
                pvhEntry = pvhEntry(file, header);
            } else if (type == PT_INTERP || type == PT_DYNAMIC || type == PT_TLS) {
                program = true;
            }
        }
        if (loaded.isEmpty()) {
            throw file.refuse("is an ELF file with nothing to load, not a kernel");
        }
        return new ElfImage(wide, program, entry, pvhEntry, new Segments(file, loaded));
    }

    private static boolean isWide(BootFile file) {
        int elfClass = file.u8(4);
        if (elfClass != CLASS_32 && elfClass != CLASS_64) {
            throw file.refuse("is damaged: an ELF file of class " + elfClass);
        }
        if (file.u8(5) != LITTLE_ENDIAN) {
            throw file.refuse("is an ELF file for a big-endian machine; this one is x86");
        }
        return elfClass == CLASS_64;
    }

    private static void requireX86(BootFile file) {
        int machine = file.u16(18);
        if (machine != EM_X86_64 && machine != EM_386) {
            throw file.refuse("is an ELF file for " + machineName(machine) + "; this machine is x86");
        }
    }

    private static String machineName(int machine) {
        return switch (machine) {
            case 8 -> "MIPS";
            case 20, 21 -> "PowerPC";
            case 22 -> "S/390";
            case 40 -> "32-bit ARM";
            case 183 -> "64-bit ARM";
            case 243 -> "RISC-V";
            case 258 -> "LoongArch";
            default -> "another machine (number " + machine + ")";
        };
    }

    private static boolean isFixed(BootFile file) {
        int type = file.u16(16);
        if (type != ET_EXEC && type != ET_DYN) {
            throw file.refuse(
                    "is an ELF file, but an object, a module or a core dump (type " + type + "), not a kernel");
        }
        return type == ET_EXEC;
    }

    private static List<ProgramHeader> programHeaders(BootFile file, boolean wide) {
        long offset = wide ? file.u64(32) : file.u32(28);
        int entrySize = file.u16(wide ? 54 : 42);
        int count = file.u16(wide ? 56 : 44);
        if (count == 0 || count > MAX_PROGRAM_HEADERS || entrySize != (wide ? 56 : 32)) {
            throw file.refuse(
                    "is an ELF file, but no kernel: it has " + count + " program headers of " + entrySize + " bytes");
        }
        long size = (long) count * entrySize;
        if (!file.holds(offset, size)) {
            throw file.refuse("is cut off: its program headers start at byte " + Long.toUnsignedString(offset)
                    + ", and the file has " + file.size());
        }
        List<ProgramHeader> headers = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = arena.allocate(size);
            file.read(offset, table);
            for (int i = 0; i < count; i++) {
                MemorySegment header = table.asSlice((long) i * entrySize, entrySize);
                headers.add(wide ? programHeader64(header) : programHeader32(header));
            }
        }
        return headers;
    }

    private static ProgramHeader programHeader64(MemorySegment header) {
        Segment segment = new Segment(
                header.get(LONG, 8),
                header.get(LONG, 16),
                header.get(LONG, 24),
                header.get(LONG, 32),
                header.get(LONG, 40));
        return new ProgramHeader(header.get(INT, 0), header.get(LONG, 48), segment);
    }

    private static ProgramHeader programHeader32(MemorySegment header) {
        Segment segment =
                new Segment(u32(header, 4), u32(header, 8), u32(header, 12), u32(header, 16), u32(header, 20));
        return new ProgramHeader(header.get(INT, 0), u32(header, 28), segment);
    }

    private static long u32(MemorySegment bytes, long offset) {
        return bytes.get(INT, offset) & 0xffffffffL;
    }

    private static void requireWhole(BootFile file, Segment segment) {
        if (Long.compareUnsigned(segment.fileSize(), segment.size()) > 0) {
            throw file.refuse("is damaged: a segment has more bytes in the file than in memory");
        }
        if (!file.holds(segment.offset(), segment.fileSize())) {
            throw file.refuse("is cut off: a segment of " + Long.toUnsignedString(segment.fileSize())
                    + " bytes starts at byte " + Long.toUnsignedString(segment.offset()) + ", and the file has "
                    + file.size());
        }
    }

    /** The PVH entry that a note segment names, or -1. */
    private static long pvhEntry(BootFile file, ProgramHeader header) {
        long offset = header.segment().offset();
        long size = header.segment().fileSize();
        if (!file.holds(offset, size)) {
            throw file.refuse("is cut off: its notes start at byte " + Long.toUnsignedString(offset)
                    + ", and the file has " + file.size());
        }
        if (size == 0 || size > MAX_NOTES_SIZE) {
            return -1;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment notes = arena.allocate(size);
            file.read(offset, notes);
            return findPvhEntry(notes, header.alignment() == 8 ? 8 : 4);
        }
    }

    private static long findPvhEntry(MemorySegment notes, int alignment) {
        long at = 0;
        while (at <= notes.byteSize() - 12) {
            long nameSize = u32(notes, at);
            long valueSize = u32(notes, at + 4);
            int type = notes.get(INT, at + 8);
            long value = alignUp(at + 12 + nameSize, alignment);
            long end = value + valueSize;
            if (end > notes.byteSize()) {
                return -1;
            }
            boolean named = nameSize == 4 && notes.get(INT, at + 12) == XEN;
            if (named && type == XEN_ELFNOTE_PHYS32_ENTRY && valueSize >= 4) {
                return u32(notes, value); // of 4 or 8 bytes: an address below 4 GiB in any case
            }
            at = alignUp(end, alignment);
        }
        return -1;
    }

    private static long alignUp(long value, int alignment) {
        return (value + alignment - 1) & -alignment;
    }
}
