package dev.holdover.vmstate;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Declares what a state will hold, before the guest is stopped, so that nothing is left to allocate afterwards. Beyond
 * the format's limits throws {@link StateException}. One thread.
 */
public final class StateLayout {
    private record Section(SectionType type, int instance, long length) {}

    private final String writer;
    private final int configVersion;
    private final MemorySegment config;
    private final List<RamRegion> regions = new ArrayList<>();
    private final List<Section> sections = new ArrayList<>();
    private final Set<String> ids = new HashSet<>();

    /**
     * An empty state of a guest on x86-64.
     *
     * @param writer the version of this program, for who cannot read what it wrote; cut at 64 characters
     * @param configVersion version of the machine configuration's contents
     * @param config the machine configuration, at most 64 KiB; copied by {@link #build}
     */
    public StateLayout(String writer, int configVersion, MemorySegment config) {
        if (config.byteSize() > StateFormat.MAX_CONFIG) {
            throw tooLarge("a machine configuration of " + config.byteSize() + " bytes", StateFormat.MAX_CONFIG);
        }
        this.writer = printable(writer);
        this.configVersion = configVersion;
        this.config = config;
    }

    private static String printable(String writer) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < Math.min(writer.length(), StateFormat.WRITER_SIZE); i++) {
            char c = writer.charAt(i);
            text.append(c < ' ' || c > '~' ? '?' : c);
        }
        return text.toString();
    }

    private static StateException tooLarge(String what, long limit) {
        return new StateException("to be saved", what + " is more than a state can hold, " + limit);
    }

    /** Adds a RAM region, behind those before it in the guest's address space; returns its index. */
    public int region(RamRegion region) {
        String fault = region.fault();
        if (fault != null || !StateFormat.isName(region.name())) {
            throw new IllegalArgumentException("region " + region.name() + " " + fault);
        }
        if (!regions.isEmpty()) {
            RamRegion last = regions.getLast();
            if (region.gpa() < last.gpa() + last.size()) {
                throw new IllegalArgumentException("regions out of order at " + region.name());
            }
        }
        if (regions.size() == StateFormat.MAX_REGIONS) {
            throw tooLarge("one more RAM region", StateFormat.MAX_REGIONS);
        }
        regions.add(region);
        return regions.size() - 1;
    }

    /** Adds a section of a fixed length in bytes, no two of the same name and instance; returns its index. */
    public int section(SectionType type, int instance, long length) {
        if (instance < 0 || length < 0 || !ids.add(type.name() + " " + instance)) {
            throw new IllegalArgumentException("section " + type.name() + " " + instance + " of " + length);
        }
        if (sections.size() == StateFormat.MAX_SECTIONS) {
            throw tooLarge("one more section", StateFormat.MAX_SECTIONS);
        }
        if (length > StateFormat.MAX_IMAGE) {
            throw tooLarge(
                    "section " + type.name() + " " + instance + " of " + length + " bytes", StateFormat.MAX_IMAGE);
        }
        sections.add(new Section(type, instance, length));
        return sections.size() - 1;
    }

    /** Allocates the image, zeroed but for its header. */
    public StateImage build() {
        return build(Arena.ofAuto().allocate(size(), StateFormat.PAGE));
    }

    /** Bytes that the image takes. */
    public long size() {
        long end = headerLength() + Timeline.SIZE;
        for (int i = 0; i < sections.size(); i++) {
            end = StateFormat.align(end + sections.get(i).length());
        }
        if (end > StateFormat.MAX_IMAGE) {
            throw tooLarge("an image of " + end + " bytes", StateFormat.MAX_IMAGE);
        }
        return end;
    }

    private long headerLength() {
        return StateFormat.align(StateFormat.FIXED_SIZE + config.byteSize())
                + (long) regions.size() * StateFormat.REGION_SIZE
                + (long) sections.size() * StateFormat.SECTION_SIZE;
    }

    /**
     * Lays the image out in memory of the caller's.
     *
     * @param memory zeroed; at least {@link #size} bytes, of which the image takes just so many
     */
    public StateImage build(MemorySegment memory) {
        long regionTable = StateFormat.align(StateFormat.FIXED_SIZE + config.byteSize());
        long sectionTable = regionTable + (long) regions.size() * StateFormat.REGION_SIZE;
        long headerLength = headerLength();
        long[] offsets = new long[sections.size()];
        long end = headerLength + Timeline.SIZE;
        for (int i = 0; i < offsets.length; i++) {
            offsets[i] = end;
            end = StateFormat.align(end + sections.get(i).length());
        }
        MemorySegment bytes = memory.asSlice(0, size());
        bytes.set(StateFormat.BIG_ENDIAN_LONG, StateFormat.MAGIC_AT, StateFormat.MAGIC);
        bytes.set(StateFormat.INT, StateFormat.VERSION_AT, StateFormat.VERSION);
        bytes.set(StateFormat.INT, StateFormat.HEADER_LENGTH_AT, (int) headerLength);
        bytes.set(StateFormat.INT, StateFormat.ARCHITECTURE_AT, StateHeader.X86_64);
        StateFormat.putText(bytes, StateFormat.WRITER_AT, StateFormat.WRITER_SIZE, writer);
        bytes.set(StateFormat.LONG, StateFormat.IMAGE_LENGTH_AT, end);
        bytes.set(StateFormat.INT, StateFormat.SECTIONS_AT, sections.size());
        bytes.set(StateFormat.INT, StateFormat.REGIONS_AT, regions.size());
        bytes.set(StateFormat.INT, StateFormat.CONFIG_LENGTH_AT, (int) config.byteSize());
        bytes.set(StateFormat.INT, StateFormat.CONFIG_VERSION_AT, configVersion);
        MemorySegment.copy(config, 0, bytes, StateFormat.FIXED_SIZE, config.byteSize());
        for (int i = 0; i < regions.size(); i++) {
            putRegion(bytes.asSlice(regionTable + (long) i * StateFormat.REGION_SIZE), regions.get(i));
        }
        MemorySegment[] slices = new MemorySegment[sections.size()];
        for (int i = 0; i < slices.length; i++) {
            Section section = sections.get(i);
            putSection(bytes.asSlice(sectionTable + (long) i * StateFormat.SECTION_SIZE), section, offsets[i]);
            slices[i] = bytes.asSlice(offsets[i], section.length());
        }
        return new StateImage(bytes, (int) headerLength, regionTable, sectionTable, List.copyOf(regions), slices);
    }

    private static void putRegion(MemorySegment entry, RamRegion region) {
        StateFormat.putText(entry, 0, StateFormat.NAME_SIZE, region.name());
        entry.set(StateFormat.LONG, StateFormat.REGION_GPA_AT, region.gpa());
        entry.set(StateFormat.LONG, StateFormat.REGION_SIZE_AT, region.size());
        entry.set(StateFormat.LONG, StateFormat.REGION_OFFSET_AT, region.fileOffset());
        int flags =
                (region.shared() ? StateFormat.REGION_SHARED : 0) | (region.copied() ? StateFormat.REGION_COPIED : 0);
        entry.set(StateFormat.INT, StateFormat.REGION_FLAGS_AT, flags);
        StateImage.putIdentity(entry, region.id(), region.generation(), region.proof());
    }

    private static void putSection(MemorySegment entry, Section section, long offset) {
        StateFormat.putText(entry, 0, StateFormat.NAME_SIZE, section.type().name());
        entry.set(StateFormat.INT, StateFormat.SECTION_INSTANCE_AT, section.instance());
        entry.set(
                StateFormat.INT, StateFormat.SECTION_VERSION_AT, section.type().version());
        entry.set(StateFormat.LONG, StateFormat.SECTION_OFFSET_AT, offset);
        entry.set(StateFormat.LONG, StateFormat.SECTION_LENGTH_AT, section.length());
    }
}
