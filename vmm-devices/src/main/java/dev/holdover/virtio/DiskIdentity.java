package dev.holdover.virtio;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * Which disk a state belongs to, and what was on it: a random id that stands with the image, in the extended attribute
 * {@value #ATTRIBUTE} (xattr(7)), and checksums of up to {@value #SAMPLES} pages that were not zero.
 *
 * <p>The id tells clones of one image from each other; block devices, read-only images and file systems without
 * attributes have none. The checksums are there always: a disk that was replaced, restored from a backup or written to
 * since fails them, unless it differs in other pages only. A copy without attributes passes if it holds the same.
 *
 * @param id zero if there is none
 * @param pages the sampled pages' numbers, 4096 bytes each
 * @param crcs CRC32C of each of them
 */
@SuppressWarnings("ArrayRecordComponent") // compared by matches()
public record DiskIdentity(UUID id, long[] pages, int[] crcs) {
    static final String ATTRIBUTE = "user.holdover.disk";
    static final int SAMPLES = 7;

    /** Bytes of it in a state, at most. */
    static final int SIZE = 16 + 4 + SAMPLES * 12;

    private static final UUID NO_ID = new UUID(0, 0);
    /** Of a state that knows no identity: every disk is good. */
    static final DiskIdentity NONE = new DiskIdentity(NO_ID, new long[0], new int[0]);

    private static final int PAGE = 4096;
    /** So many pages of a slice are looked through for one that is not zero. */
    private static final int LOOK = 64;

    void write(StateOutput out) {
        out.i64(id.getMostSignificantBits());
        out.i64(id.getLeastSignificantBits());
        out.i32(pages.length);
        for (int i = 0; i < pages.length; i++) {
            out.i64(pages[i]);
            out.i32(crcs[i]);
        }
    }

    static DiskIdentity read(StateInput in) {
        UUID id = new UUID(in.i64(), in.i64());
        int count = in.count(SAMPLES);
        long[] pages = new long[count];
        int[] crcs = new int[count];
        for (int i = 0; i < count; i++) {
            pages[i] = in.i64();
            crcs[i] = in.i32();
        }
        return new DiskIdentity(id, pages, crcs);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof DiskIdentity that
                && id.equals(that.id)
                && Arrays.equals(pages, that.pages)
                && Arrays.equals(crcs, that.crcs);
    }

    @Override
    public int hashCode() {
        return id.hashCode();
    }

    /** An open image's side of it. One thread at a time. */
    static final class Mark {
        private final Fd image;
        private final long size;
        private final boolean readOnly;
        private UUID id;
        private long[] places;

        Mark(Fd image, long size, boolean readOnly) {
            this.image = image;
            this.size = size;
            this.readOnly = readOnly;
        }

        /**
         * Gives the image its id, if it can have one, and looks for pages to sample, so that {@link #identity} has
         * little to do while a guest waits. Blocks as reads of the image do.
         */
        void prepare() {
            if (places != null) {
                return;
            }
            id = readId();
            if (id.equals(NO_ID) && !readOnly) {
                UUID fresh = UUID.randomUUID();
                id = writeId(fresh) ? fresh : NO_ID;
            }
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment page = arena.allocate(PAGE, 8);
                long[] found = new long[SAMPLES];
                int count = 0;
                long pages = (size + PAGE - 1) / PAGE;
                for (int slice = 0; slice < SAMPLES; slice++) {
                    long number = find(pages * slice / SAMPLES, pages * (slice + 1) / SAMPLES, page);
                    if (number >= 0) {
                        found[count++] = number;
                    }
                }
                places = Arrays.copyOf(found, count);
            }
        }

        /** What the image is now, while the guest writes nothing; {@link #NONE} if it was not prepared. */
        DiskIdentity identity() {
            if (places == null) {
                return NONE;
            }
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment page = arena.allocate(PAGE, 8);
                int[] crcs = new int[places.length];
                for (int i = 0; i < crcs.length; i++) {
                    crcs[i] = crc(places[i], page);
                }
                return new DiskIdentity(id, places, crcs);
            }
        }

        /** What speaks against its being the saved guest's disk, as the end of a sentence; null if nothing does. */
        String mismatch(DiskIdentity saved) {
            UUID own = readId();
            if (!own.equals(NO_ID) && !saved.id.equals(NO_ID) && !own.equals(saved.id)) {
                return "is another disk: the saved guest's has the id " + saved.id + ", this has " + own;
            }
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment page = arena.allocate(PAGE, 8);
                for (int i = 0; i < saved.pages.length; i++) {
                    long number = saved.pages[i];
                    if (number < 0 || number > size / PAGE || crc(number, page) != saved.crcs[i]) {
                        return "does not hold what it held when the state was saved (another disk, or written to"
                                + " since)";
                    }
                }
            }
            return null;
        }

        private UUID readId() {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment value = arena.allocate(16, 8);
                boolean there = image.tryGetAttribute(ATTRIBUTE, value) == 16;
                return there
                        ? new UUID(value.get(ValueLayout.JAVA_LONG, 0), value.get(ValueLayout.JAVA_LONG, 8))
                        : NO_ID;
            }
        }

        private boolean writeId(UUID fresh) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment value = arena.allocate(16, 8);
                value.set(ValueLayout.JAVA_LONG, 0, fresh.getMostSignificantBits());
                value.set(ValueLayout.JAVA_LONG, 8, fresh.getLeastSignificantBits());
                // EOPNOTSUPP, EPERM (a block device), ENOSPC: then it has none.
                return image.trySetAttribute(ATTRIBUTE, value) == 0;
            }
        }

        private long find(long from, long to, MemorySegment page) {
            long data = image.trySeekData(from * PAGE);
            if (Errno.ENXIO.is(data)) {
                return -1;
            }
            long first = data < from * PAGE ? from : data / PAGE;
            for (long number = first; number < Math.min(to, first + LOOK); number++) {
                read(number, page);
                for (long at = 0; at < PAGE; at += 8) {
                    if (page.get(ValueLayout.JAVA_LONG, at) != 0) {
                        return number;
                    }
                }
            }
            return -1;
        }

        /** A page; what an image that was cut, or ends within it, lacks is zero. */
        private void read(long number, MemorySegment page) {
            page.fill((byte) 0);
            image.readFully(page, number * PAGE);
        }

        private int crc(long number, MemorySegment page) {
            read(number, page);
            CRC32C crc = new CRC32C();
            crc.update(page.asByteBuffer());
            return (int) crc.getValue();
        }
    }
}
