package dev.holdover.boot;

import dev.holdover.platform.MemoryMap;

/** The RAM from 1 MiB up to the 32-bit hole, where kernels go. */
record LowRam(long end) {
    /** Checks that a kernel may have these bytes; hostile numbers are welcome. */
    void require(BootFile kernel, long start, long size) {
        if (Long.compareUnsigned(start, MemoryMap.HIGH_MEMORY) < 0) {
            throw kernel.refuse(
                    "wants to be loaded at " + hex(start) + "; only addresses from 1 MiB up are free for it");
        }
        if (start < 0 || size < 0 || start > end || size > end - start) {
            throw kernel.refuse("needs " + kib(size) + " of RAM at " + hex(start)
                    + ", and the guest's RAM there ends at " + hex(end) + "; give it more with --memory");
        }
    }

    /** A size for people, rounded up. */
    static String kib(long bytes) {
        return Long.toUnsignedString((bytes >>> 10) + ((bytes & 1023) == 0 ? 0 : 1)) + " KiB";
    }

    static String hex(long address) {
        return "0x" + Long.toHexString(address);
    }
}
