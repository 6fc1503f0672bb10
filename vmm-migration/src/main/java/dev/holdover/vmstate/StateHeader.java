package dev.holdover.vmstate;

import static dev.holdover.vmstate.StateFormat.hex;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * A state's header, checked by itself: its CRC is right, and all that it says fits together.
 *
 * @param state the state's name, for errors
 * @param writer the version of the program that wrote it
 * @param architecture of the guest, an ELF machine number ({@link #X86_64})
 * @param length bytes the header takes
 * @param imageLength bytes of all but RAM pages: header, timeline, sections
 * @param fileLength bytes of the whole state
 * @param configVersion version of the machine configuration's contents
 * @param config the machine configuration, opaque here
 * @param chunks how many entries the chunk table has, one per MiB of copied RAM that is not all zero
 * @param chunksCrc CRC32C of the chunk table
 */
public record StateHeader(
        String state,
        String writer,
        int architecture,
        int length,
        long imageLength,
        long fileLength,
        int configVersion,
        MemorySegment config,
        List<RamRegion> regions,
        List<SectionEntry> sections,
        int chunks,
        int chunksCrc) {
    /** EM_X86_64 of linux/elf-em.h. */
    public static final int X86_64 = 62;

    /** The version of its format; others are refused. */
    public int version() {
        return StateFormat.VERSION;
    }

    /** The machine configuration, field by field. */
    public StateInput configInput() {
        return new StateInput(state, "the machine configuration", config);
    }

    /** Where the timeline is, bytes from the start. */
    long timelineOffset() {
        return length;
    }

    /** Where the pages are, bytes from the start. */
    long pagesOffset() {
        return chunks == 0 ? imageLength : StateFormat.alignToPage(imageLength);
    }

    /** Where the chunk table is, bytes from the start. */
    long chunkTableOffset() {
        return fileLength - (long) chunks * StateFormat.CHUNK_ENTRY_SIZE;
    }

    /**
     * How many bytes of a state its image takes, for who has to read it; checked against the file's size and the
     * limits, but not against the CRC.
     *
     * @param fixed the first {@link StateFormat#FIXED_SIZE} bytes, or all if there are fewer
     * @param size of the whole file
     * @return no more than {@code size}
     */
    static long claimedImageLength(String state, MemorySegment fixed, long size) {
        claimedLength(state, fixed, size);
        long image = fixed.get(StateFormat.LONG, StateFormat.IMAGE_LENGTH_AT);
        if (image < 0 || image > StateFormat.MAX_IMAGE) {
            // Another version of the format may lay it out differently: enough to tell that from damage.
            image = fixed.get(StateFormat.INT, StateFormat.HEADER_LENGTH_AT);
        }
        return Math.min(size, Math.max(image, fixed.get(StateFormat.INT, StateFormat.HEADER_LENGTH_AT)));
    }

    /** The header's length, checked against the file's size. */
    private static int claimedLength(String state, MemorySegment bytes, long size) {
        if (size == 0) {
            throw new StateException(state, "it is empty");
        }
        int known = (int) Math.min(StateFormat.MAGIC_SIZE, bytes.byteSize());
        for (int i = 0; i < known; i++) {
            byte expected = (byte) (StateFormat.MAGIC >>> (56 - 8 * i));
            if (bytes.get(ValueLayout.JAVA_BYTE, i) != expected) {
                throw new StateException(
                        state, "it is not a state of this VMM, or one that was not written to its end");
            }
        }
        if (bytes.byteSize() < StateFormat.FIXED_SIZE) {
            throw new StateException(state, "it is cut off after " + size + " bytes, within its header; copy it again");
        }
        int length = bytes.get(StateFormat.INT, StateFormat.HEADER_LENGTH_AT);
        if (length < StateFormat.FIXED_SIZE || length > StateFormat.MAX_HEADER || length % StateFormat.ALIGNMENT != 0) {
            throw new StateException(
                    state,
                    "its header is damaged at offset " + StateFormat.HEADER_LENGTH_AT + ": it cannot be "
                            + Integer.toUnsignedString(length) + " bytes long");
        }
        if (length > size) {
            throw new StateException(
                    state,
                    "it is cut off after " + size + " bytes, within its header of " + length + "; copy it again");
        }
        return length;
    }

    /**
     * Reads and checks a header.
     *
     * @param image as much of the state's image as there is
     * @param size bytes of the whole file; may be less than the header says, that is checked elsewhere
     */
    static StateHeader read(String state, MemorySegment image, long size) {
        int length = claimedLength(state, image, size);
        MemorySegment header = image.asSlice(0, length).asReadOnly();
        int crc = StateFormat.headerCrc(header);
        int expected = header.get(StateFormat.INT, StateFormat.HEADER_CRC_AT);
        if (crc != expected) {
            throw new StateException(
                    state,
                    "its header is damaged: the CRC32C of its " + length + " bytes is " + hex(crc)
                            + " where offset 12 says " + hex(expected));
        }
        String writer = StateFormat.text(header, StateFormat.WRITER_AT, StateFormat.WRITER_SIZE);
        int version = header.get(StateFormat.INT, StateFormat.VERSION_AT);
        if (version != StateFormat.VERSION) {
            throw new StateException(
                    state,
                    "it has format version " + Integer.toUnsignedString(version) + ", this VMM reads "
                            + StateFormat.VERSION + ": restore it with the VMM that wrote it"
                            + (writer == null ? "" : " (" + writer + ")"));
        }
        return new Reader(state, header, writer).header();
    }

    /** Reads the header's version 1. */
    private static final class Reader {
        private final String state;
        private final MemorySegment header;
        private final String writer;

        Reader(String state, MemorySegment header, String writer) {
            this.state = state;
            this.header = header;
            this.writer = writer;
        }

        StateHeader header() {
            if (writer == null) {
                throw refuse("the writer's version at offset " + StateFormat.WRITER_AT + " is not printable ASCII");
            }
            long imageLength = header.get(StateFormat.LONG, StateFormat.IMAGE_LENGTH_AT);
            if (imageLength < 0 || imageLength > StateFormat.MAX_IMAGE) {
                throw refuse("it claims an image of " + Long.toUnsignedString(imageLength) + " bytes, the limit is "
                        + StateFormat.MAX_IMAGE);
            }
            int regionCount = count("regions", StateFormat.REGIONS_AT, StateFormat.MAX_REGIONS);
            int sectionCount = count("sections", StateFormat.SECTIONS_AT, StateFormat.MAX_SECTIONS);
            int configLength =
                    count("bytes of machine configuration", StateFormat.CONFIG_LENGTH_AT, StateFormat.MAX_CONFIG);
            int chunks = count("chunks of RAM pages", StateFormat.CHUNKS_AT, StateFormat.MAX_CHUNKS);
            long regionTable = StateFormat.align(StateFormat.FIXED_SIZE + configLength);
            long sectionTable = regionTable + (long) regionCount * StateFormat.REGION_SIZE;
            long end = sectionTable + (long) sectionCount * StateFormat.SECTION_SIZE;
            if (end != header.byteSize()) {
                throw refuse("its tables take " + end + " bytes where its header has " + header.byteSize());
            }
            List<RamRegion> regions = new ArrayList<>(regionCount);
            long gpa = 0;
            for (int i = 0; i < regionCount; i++) {
                RamRegion region = region(i, regionTable + (long) i * StateFormat.REGION_SIZE);
                if (region.gpa() < gpa) {
                    throw refuse("RAM region " + i + ", " + region.name() + ", overlaps the one before it");
                }
                gpa = region.gpa() + region.size();
                regions.add(region);
            }
            List<SectionEntry> sections = sections(sectionCount, sectionTable, imageLength);
            StateHeader result = new StateHeader(
                    state,
                    writer,
                    header.get(StateFormat.INT, StateFormat.ARCHITECTURE_AT),
                    (int) header.byteSize(),
                    imageLength,
                    header.get(StateFormat.LONG, StateFormat.FILE_LENGTH_AT),
                    header.get(StateFormat.INT, StateFormat.CONFIG_VERSION_AT),
                    header.asSlice(StateFormat.FIXED_SIZE, configLength),
                    regions,
                    sections,
                    chunks,
                    header.get(StateFormat.INT, StateFormat.CHUNKS_CRC_AT));
            long pages = result.chunkTableOffset() - result.pagesOffset();
            // Between one page and CHUNK_PAGES of them a chunk; none without chunks.
            if (result.fileLength() < 0
                    || pages % StateFormat.PAGE != 0
                    || pages < chunks * StateFormat.PAGE
                    || pages > chunks * StateFormat.CHUNK) {
                throw refuse("a state of " + Long.toUnsignedString(result.fileLength())
                        + " bytes cannot hold an image of " + imageLength + " and " + chunks + " chunks of RAM pages");
            }
            return result;
        }

        private int count(String what, int at, int limit) {
            int count = header.get(StateFormat.INT, at);
            if (count < 0 || count > limit) {
                throw refuse("it claims " + Integer.toUnsignedString(count) + " " + what + ", the limit is " + limit);
            }
            return count;
        }

        private RamRegion region(int index, long at) {
            MemorySegment entry = header.asSlice(at, StateFormat.REGION_SIZE);
            String where = "RAM region " + index + " at offset " + at;
            String name = StateFormat.text(entry, 0, StateFormat.NAME_SIZE);
            if (name == null || !StateFormat.isName(name)) {
                throw refuse(where + " has a name that is not allowed");
            }
            int flags = entry.get(StateFormat.INT, StateFormat.REGION_FLAGS_AT);
            if ((flags & ~(StateFormat.REGION_SHARED | StateFormat.REGION_COPIED)) != 0) {
                throw refuse(where + ", " + name + ", has unknown flags " + hex(flags));
            }
            int proof = entry.get(StateFormat.INT, StateFormat.REGION_PROOF_LENGTH_AT);
            if (proof < 0
                    || proof > StateFormat.MAX_PROOF
                    || !StateFormat.isZero(entry, StateFormat.REGION_PROOF_AT + proof, StateFormat.REGION_SIZE)) {
                throw refuse(where + ", " + name + ", has a proof that is not at most " + StateFormat.MAX_PROOF
                        + " bytes and zeros behind");
            }
            RamRegion region = new RamRegion(
                    name,
                    entry.get(StateFormat.LONG, StateFormat.REGION_GPA_AT),
                    entry.get(StateFormat.LONG, StateFormat.REGION_SIZE_AT),
                    entry.get(StateFormat.LONG, StateFormat.REGION_OFFSET_AT),
                    (flags & StateFormat.REGION_SHARED) != 0,
                    (flags & StateFormat.REGION_COPIED) != 0,
                    new UUID(
                            entry.get(StateFormat.BIG_ENDIAN_LONG, StateFormat.REGION_ID_AT),
                            entry.get(StateFormat.BIG_ENDIAN_LONG, StateFormat.REGION_ID_AT + 8)),
                    entry.get(StateFormat.LONG, StateFormat.REGION_GENERATION_AT),
                    entry.asSlice(StateFormat.REGION_PROOF_AT, proof));
            String fault = region.fault();
            if (fault != null) {
                throw refuse(where + ", " + name + ", " + fault);
            }
            return region;
        }

        private List<SectionEntry> sections(int count, long table, long imageLength) {
            List<SectionEntry> sections = new ArrayList<>(count);
            Map<String, SectionEntry> byId = new HashMap<>(2 * count);
            // Sections lie side by side in the table's order: none can overlap, and no byte belongs to none.
            long offset = header.byteSize() + Timeline.SIZE;
            for (int i = 0; i < count; i++) {
                SectionEntry section = section(i, table + (long) i * StateFormat.SECTION_SIZE);
                if (section.offset() != offset) {
                    throw refuse("section " + section.id() + " lies at offset "
                            + Long.toUnsignedString(section.offset()) + " where " + offset + " is its place");
                }
                if (section.length() < 0 || section.length() > imageLength - offset) {
                    throw refuse("section " + section.id() + " at offset " + offset + " claims "
                            + Long.toUnsignedString(section.length()) + " bytes, which lie beyond the image's end at "
                            + imageLength);
                }
                if (byId.put(section.id(), section) != null) {
                    throw refuse("there are two sections " + section.id());
                }
                offset = StateFormat.align(offset + section.length());
                sections.add(section);
            }
            if (offset != imageLength) {
                throw refuse(
                        "its image ends at offset " + imageLength + " where " + offset + " is the end of its sections");
            }
            return sections;
        }

        private SectionEntry section(int index, long at) {
            MemorySegment entry = header.asSlice(at, StateFormat.SECTION_SIZE);
            String where = "section " + index + " of the table at offset " + at;
            String name = StateFormat.text(entry, 0, StateFormat.NAME_SIZE);
            if (name == null || !StateFormat.isName(name)) {
                throw refuse(where + " has a name that is not allowed");
            }
            int instance = entry.get(StateFormat.INT, StateFormat.SECTION_INSTANCE_AT);
            int version = entry.get(StateFormat.INT, StateFormat.SECTION_VERSION_AT);
            if (instance < 0 || version < 1 || entry.get(StateFormat.INT, StateFormat.SECTION_ZERO_AT) != 0) {
                throw refuse(where + ", " + name + ", has instance " + Integer.toUnsignedString(instance)
                        + " and version " + Integer.toUnsignedString(version) + ", which is not allowed");
            }
            return new SectionEntry(
                    name,
                    instance,
                    version,
                    entry.get(StateFormat.LONG, StateFormat.SECTION_OFFSET_AT),
                    entry.get(StateFormat.LONG, StateFormat.SECTION_LENGTH_AT),
                    entry.get(StateFormat.INT, StateFormat.SECTION_CRC_AT));
        }

        private StateException refuse(String fault) {
            return new StateException(state, "its header is malformed: " + fault);
        }
    }
}
