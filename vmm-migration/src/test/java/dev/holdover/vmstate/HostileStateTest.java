package dev.holdover.vmstate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** States whose CRCs are right and whose contents are not. */
class HostileStateTest {
    private static final byte[] KEPT = SampleState.kept();
    private static final byte[] COPIED = SampleState.copied();
    private static final long REGIONS = StateFormat.align(
            StateFormat.FIXED_SIZE + SampleState.parse(KEPT).header().config().byteSize());
    private static final long SECTIONS = REGIONS + 2 * StateFormat.REGION_SIZE;

    private interface Tampering {
        void tamper(MemorySegment state);
    }

    /** Refused, by a sentence with this text, from memory and from a file. */
    private static void assertRefused(byte[] good, String text, Tampering tampering) {
        byte[] bad = good.clone();
        tampering.tamper(MemorySegment.ofArray(bad));
        SampleState.sealHeader(bad);
        assertThatThrownBy(() -> SampleState.parse(bad))
                .isInstanceOf(StateException.class)
                .hasMessageContaining(text);
        try (Fd memfd = SampleState.memfd(bad)) {
            assertThatThrownBy(() -> StateFile.open(memfd, SampleState.KNOWN))
                    .isInstanceOf(StateException.class)
                    .hasMessageContaining(text);
        }
    }

    private static void assertRefused(String text, Tampering tampering) {
        assertRefused(KEPT, text, tampering);
    }

    private static void assertIntRefused(String text, long at, int... values) {
        for (int value : values) {
            assertRefused(text, state -> state.set(StateFormat.INT, at, value));
        }
    }

    private static void assertLongRefused(String text, long at, long... values) {
        for (long value : values) {
            assertRefused(text, state -> state.set(StateFormat.LONG, at, value));
        }
    }

    @Test
    void refusesAnotherVersionAndNamesTheWriter() {
        assertIntRefused(
                "format version 2, this VMM reads 1: restore it with the VMM that wrote it (Holdover golden)",
                StateFormat.VERSION_AT,
                2);
        assertIntRefused("format version 4294967295", StateFormat.VERSION_AT, -1);
    }

    @Test
    void refusesAnotherArchitecture() {
        assertIntRefused("another architecture (ELF machine 183)", StateFormat.ARCHITECTURE_AT, 183);
    }

    @Test
    void refusesClaimsBeyondTheLimits() {
        int[] huge = {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, 1 << 30};
        assertIntRefused("sections, the limit is 16384", StateFormat.SECTIONS_AT, huge);
        assertIntRefused("regions, the limit is 1024", StateFormat.REGIONS_AT, huge);
        assertIntRefused("bytes of machine configuration, the limit", StateFormat.CONFIG_LENGTH_AT, huge);
        assertIntRefused("chunks of RAM pages, the limit", StateFormat.CHUNKS_AT, huge);
        assertLongRefused(
                "claims an image of",
                StateFormat.IMAGE_LENGTH_AT,
                -1,
                Long.MIN_VALUE,
                Long.MAX_VALUE,
                StateFormat.MAX_IMAGE + 1);
        assertIntRefused("tables take", StateFormat.SECTIONS_AT, 16384, 0, 5);
        assertIntRefused("tables take", StateFormat.REGIONS_AT, 1024, 0, 3);
        assertIntRefused("cannot hold", StateFormat.CHUNKS_AT, 1, StateFormat.MAX_CHUNKS);
        assertLongRefused("cannot hold", StateFormat.FILE_LENGTH_AT, -1, Long.MAX_VALUE, KEPT.length + 1L);
    }

    @Test
    void refusesAHeaderLengthThatCannotBe() {
        for (int length : new int[] {0, 64, 127, 129, -8, Integer.MIN_VALUE, Integer.MAX_VALUE, 2 << 20 | 8}) {
            byte[] bad = KEPT.clone();
            MemorySegment.ofArray(bad).set(StateFormat.INT, StateFormat.HEADER_LENGTH_AT, length);
            assertThatThrownBy(() -> SampleState.parse(bad))
                    .isInstanceOf(StateException.class)
                    .hasMessageContaining("header is damaged at offset 16");
        }
    }

