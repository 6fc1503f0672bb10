package dev.holdover.boot;

import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;
import java.nio.file.Path;

/**
 * The initial RAM disk in guest RAM.
 *
 * @param gpa where it starts, page aligned; 0 if there is none
 * @param size bytes; 0 if there is none
 */
record Initrd(long gpa, long size) {
    private static final Initrd NONE = new Initrd(0, 0);

    /**
     * Loads the file as high as possible.
     *
     * @param path null for none
     * @param from behind the kernel's last byte
     * @param to behind the last byte it may take
     */
    static Initrd load(Path path, GuestMemory memory, long from, long to) {
        if (path == null) {
            return NONE;
        }
        try (BootFile file = BootFile.open(path)) {
            long gpa = (to - file.size()) & -MemoryMap.PAGE;
            if (file.size() > to || gpa < from) {
                throw file.refuse("has " + LowRam.kib(file.size()) + " and does not fit between the kernel's end at "
                        + LowRam.hex(from) + " and " + LowRam.hex(to)
                        + "; give the guest more with --memory or make the initrd smaller");
            }
            file.read(0, memory.slice(gpa, file.size()));
            return new Initrd(gpa, file.size());
        }
    }

    boolean isPresent() {
        return size != 0;
    }
}
