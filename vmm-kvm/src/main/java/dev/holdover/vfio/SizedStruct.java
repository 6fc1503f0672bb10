package dev.holdover.vfio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A struct of linux/vfio.h or linux/iommufd.h: all begin with their own size (u32), by which the kernel tells older ones
 * from newer ones.
 */
final class SizedStruct {
    private SizedStruct() {}

    /** Zero but for its size, in bytes. */
    static MemorySegment allocate(Arena arena, int size) {
        MemorySegment struct = arena.allocate(size, 8);
        struct.set(ValueLayout.JAVA_INT, 0, size);
        return struct;
    }
}