    @Test
    void allocatesNothingForAClaimBeyondTheLimit() {
        // As large as its header says, but with no memory behind: reading it whole would take 1 TiB.
        try (Fd memfd = Memfd.create("huge", 1L << 40);
                Arena arena = Arena.ofConfined()) {
            byte[] bad = KEPT.clone();
            MemorySegment bytes = MemorySegment.ofArray(bad);
            bytes.set(StateFormat.LONG, StateFormat.FILE_LENGTH_AT, 1L << 40);
            bytes.set(StateFormat.LONG, StateFormat.IMAGE_LENGTH_AT, 1L << 40);
            SampleState.sealHeader(bad);
            memfd.writeFully(arena.allocateFrom(ValueLayout.JAVA_BYTE, bad), 0);
            assertThatThrownBy(() -> StateFile.open(memfd, SampleState.KNOWN))
                    .isInstanceOf(StateException.class)
                    .hasMessageContaining("claims an image of 1099511627776 bytes, the limit is 67108864");
        }
    }

    @Test
    void refusesSectionsOutOfPlace() {
        long offset = SECTIONS + StateFormat.SECTION_OFFSET_AT;
        assertLongRefused("section vcpu 0 lies at offset", offset, 0, -1, Long.MAX_VALUE, Long.MIN_VALUE, 1 << 20);
        long second = offset + StateFormat.SECTION_SIZE;
        long first = MemorySegment.ofArray(KEPT).get(StateFormat.LONG, offset);
        assertLongRefused("section vcpu 1 lies at offset", second, first, first + 8, first + 48);
        long length = SECTIONS + StateFormat.SECTION_LENGTH_AT;
        assertLongRefused("beyond the image's end", length, -1, Long.MAX_VALUE, Long.MIN_VALUE, 1 << 20);
        assertLongRefused("where", length, 0, 41, 48);
        assertRefused(KEPT, "its image ends at offset", state -> {
            long last = SECTIONS + 3 * StateFormat.SECTION_SIZE + StateFormat.SECTION_LENGTH_AT;
            state.set(StateFormat.LONG, last, 8);
        });
    }

    @Test
    void refusesTwoOfTheSameSection() {
        assertIntRefused(
                "two sections vcpu 0", SECTIONS + StateFormat.SECTION_SIZE + StateFormat.SECTION_INSTANCE_AT, 0);
    }

    @Test
    void refusesSectionFieldsThatAreNotAllowed() {
        assertIntRefused("not allowed", SECTIONS + StateFormat.SECTION_VERSION_AT, 0, -1);
        assertIntRefused("not allowed", SECTIONS + StateFormat.SECTION_INSTANCE_AT, -1);
        assertIntRefused("not allowed", SECTIONS + StateFormat.SECTION_ZERO_AT, 1);
        for (String name : List.of("", "VCPU", "a b", "\u001b[31m", "a\0b")) {
            assertRefused("name that is not allowed", state -> {
                state.asSlice(SECTIONS, StateFormat.NAME_SIZE).fill((byte) 0);
                MemorySegment.copy(
                        MemorySegment.ofArray(name.getBytes(StandardCharsets.US_ASCII)),
                        0,
                        state,
                        SECTIONS,
                        name.length());
            });
        }
    }

    @Test
    void refusesRegionsThatCannotBe() {
        assertLongRefused("which no RAM has", REGIONS + StateFormat.REGION_GPA_AT, 1, -4096, 1L << 52, Long.MIN_VALUE);
        assertLongRefused(
                "which no RAM has", REGIONS + StateFormat.REGION_SIZE_AT, 0, 1, -4096, Long.MIN_VALUE, 1L << 53);
        assertLongRefused("which no file has", REGIONS + StateFormat.REGION_OFFSET_AT, -1, Long.MAX_VALUE);
        assertIntRefused("unknown flags", REGIONS + StateFormat.REGION_FLAGS_AT, 4, -1);
        assertIntRefused("is private, yet", REGIONS + StateFormat.REGION_FLAGS_AT, 0);
        assertIntRefused("a proof", REGIONS + StateFormat.REGION_PROOF_LENGTH_AT, -1, 65, 2);
        assertLongRefused(
                "overlaps the one before", REGIONS + StateFormat.REGION_SIZE + StateFormat.REGION_GPA_AT, 0, 0xff000);
    }

