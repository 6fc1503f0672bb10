package dev.holdover.boot;

import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;
import java.util.ArrayList;
import java.util.List;

/**
 * The memory map that the guest is told, in ascending order without overlaps. The types are those of the BIOS call that
 * gave it its name; PVH and multiboot use the same. What is not listed is no RAM.
 */
public record E820(List<Range> ranges) {
    /** The numbers of ACPI's "Address Range Types". */
    public static final int RAM = 1;

    public static final int RESERVED = 2;

    /**
     * A stretch of guest-physical addresses.
     *
     * @param start the first GPA
     * @param size bytes, more than 0
     * @param type {@link #RAM} or {@link #RESERVED}
     */
    public record Range(long start, long size, int type) {
        /** The GPA behind its last byte. */
        public long end() {
            return start + size;
        }
    }

    public E820 {
        ranges = List.copyOf(ranges);
    }

    /** The map of this RAM: all of it, but for the EBDA, the VGA hole and the area of the firmware's tables. */
    public static E820 of(GuestMemory memory) {
        List<Range> ranges = new ArrayList<>();
        List<GuestMemory.Region> regions = memory.regions();
        for (int i = 0; i < regions.size(); i++) {
            long start = regions.get(i).gpa();
            long end = regions.get(i).end();
            add(ranges, start, Math.min(end, MemoryMap.EBDA), RAM);
            add(ranges, Math.max(start, MemoryMap.EBDA), Math.min(end, MemoryMap.VGA_HOLE), RESERVED);
            add(ranges, Math.max(start, MemoryMap.RSDP), Math.min(end, MemoryMap.HIGH_MEMORY), RESERVED);
            add(ranges, Math.max(start, MemoryMap.HIGH_MEMORY), end, RAM);
        }
        return new E820(ranges);
    }

    /** Adds a range unless it is empty; one that goes on where the last one ends is joined to it. */
    private static void add(List<Range> ranges, long start, long end, int type) {
        if (start >= end) {
            return;
        }
        Range last = ranges.isEmpty() ? null : ranges.getLast();
        if (last != null && last.end() == start && last.type() == type) {
            ranges.set(ranges.size() - 1, new Range(last.start(), end - last.start(), type));
        } else {
            ranges.add(new Range(start, end - start, type));
        }
    }

    /** Where the RAM that starts at 1 MiB ends; 1 MiB if there is none. */
    public long lowRamEnd() {
        for (int i = 0; i < ranges.size(); i++) {
            Range range = ranges.get(i);
            if (range.start() == MemoryMap.HIGH_MEMORY && range.type() == RAM) {
                return range.end();
            }
        }
        return MemoryMap.HIGH_MEMORY;
    }
}
