package dev.holdover.boot;

import dev.holdover.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** What of a file is loaded, and where. The list is not empty. */
record Segments(BootFile file, List<Segment> list) {
    /**
     * A piece. All numbers are in bytes, unsigned, and come from the file.
     *
     * @param offset in the file, which holds all of it
     * @param virtual the address that the kernel will give it
     * @param physical the GPA that it is loaded to
     * @param fileSize at most {@code size}; the rest is zeroes
     */
    record Segment(long offset, long virtual, long physical, long fileSize, long size) {}

    Segments {
        list = List.copyOf(list);
    }

    /** The GPA of an entry, which may be a physical address (Linux) or a virtual one (what ELF says) of a segment. */
    long entry(long address) {
        for (int i = 0; i < list.size(); i++) {
            Segment segment = list.get(i);
            if (Long.compareUnsigned(address - segment.physical(), segment.size()) < 0) {
                return address;
            }
        }
        for (int i = 0; i < list.size(); i++) {
            Segment segment = list.get(i);
            if (Long.compareUnsigned(address - segment.virtual(), segment.size()) < 0) {
                return address - segment.virtual() + segment.physical();
            }
        }
        throw file.refuse("is damaged: its entry at " + LowRam.hex(address) + " is outside of what it loads");
    }

    /** Copies all into guest RAM; returns the GPA behind the highest. */
    long load(GuestMemory memory, LowRam ram) {
        long end = 0;
        for (int i = 0; i < list.size(); i++) {
            Segment segment = list.get(i);
            ram.require(file, segment.physical(), segment.size());
            MemorySegment to = memory.slice(segment.physical(), segment.size());
            file.read(segment.offset(), to.asSlice(0, segment.fileSize()));
            // Not always zero already: RAM may be a file, or the machine was reset.
            to.asSlice(segment.fileSize()).fill((byte) 0);
            end = Math.max(end, segment.physical() + segment.size());
        }
        return end;
    }
}