    @Test
    void refusesUnknownAndNewerSectionsByName() {
        StateFile state = SampleState.parse(KEPT);
        assertThatThrownBy(() -> state.requireKnown(List.of(SampleState.VCPU, SampleState.EMPTY)))
                .isInstanceOf(StateException.class)
                .hasMessageContaining("section uart 0 is unknown to this VMM")
                .hasMessageContaining("Holdover golden");
        SectionType older = new SectionType("vcpu", 1);
        assertThatThrownBy(() -> state.requireKnown(List.of(older, SampleState.UART, SampleState.EMPTY)))
                .isInstanceOf(StateException.class)
                .hasMessageContaining("section vcpu 0 has version 2, this VMM reads up to 1");
        assertThatThrownBy(() -> state.section(older, 0)).isInstanceOf(StateException.class);
        assertThatThrownBy(() -> state.section(SampleState.UART, 1))
                .isInstanceOf(StateException.class)
                .hasMessageContaining("section uart 1 is missing");
        assertThat(state.section(new SectionType("vcpu", 3), 0).version()).isEqualTo(2);
    }

    /** As {@link #assertRefused}, of the one entry of the chunk table; its CRC is made right. */
    private static void assertChunkRefused(String text, Tampering tampering) {
        assertRefused(COPIED, text, state -> {
            MemorySegment table = state.asSlice(state.byteSize() - StateFormat.CHUNK_ENTRY_SIZE);
            tampering.tamper(table);
            state.set(StateFormat.INT, StateFormat.CHUNKS_CRC_AT, StateFormat.crc(table));
        });
    }

    @Test
    void refusesChunksThatCannotBe() {
        for (int region : new int[] {2, -1, Integer.MIN_VALUE}) {
            assertChunkRefused("names RAM region", entry -> entry.set(StateFormat.INT, 0, region));
        }
        for (int number : new int[] {4, -1, Integer.MAX_VALUE}) {
            assertChunkRefused("beyond the end", entry -> entry.set(StateFormat.INT, 4, number));
        }
        assertChunkRefused("beyond the end", entry -> entry.set(StateFormat.LONG, 16, 4)); // only pages 0 and 1 are RAM
        assertChunkRefused("has no page", entry -> entry.set(StateFormat.LONG, 16, 0));
        assertChunkRefused("2 pages where there are 1", entry -> entry.set(StateFormat.LONG, 16, 3));
        assertChunkRefused("reserved field", entry -> entry.set(StateFormat.INT, StateFormat.CHUNK_ZERO_AT, 1));
        assertChunkRefused(
                "RAM pages of region ram0 from guest address 0x300000",
                entry -> entry.set(StateFormat.INT, StateFormat.CHUNK_CRC_AT, 0));
    }

    @Test
    void refusesChunksOfRamThatIsNotCopiedOrOutOfOrder() {
        byte[] two = Arrays.copyOf(COPIED, COPIED.length + 4096 + StateFormat.CHUNK_ENTRY_SIZE);
        int table = two.length - 2 * StateFormat.CHUNK_ENTRY_SIZE;
        int page = COPIED.length - StateFormat.CHUNK_ENTRY_SIZE - 4096;
        System.arraycopy(COPIED, page, two, page + 4096, 4096 + StateFormat.CHUNK_ENTRY_SIZE);
        System.arraycopy(two, table, two, table + StateFormat.CHUNK_ENTRY_SIZE, StateFormat.CHUNK_ENTRY_SIZE);
        Tampering count = state -> {
            state.set(StateFormat.LONG, StateFormat.FILE_LENGTH_AT, two.length);
            state.set(StateFormat.INT, StateFormat.CHUNKS_AT, 2);
            state.set(StateFormat.INT, StateFormat.CHUNKS_CRC_AT, StateFormat.crc(state.asSlice(table)));
        };
        assertRefused(two, "entry 1 is out of order", count);
        assertRefused(two, "entry 1 is out of order", state -> {
            state.set(StateFormat.INT, table + StateFormat.CHUNK_ENTRY_SIZE + StateFormat.CHUNK_NUMBER_AT, 2);
            count.tamper(state);
        });
        // The same, in order: that it is refused for nothing else shows that the test's own layout is right.
        byte[] good = two.clone();
        MemorySegment state = MemorySegment.ofArray(good);
        state.set(StateFormat.INT, table + StateFormat.CHUNK_NUMBER_AT, 2);
        count.tamper(state);
        SampleState.sealHeader(good);
        assertThat(SampleState.parse(good).pages().size(0)).isEqualTo(8192);
    }

