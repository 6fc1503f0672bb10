package dev.holdover.vmstate;

import java.lang.foreign.MemorySegment;
import java.util.UUID;

/**
 * What a state says of a stretch of guest RAM. The identity (id, generation, proof) is whatever tells the RAM's owner
 * that it is the same RAM, unchanged since; all zero and empty where there is none.
 *
 * @param name 1 to 32 characters of a–z, 0–9, '.', '-', '_'
 * @param gpa guest-physical address, a multiple of 4096
 * @param size bytes, a multiple of 4096
 * @param fileOffset where in its file it begins, bytes
 * @param shared whether the guest's stores reach the file
 * @param copied whether its pages are in the state; always, if it is not shared
 * @param id which RAM
 * @param generation how often its owner changed
 * @param proof at most {@value StateFormat#MAX_PROOF} bytes, opaque here
 */
public record RamRegion(
        String name,
        long gpa,
        long size,
        long fileOffset,
        boolean shared,
        boolean copied,
        UUID id,
        long generation,
        MemorySegment proof) {
    private static final UUID NO_ID = new UUID(0, 0);
    /** No x86-64 CPU has more than 52 bits of physical address. */
    private static final long MAX_GPA = 1L << 52;

    /** RAM whose pages are written into the state. */
    public static RamRegion copied(String name, long gpa, long size, long fileOffset, boolean shared) {
        return new RamRegion(name, gpa, size, fileOffset, shared, true, NO_ID, 0, MemorySegment.NULL);
    }

    /** Shared RAM that stays where it is; {@link StateImage#identify} says which it is. */
    public static RamRegion kept(String name, long gpa, long size, long fileOffset) {
        return new RamRegion(name, gpa, size, fileOffset, true, false, NO_ID, 0, MemorySegment.NULL);
    }

    /** What is wrong with it, as the end of a sentence; null if nothing is. */
    String fault() {
        if (gpa < 0 || size <= 0 || ((gpa | size) & (StateFormat.PAGE - 1)) != 0 || gpa > MAX_GPA - size) {
            return "has address 0x" + Long.toHexString(gpa) + " and size 0x" + Long.toHexString(size)
                    + ", which no RAM has";
        }
        if (fileOffset < 0 || fileOffset > Long.MAX_VALUE - size) {
            return "has file offset 0x" + Long.toHexString(fileOffset) + ", which no file has";
        }
        if (!shared && !copied) {
            return "is private, yet its pages are not in the state";
        }
        return null;
    }
}
