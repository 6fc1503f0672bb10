package dev.holdover.vmstate;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * A state under construction, all of it but RAM pages, in one native buffer: the owners of the sections fill them in
 * place while the guest is stopped, then it is sealed. Nothing here allocates memory that a garbage collection would
 * matter for. May be filled and sealed again. One thread at a time.
 */
public final class StateImage {
    private final MemorySegment bytes;
    private final ByteBuffer view;
    private final CRC32C crc = new CRC32C();
    private final int headerLength;
    private final long regionTable;
    private final long sectionTable;
    private final List<RamRegion> regions;
    private final MemorySegment[] sections;
    private final Timeline timeline;
    private final boolean needsPages;
    private boolean hasPages;
    private long fileLength;

    StateImage(
            MemorySegment bytes,
            int headerLength,
            long regionTable,
            long sectionTable,
            List<RamRegion> regions,
            MemorySegment[] sections) {
        this.bytes = bytes;
        this.view = bytes.asByteBuffer();
        this.headerLength = headerLength;
        this.regionTable = regionTable;
        this.sectionTable = sectionTable;
        this.regions = regions;
        this.sections = sections;
        this.timeline = new Timeline(bytes.asSlice(headerLength, Timeline.SIZE), headerLength);
        this.needsPages = needsPages(regions);
        this.fileLength = bytes.byteSize();
    }

    private static boolean needsPages(List<RamRegion> regions) {
        for (int i = 0; i < regions.size(); i++) {
            if (regions.get(i).copied()) {
                return true;
            }
        }
        return false;
    }

    /** The image; a state if {@link #seal} came last and no RAM pages belong to it. */
    public MemorySegment bytes() {
        return bytes;
    }

    /** Bytes of the image, RAM pages not counted. */
    public long size() {
        return bytes.byteSize();
    }

    /** Bytes of the whole state, the RAM pages that were written so far included. */
    public long fileLength() {
        return fileLength;
    }

    public List<RamRegion> regions() {
        return regions;
    }

    /** The section of that index: as many bytes as were declared, 8-byte aligned. */
    public MemorySegment section(int index) {
        return sections[index];
    }

    /** The section of that index, to be written field by field. */
    public StateOutput output(int index) {
        return new StateOutput(sections[index]);
    }

    public Timeline timeline() {
        return timeline;
    }

    /**
     * Says which RAM a region is, before the state is sealed.
     *
     * @param proof at most {@value StateFormat#MAX_PROOF} bytes
     */
    public void identify(int region, UUID id, long generation, MemorySegment proof) {
        putIdentity(bytes.asSlice(regionTable + (long) region * StateFormat.REGION_SIZE), id, generation, proof);
    }

    static void putIdentity(MemorySegment entry, UUID id, long generation, MemorySegment proof) {
        long length = proof.byteSize();
        if (length > StateFormat.MAX_PROOF) {
            throw new IllegalArgumentException("a proof of " + length + " bytes");
        }
        entry.set(StateFormat.INT, StateFormat.REGION_PROOF_LENGTH_AT, (int) length);
        entry.set(StateFormat.BIG_ENDIAN_LONG, StateFormat.REGION_ID_AT, id.getMostSignificantBits());
        entry.set(StateFormat.BIG_ENDIAN_LONG, StateFormat.REGION_ID_AT + 8, id.getLeastSignificantBits());
        entry.set(StateFormat.LONG, StateFormat.REGION_GENERATION_AT, generation);
        entry.asSlice(StateFormat.REGION_PROOF_AT, StateFormat.MAX_PROOF).fill((byte) 0);
        MemorySegment.copy(proof, 0, entry, StateFormat.REGION_PROOF_AT, length);
    }

    /** Takes note of the RAM pages that were written behind the image, to the target that it goes to. */
    void setPages(int chunks, int chunksCrc, long stateLength) {
        hasPages = true;
        bytes.set(StateFormat.INT, StateFormat.CHUNKS_AT, chunks);
        bytes.set(StateFormat.INT, StateFormat.CHUNKS_CRC_AT, chunksCrc);
        fileLength = stateLength;
    }

    /** Pages are with one target only. */
    void forgetPages() {
        hasPages = false;
    }

    /**
     * Computes the CRCs. Of what changes afterwards, the timeline alone is allowed to. Throws {@link
     * IllegalStateException} if pages of copied RAM were to be written and were not.
     */
    public void seal() {
        if (needsPages && !hasPages) {
            throw new IllegalStateException("the pages of copied RAM are missing");
        }
        bytes.set(StateFormat.LONG, StateFormat.FILE_LENGTH_AT, fileLength);
        for (int i = 0; i < sections.length; i++) {
            long entry = sectionTable + (long) i * StateFormat.SECTION_SIZE;
            int offset = (int) bytes.get(StateFormat.LONG, entry + StateFormat.SECTION_OFFSET_AT);
            crc.reset();
            update(offset, offset + (int) sections[i].byteSize());
            bytes.set(StateFormat.INT, entry + StateFormat.SECTION_CRC_AT, (int) crc.getValue());
        }
        crc.reset();
        update(0, StateFormat.HEADER_CRC_AT);
        update(StateFormat.HEADER_LENGTH_AT, headerLength);
        bytes.set(StateFormat.INT, StateFormat.HEADER_CRC_AT, (int) crc.getValue());
    }

    private void update(int from, int to) {
        view.limit(to).position(from);
        crc.update(view);
    }
}