    @Test
    void survivesRandomMutations() {
        Random random = new Random(20261122);
        int accepted = 0;
        int refused = 0;
        for (int round = 0; round < 20_000; round++) {
            byte[] state = (round % 2 == 0 ? KEPT : COPIED).clone();
            int headerLength = MemorySegment.ofArray(state).get(StateFormat.INT, StateFormat.HEADER_LENGTH_AT);
            int changes = 1 + random.nextInt(4);
            for (int i = 0; i < changes; i++) {
                // The header's numbers are where trouble is; so they are met as often as all the rest.
                int at = random.nextInt(random.nextBoolean() ? headerLength : state.length);
                switch (random.nextInt(4)) {
                    case 0 -> state[at] = (byte) random.nextInt();
                    case 1 -> state[at] ^= (byte) (1 << random.nextInt(8));
                    case 2 -> Arrays.fill(state, at, Math.min(state.length, at + 8), (byte) -random.nextInt(2));
                    default -> state = Arrays.copyOf(state, Math.max(headerLength, at));
                }
            }
            int length = MemorySegment.ofArray(state).get(StateFormat.INT, StateFormat.HEADER_LENGTH_AT);
            if (length == headerLength && random.nextInt(8) != 0) {
                SampleState.sealHeader(state);
            }
            try {
                readAll(SampleState.parse(state));
                accepted++;
            } catch (StateException e) {
                refused++;
            }
        }
        // Both happen: the timeline, the configuration and the identity can be changed by who can make CRCs.
        assertThat(accepted).isGreaterThan(1000);
        assertThat(refused).isGreaterThan(10_000);
    }

    private static void readAll(StateFile state) {
        state.timeline().events();
        for (SectionEntry entry : state.header().sections()) {
            SectionType type = new SectionType(entry.name(), entry.version());
            state.section(type, entry.instance()).bytes().toArray(ValueLayout.JAVA_BYTE);
        }
        for (int i = 0; i < state.header().regions().size(); i++) {
            RamRegion region = state.header().regions().get(i);
            if (region.size() < 16 << 20) {
                state.pages().load(i, MemorySegment.ofArray(new byte[(int) region.size()]));
            }
        }
    }

    @Test
    void inspectsWhatIsDamaged() {
        byte[] bad = COPIED.clone();
        StateHeader header = SampleState.parse(COPIED).header();
        bad[(int) header.sections().get(1).offset() + 3] ^= 1;
        bad[(int) header.pagesOffset() + 5] ^= 1;
        bad[(int) header.timelineOffset() + 40] ^= 1;
        try (Fd memfd = SampleState.memfd(bad);
                StateInspection inspection = StateFile.inspect(memfd)) {
            assertThat(inspection.header().writer()).isEqualTo("Holdover golden");
            assertThat(inspection.sections()).hasSize(4);
            assertThat(inspection.sections().get(0).damage()).isNull();
            assertThat(inspection.sections().get(0).view().struct(40).byteSize())
                    .isEqualTo(40);
            assertThat(inspection.sections().get(1).damage()).startsWith("section vcpu 1 at offset");
            assertThat(inspection.sections().get(1).view()).isNull();
            assertThat(inspection.timeline().events()).hasSize(1);
            assertThat(inspection.pages()).isNull();
            assertThat(inspection.damages()).hasSize(3);
        }
    }

    @Test
    void inspectsWhatIsLeftOfATruncatedState() {
        StateHeader header = SampleState.parse(KEPT).header();
        int cut = (int) header.sections().get(1).offset() + 5;
        try (Fd memfd = SampleState.memfd(Arrays.copyOf(KEPT, cut));
                StateInspection inspection = StateFile.inspect(memfd)) {
            assertThat(inspection.size()).isEqualTo(cut);
            assertThat(inspection.damages().getFirst()).contains("it is cut off after " + cut);
            assertThat(inspection.sections().get(0).damage()).isNull();
            assertThat(inspection.sections().get(1).damage()).contains("5 of its 40 bytes are there");
            assertThat(inspection.sections().get(3).damage()).contains("0 of its 13 bytes are there");
        }
    }

    @Test
    void inspectsASoundStateOfAnotherArchitecture() {
        byte[] other = KEPT.clone();
        MemorySegment.ofArray(other).set(StateFormat.INT, StateFormat.ARCHITECTURE_AT, 183);
        SampleState.sealHeader(other);
        try (Fd memfd = SampleState.memfd(other);
                StateInspection inspection = StateFile.inspect(memfd)) {
            assertThat(inspection.damages()).isEmpty();
            assertThat(inspection.header().architecture()).isEqualTo(183);
        }
    }
}
