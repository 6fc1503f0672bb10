package dev.holdover.vmstate;

import static dev.holdover.vmstate.StateFormat.hex;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.zip.CRC32C;

/** The RAM pages in a state, read chunk by chunk of at most 1 MiB. Pages that were all zero are not there. */
public final class SavedPages {
    private final StateBytes state;
    private final List<RamRegion> regions;
    private MemorySegment table = MemorySegment.NULL;
    private int chunks;
    // Made when the first chunk is read: most states have none.
    private MemorySegment chunk;
    private ByteBuffer chunkView;
    private final CRC32C crc = new CRC32C();

    SavedPages(StateBytes state) {
        this.state = state;
        this.regions = state.header().regions();
    }

    /** Checks the table, then every page; says what is damaged, null if nothing is. */
    String damage() {
        StateHeader header = state.header();
        if (header.chunks() == 0) {
            return null;
        }
        MemorySegment bytes = state.chunkTable();
        int tableCrc = StateFormat.crc(bytes);
        if (tableCrc != header.chunksCrc()) {
            return "its chunk table at offset " + header.chunkTableOffset() + " is damaged: the CRC32C is "
                    + hex(tableCrc) + " where the header says " + hex(header.chunksCrc());
        }
        String fault = tableFault(bytes);
        if (fault != null) {
            return "its chunk table is malformed: " + fault;
        }
        MemorySegment padding = Arena.ofAuto().allocate(header.pagesOffset() - header.imageLength());
        state.read(header.imageLength(), padding);
        if (!StateFormat.isZero(padding, 0, padding.byteSize())) {
            return "the padding before its RAM pages at offset " + header.imageLength() + " is damaged: it is not zero";
        }
        table = bytes;
        chunks = header.chunks();
        long offset = header.pagesOffset();
        for (int i = 0; i < chunks; i++) {
            String damage = readChunk(i, offset);
            if (damage != null) {
                table = MemorySegment.NULL;
                chunks = 0;
                return damage;
            }
            offset += pageCount(bytes, i) * StateFormat.PAGE;
        }
        return null;
    }

    private String tableFault(MemorySegment bytes) {
        StateHeader header = state.header();
        int region = -1;
        long number = -1;
        long pages = 0;
        for (int i = 0; i < header.chunks(); i++) {
            long entry = (long) i * StateFormat.CHUNK_ENTRY_SIZE;
            int r = bytes.get(StateFormat.INT, entry + StateFormat.CHUNK_REGION_AT);
            long n = Integer.toUnsignedLong(bytes.get(StateFormat.INT, entry + StateFormat.CHUNK_NUMBER_AT));
            String where = "entry " + i;
            if (r < 0 || r >= regions.size() || !regions.get(r).copied()) {
                return where + " names RAM region " + Integer.toUnsignedString(r) + ", of which there are no pages";
            }
            if (r < region || (r == region && n <= number)) {
                return where + " is out of order";
            }
            long size = regions.get(r).size();
            if (n * StateFormat.CHUNK >= size) {
                return where + " lies beyond the end of RAM region "
                        + regions.get(r).name();
            }
            long room = Math.min(StateFormat.CHUNK_PAGES, (size - n * StateFormat.CHUNK) / StateFormat.PAGE);
            int last = lastPage(bytes, i);
            if (last < 0 || last >= room) {
                return where + " has no page, or one beyond the end of RAM region "
                        + regions.get(r).name();
            }
            if (bytes.get(StateFormat.INT, entry + StateFormat.CHUNK_ZERO_AT) != 0) {
                return where + " has a reserved field that is not zero";
            }
            region = r;
            number = n;
            pages += pageCount(bytes, i);
        }
        long expected = header.chunkTableOffset() - header.pagesOffset();
        if (pages * StateFormat.PAGE != expected) {
            return "its entries have " + pages + " pages where there are " + expected / StateFormat.PAGE;
        }
        return null;
    }

    private static long bitmap(MemorySegment table, int entry, int word) {
        return table.get(
                StateFormat.LONG,
                (long) entry * StateFormat.CHUNK_ENTRY_SIZE + StateFormat.CHUNK_BITMAP_AT + (long) word * Long.BYTES);
    }

