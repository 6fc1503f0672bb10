package dev.holdover.vmstate;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32C;

/**
 * Writes the pages of copied RAM behind a state's image, but for those that are all zero. Made before the guest is
 * stopped, used while it is. One thread writes; any may ask how far it is.
 */
public final class PageWriter implements AutoCloseable {
    private final StateTarget target;
    private final StateImage image;
    private final List<RamRegion> regions;
    private final Mapping table;
    // RAM goes through this buffer: pages are written together, and just as they were when their CRC was made.
    private final MemorySegment chunk = Arena.ofAuto().allocate(StateFormat.CHUNK, StateFormat.PAGE);
    private final ByteBuffer chunkView = chunk.asByteBuffer();
    private final MemorySegment zero = Arena.ofAuto().allocate(StateFormat.PAGE);
    private final long[] bitmap = new long[StateFormat.CHUNK_PAGES / Long.SIZE];
    private final CRC32C crc = new CRC32C();
    private int chunks;
    private int nextRegion;
    private long offset;
    private final AtomicLong scanned = new AtomicLong();
    private final AtomicLong written = new AtomicLong();

    public PageWriter(StateTarget target, StateImage image) {
        this.target = target;
        this.image = image;
        this.regions = image.regions();
        this.offset = StateFormat.alignToPage(image.size());
        long most = 0;
        for (int i = 0; i < regions.size(); i++) {
            RamRegion region = regions.get(i);
            if (region.copied()) {
                most += (region.size() + StateFormat.CHUNK - 1) / StateFormat.CHUNK;
            }
        }
        // Only what is used of it takes memory.
        this.table = Mapping.anonymous(Math.clamp(most, 1L, StateFormat.MAX_CHUNKS) * StateFormat.CHUNK_ENTRY_SIZE, 1);
    }

    /**
     * Writes a region's pages. Blocks as file I/O does; a failure is thrown as {@link VmmException}.
     *
     * @param index of the region in the layout, in ascending order
     */
    public void write(int index, GuestMemory.Region ram) {
        RamRegion region = regions.get(index);
        if (!region.copied() || index < nextRegion || region.size() != ram.size()) {
            throw new IllegalArgumentException("region " + index);
        }
        nextRegion = index + 1;
        for (long start = 0; start < ram.size(); start += StateFormat.CHUNK) {
            // A read of a hole would give the file a page there.
            long data = ram.shared() && ram.fd() != null ? ram.fd().trySeekData(ram.fdOffset() + start) : start;
            if (Errno.ENXIO.is(data)) {
                scanned.addAndGet(ram.size() - start);
                return;
            }
            long length = Math.min(StateFormat.CHUNK, ram.size() - start);
            if (!ram.shared() || ram.fd() == null || data < ram.fdOffset() + start + length) {
                writeChunk(index, start, ram.segment().asSlice(start, length));
            }
            scanned.addAndGet(length);
        }
    }

    private void writeChunk(int index, long start, MemorySegment ram) {
        try {
            MemorySegment.copy(ram, 0, chunk, 0, ram.byteSize());
        } catch (InternalError e) {
            throw new VmmException(
                    "can't save RAM region " + regions.get(index).name()
                            + ": its file was cut, or its file system is full (SIGBUS)",
                    e);
        }
        long length = packPages(ram.byteSize());
        if (length == 0) {
            return;
        }
        if (chunks == StateFormat.MAX_CHUNKS) {
            throw new VmmException("can't save to " + target.name() + ": more than "
                    + StateFormat.MAX_CHUNKS * StateFormat.CHUNK
                    + " bytes of RAM would be copied; use shared RAM, which stays where it is");
        }
        crc.reset();
        chunkView.limit((int) length).position(0);
        crc.update(chunkView);
        target.write(chunk.asSlice(0, length), offset);
        MemorySegment entry =
                table.segment().asSlice((long) chunks * StateFormat.CHUNK_ENTRY_SIZE, StateFormat.CHUNK_ENTRY_SIZE);
        entry.set(StateFormat.INT, StateFormat.CHUNK_REGION_AT, index);
        entry.set(StateFormat.INT, StateFormat.CHUNK_NUMBER_AT, (int) (start / StateFormat.CHUNK));
        entry.set(StateFormat.INT, StateFormat.CHUNK_CRC_AT, (int) crc.getValue());
        for (int word = 0; word < bitmap.length; word++) {
            entry.set(StateFormat.LONG, StateFormat.CHUNK_BITMAP_AT + (long) word * Long.BYTES, bitmap[word]);
        }
        chunks++;
        offset += length;
        written.addAndGet(length);
    }

    /** Moves the pages in {@link #chunk} that are not zero to its front; returns their bytes, and sets the bitmap. */
    private long packPages(long length) {
        Arrays.fill(bitmap, 0);
        long end = 0;
        for (int page = 0; page * StateFormat.PAGE < length; page++) {
            long at = page * StateFormat.PAGE;
            if (MemorySegment.mismatch(chunk, at, at + StateFormat.PAGE, zero, 0, StateFormat.PAGE) < 0) {
                continue;
            }
            bitmap[page / Long.SIZE] |= 1L << page;
            if (end != at) {
                MemorySegment.copy(chunk, at, chunk, end, StateFormat.PAGE);
            }
            end += StateFormat.PAGE;
        }
        return end;
    }

    /** Writes the table of what was written; all copied regions must have been. */
    public void finish() {
        for (int i = nextRegion; i < regions.size(); i++) {
            if (regions.get(i).copied()) {
                throw new IllegalStateException("region " + i + " was not written");
            }
        }
        if (chunks == 0) {
            image.setPages(0, 0, image.size());
            return;
        }
        MemorySegment used = table.segment().asSlice(0, (long) chunks * StateFormat.CHUNK_ENTRY_SIZE);
        target.write(used, offset);
        image.setPages(chunks, StateFormat.crc(used), offset + used.byteSize());
    }

    /** Bytes of RAM that were looked at. */
    public long scanned() {
        return scanned.get();
    }

    /** Bytes of RAM pages that were written. */
    public long written() {
        return written.get();
    }

    @Override
    public void close() {
        table.close();
    }
}
