package dev.holdover.memory;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * Which RAM a file holds, and how often a guest has resumed in it since: a random id and a generation, kept with the file
 * ({@link FileMark}), in a page of a DAX device, or in a page of its own ({@link IdentityPage}).
 *
 * <p>The generation is raised before every first run of a guest in that RAM: after a boot, after a save when the guest
 * resumes, after a restore. So a state that names a lower one is of RAM that has moved on since. An attribute outlives the
 * file's contents (it survives ftruncate(2)), so a proof of the contents goes with it into the state: checksums of up to
 * {@value #SAMPLES} pages that were not zero, with their places. RAM that was zeroed or replaced fails it; a change of
 * pages that were not sampled goes unnoticed.
 *
 * @param id given when a guest is first booted in the RAM
 * @param generation counts from 1
 * @param cause why the generation was raised last
 */
public record RamIdentity(UUID id, long generation, Cause cause) {
    /** The extended attribute that holds it, where the file system keeps such. */
    public static final String ATTRIBUTE = "user.holdover.ram";

    /** As many pages as a proof holds. */
    static final int SAMPLES = 7;

    /** Bytes that it takes where it is kept. */
    static final int SIZE = 32;

    /** Offsets in those bytes. */
    static final int GENERATION = 16;

    static final int CAUSE = 24;

    /** "HOLDRAM" and a version. */
    static final long PAGE_MAGIC = 0x014d4152444c4f48L;

    private static final long PAGE = 4096;
    /** So many pages of a slice are looked through for one that is not zero. */
    private static final int LOOK = 64;

    /** Why a generation began. */
    public enum Cause {
        BOOTED(1, "a guest was booted in it since"),
        WENT_ON(2, "its guest went on after the state was saved"),
        RESTORED(3, "the state, or a later one, was restored already");

        private final int code;
        private final String text;

        Cause(int code, String text) {
            this.code = code;
            this.text = text;
        }

        /** The cause of that number, null if there is none. */
        public static Cause of(int code) {
            for (Cause cause : values()) {
                if (cause.code == code) {
                    return cause;
                }
            }
            return null;
        }

        /** Its number, as it is stored. */
        public int code() {
            return code;
        }

        /** As part of a sentence about RAM that has moved on. */
        public String text() {
            return text;
        }
    }

    /** What a guest that is booted in new RAM gets. */
    public static RamIdentity fresh() {
        // Not UUID.randomUUID(), for which the JDK starts its security providers: 20 ms of a guest's start.
        try (Fd random = Fd.open("/dev/urandom", Fd.O_RDONLY);
                Arena arena = Arena.ofConfined()) {
            MemorySegment bits = arena.allocate(16, 8);
            random.readFully(bits, 0);
            UUID id = new UUID(
                    (bits.get(ValueLayout.JAVA_LONG, 0) & ~0xf000L) | 0x4000,
                    (bits.get(ValueLayout.JAVA_LONG, 8) & (-1L >>> 2)) | (1L << 63));
            return new RamIdentity(id, 1, Cause.BOOTED);
        }
    }

    /** The next generation of the same RAM. */
    public RamIdentity next(Cause why) {
        return new RamIdentity(id, generation + 1, why);
    }

    /** What stands in a label, a page at the end of a DAX device, which keeps no attributes; null if there is nothing. */
    static RamIdentity readLabel(MemorySegment label) {
        return label.get(ValueLayout.JAVA_LONG, 0) == PAGE_MAGIC ? decode(label.asSlice(Long.BYTES)) : null;
    }

    /** Writes it to a label; false if something else stands there, another guest's RAM say: that is left alone. */
    boolean writeLabel(MemorySegment label) {
        if (label.get(ValueLayout.JAVA_LONG, 0) != PAGE_MAGIC && !isZero(label)) {
            return false;
        }
        encode(label.asSlice(Long.BYTES));
        label.set(ValueLayout.JAVA_LONG, 0, PAGE_MAGIC);
        return true;
    }

    /** What those {@link #SIZE} bytes say; null if they say nothing. */
    static RamIdentity decode(MemorySegment value) {
        Cause cause = Cause.of(value.get(ValueLayout.JAVA_INT, CAUSE));
        if (cause == null) {
            return null;
        }
        UUID id = new UUID(value.get(ValueLayout.JAVA_LONG, 0), value.get(ValueLayout.JAVA_LONG, 8));
        return new RamIdentity(id, value.get(ValueLayout.JAVA_LONG, GENERATION), cause);
    }

    /** Writes its {@link #SIZE} bytes. */
    void encode(MemorySegment value) {
        value.set(ValueLayout.JAVA_LONG, 0, id.getMostSignificantBits());
        value.set(ValueLayout.JAVA_LONG, 8, id.getLeastSignificantBits());
        value.set(ValueLayout.JAVA_LONG, GENERATION, generation);
        value.set(ValueLayout.JAVA_INT, CAUSE, cause.code);
    }

    /**
     * A proof of a region's contents: for each sampled page its number (u32) and CRC32C (u32), little-endian. Reads by
     * pread(2), so that no hole of the file is filled; a DAX device, which has neither, through its mapping. The guest
     * is paused.
     */
    public static MemorySegment proof(GuestMemory.Region region) {
        MemorySegment proof = Arena.ofAuto().allocate(SAMPLES * 8L, 8);
        MemorySegment page = Arena.ofAuto().allocate(PAGE, 8);
        long pages = region.size() / PAGE;
        int count = 0;
        for (int slice = 0; slice < SAMPLES; slice++) {
            long from = pages * slice / SAMPLES;
            long to = pages * (slice + 1) / SAMPLES;
            long found = findData(region, from, Math.min(to, from + (1L << 31)), page);
            if (found >= 0) {
                proof.set(ValueLayout.JAVA_INT, count * 8L, (int) found);
                proof.set(ValueLayout.JAVA_INT, count * 8L + 4, crc(page));
                count++;
            }
        }
        return proof.asSlice(0, count * 8L);
    }

    private static long findData(GuestMemory.Region region, long from, long to, MemorySegment page) {
        long offset = region.fdOffset() + from * PAGE;
        long data = region.fd().trySeekData(offset);
        long first = data < offset ? from : (data - region.fdOffset()) / PAGE;
        if (Errno.ENXIO.is(data)) {
            return -1;
        }
        for (long number = first; number < Math.min(to, first + LOOK); number++) {
            read(region, number, page);
            if (!isZero(page)) {
                return number;
            }
        }
        return -1;
    }

    /** Whether the region's contents are those that the proof was made of, as far as it tells. */
    public static boolean matches(GuestMemory.Region region, MemorySegment proof) {
        MemorySegment page = Arena.ofAuto().allocate(PAGE, 8);
        for (long at = 0; at + 8 <= proof.byteSize(); at += 8) {
            long number = Integer.toUnsignedLong(proof.get(ValueLayout.JAVA_INT_UNALIGNED, at));
            if (number >= region.size() / PAGE) {
                return false;
            }
            read(region, number, page);
            if (crc(page) != proof.get(ValueLayout.JAVA_INT_UNALIGNED, at + 4)) {
                return false;
            }
        }
        return true;
    }

    private static void read(GuestMemory.Region region, long number, MemorySegment page) {
        if (region.fd().stat().isCharacterDevice()) {
            page.copyFrom(region.segment().asSlice(number * PAGE, PAGE));
        } else {
            region.fd().readFully(page, region.fdOffset() + number * PAGE);
        }
    }

    private static boolean isZero(MemorySegment page) {
        for (long at = 0; at < PAGE; at += 8) {
            if (page.get(ValueLayout.JAVA_LONG, at) != 0) {
                return false;
            }
        }
        return true;
    }

    private static int crc(MemorySegment page) {
        CRC32C crc = new CRC32C();
        crc.update(page.asByteBuffer());
        return (int) crc.getValue();
    }
}