    private static long pageCount(MemorySegment table, int entry) {
        int count = 0;
        for (int word = 0; word < StateFormat.CHUNK_PAGES / Long.SIZE; word++) {
            count += Long.bitCount(bitmap(table, entry, word));
        }
        return count;
    }

    private static int lastPage(MemorySegment table, int entry) {
        for (int word = StateFormat.CHUNK_PAGES / Long.SIZE - 1; word >= 0; word--) {
            long bits = bitmap(table, entry, word);
            if (bits != 0) {
                return word * Long.SIZE + Long.SIZE - 1 - Long.numberOfLeadingZeros(bits);
            }
        }
        return -1;
    }

    /** Reads the pages of a chunk into {@link #chunk}; says if they are damaged. */
    private String readChunk(int entry, long offset) {
        if (chunk == null) {
            StateHeader header = state.header();
            long most = Math.min(StateFormat.CHUNK, header.chunkTableOffset() - header.pagesOffset());
            chunk = Arena.ofAuto().allocate(most, StateFormat.PAGE);
            chunkView = chunk.asByteBuffer();
        }
        long length = pageCount(table, entry) * StateFormat.PAGE;
        state.read(offset, chunk.asSlice(0, length));
        crc.reset();
        chunkView.limit((int) length).position(0);
        crc.update(chunkView);
        long at = (long) entry * StateFormat.CHUNK_ENTRY_SIZE;
        int expected = table.get(StateFormat.INT, at + StateFormat.CHUNK_CRC_AT);
        if ((int) crc.getValue() == expected) {
            return null;
        }
        RamRegion region = regions.get(table.get(StateFormat.INT, at + StateFormat.CHUNK_REGION_AT));
        long start = Integer.toUnsignedLong(table.get(StateFormat.INT, at + StateFormat.CHUNK_NUMBER_AT))
                * StateFormat.CHUNK;
        return "RAM pages of region " + region.name() + " from guest address " + hex(region.gpa() + start)
                + ", at offset " + offset + ", are damaged: the CRC32C of their " + length + " bytes is "
                + hex((int) crc.getValue()) + " where the chunk table says " + hex(expected);
    }

    /** Bytes of the pages of a region that are in the state. */
    public long size(int region) {
        long pages = 0;
        for (int i = 0; i < chunks; i++) {
            if (regionOf(i) == region) {
                pages += pageCount(table, i);
            }
        }
        return pages * StateFormat.PAGE;
    }

    private int regionOf(int entry) {
        return table.get(StateFormat.INT, (long) entry * StateFormat.CHUNK_ENTRY_SIZE + StateFormat.CHUNK_REGION_AT);
    }

    /**
     * Copies a region's pages into RAM. Blocks as file I/O does.
     *
     * @param region its index in the header
     * @param ram as large as the region, and all zero: pages that were zero are not touched
     */
    public void load(int region, MemorySegment ram) {
        if (ram.byteSize() != regions.get(region).size()) {
            throw new IllegalArgumentException("RAM of " + ram.byteSize() + " bytes");
        }
        long offset = state.header().pagesOffset();
        for (int i = 0; i < chunks; i++) {
            if (regionOf(i) == region) {
                String damage = readChunk(i, offset);
                if (damage != null) {
                    throw new StateException(state.name(), damage);
                }
                spread(i, ram);
            }
            offset += pageCount(table, i) * StateFormat.PAGE;
        }
    }

    /** Puts the pages in {@link #chunk} where they belong. */
    private void spread(int entry, MemorySegment ram) {
        long at = (long) entry * StateFormat.CHUNK_ENTRY_SIZE;
        long start = Integer.toUnsignedLong(table.get(StateFormat.INT, at + StateFormat.CHUNK_NUMBER_AT))
                * StateFormat.CHUNK;
        long from = 0;
        int page = 0;
        while (page < StateFormat.CHUNK_PAGES) {
            int run = 0;
            while (page + run < StateFormat.CHUNK_PAGES && isPresent(entry, page + run)) {
                run++;
            }
            if (run > 0) {
                MemorySegment.copy(chunk, from, ram, start + page * StateFormat.PAGE, run * StateFormat.PAGE);
                from += run * StateFormat.PAGE;
            }
            page += run + 1;
        }
    }

    private boolean isPresent(int entry, int page) {
        return (bitmap(table, entry, page / Long.SIZE) >>> page & 1) != 0;
    }
}
