package dev.holdover.vmstate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.holdover.linux.Fd;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The state files of old versions are read for ever, and no byte of them may be other than it was. */
class GoldenStateTest {
    private static final String KEPT = "v1-kept.state";
    private static final String COPIED = "v1-copied.state";

    /** A golden file; {@code -Dgolden=write} makes it anew, which is for a new version of the format only. */
    private static byte[] golden(String file) throws IOException {
        if ("write".equals(System.getProperty("golden"))) {
            byte[] state = file.equals(KEPT) ? SampleState.kept() : SampleState.copied();
            Files.write(Path.of("src/test/resources/dev/holdover/vmstate", file), state);
            return state;
        }
        try (InputStream in = GoldenStateTest.class.getResourceAsStream(file)) {
            return in.readAllBytes();
        }
    }

    @Test
    void writesVersion1AsEver() throws IOException {
        assertThat(SampleState.kept()).isEqualTo(golden(KEPT));
        assertThat(SampleState.copied()).isEqualTo(golden(COPIED));
    }

    @Test
    void readsVersion1() throws IOException {
        byte[] bytes = golden(KEPT);
        try (Fd memfd = SampleState.memfd(bytes);
                StateFile state = StateFile.open(memfd, SampleState.KNOWN)) {
            StateHeader header = state.header();
            assertThat(header.writer()).isEqualTo("Holdover golden");
            assertThat(header.architecture()).isEqualTo(StateHeader.X86_64);
            assertThat(header.fileLength()).isEqualTo(bytes.length);
            assertThat(header.configVersion()).isEqualTo(3);
            StateInput config = header.configInput();
            assertThat(config.string(64)).isEqualTo("größer");
            assertThat(config.i32()).isEqualTo(2);
            assertThat(config.bool()).isTrue();
            config.end();

            RamRegion low = header.regions().get(0);
            assertThat(low.name()).isEqualTo("ram0");
            assertThat(low.size()).isEqualTo(0x100000);
            assertThat(low.shared()).isTrue();
            assertThat(low.copied()).isFalse();
            assertThat(low.id()).isEqualTo(SampleState.RAM_ID);
            assertThat(low.generation()).isEqualTo(7);
            assertThat(low.proof().toArray(ValueLayout.JAVA_BYTE)).containsExactly(1, 2, 3);
            RamRegion high = header.regions().get(1);
            assertThat(high.gpa()).isEqualTo(0x100000000L);
            assertThat(high.fileOffset()).isEqualTo(0x100000);

            SectionView vcpu1 = state.section(SampleState.VCPU, 1);
            assertThat(vcpu1.version()).isEqualTo(2);
            assertThat(vcpu1.struct(40).get(ValueLayout.JAVA_BYTE, 39)).isEqualTo((byte) -39);
            assertThat(state.section(SampleState.EMPTY, 0).bytes().byteSize()).isZero();
            StateInput uart = state.section(SampleState.UART, 0).input();
            assertThat(uart.u8()).isEqualTo(0xc3);
            assertThat(uart.u16()).isEqualTo(0xfedc);
            assertThat(uart.i64()).isEqualTo(0x0123456789abcdefL);
            uart.end();

            assertThat(state.timeline().damage()).isNull();
            assertThat(state.timeline().events())
                    .containsExactly(
                            new TimelineEvent(1, 1000, 2_000_000, 3_000_000_000L),
                            new TimelineEvent(2, 1001, 2_000_001, -1));
        }
    }

    @Test
    void readsPagesOfVersion1() throws IOException {
        try (Fd memfd = SampleState.memfd(golden(COPIED));
                StateFile state = StateFile.open(memfd, SampleState.KNOWN);
                Arena arena = Arena.ofConfined()) {
            MemorySegment ram = arena.allocate(SampleState.COPIED_SIZE, 4096);
            state.pages().load(0, ram);
            assertThat(ram.mismatch(SampleState.copiedRam(arena))).isNegative();
            assertThat(state.pages().size(0)).isEqualTo(4096L * SampleState.PAGES.length);
            assertThat(state.pages().size(1)).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {KEPT, COPIED})
    void refusesEveryFlippedByte(String file) throws IOException {
        byte[] good = golden(file);
        StateHeader header = SampleState.parse(good).header();
        for (int i = 0; i < good.length; i++) {
            boolean inTimeline = i >= header.timelineOffset() && i < header.timelineOffset() + Timeline.SIZE;
            for (int flip : new int[] {1 << i % 8, 0xff}) {
                byte[] bad = good.clone();
                bad[i] ^= (byte) flip;
                if (inTimeline) {
                    StateFile state = SampleState.parse(bad);
                    assertThat(state.timeline().damage()).contains("event " + (i - header.timelineOffset()) / 32);
                    assertThat(state.timeline().events()).hasSizeGreaterThanOrEqualTo(1);
                } else {
                    Throwable refusal = catchThrowable(() -> SampleState.parse(bad));
                    assertThat(refusal)
                            .as("bits %x of byte %d", flip, i)
                            .isInstanceOf(StateException.class)
                            .hasMessageContaining(expectedPart(header, i));
                }
            }
        }
    }

    /** What the refusal of a state whose byte {@code i} is wrong must name. */
    private static String expectedPart(StateHeader header, int i) {
        if (i < StateFormat.MAGIC_SIZE) {
            return "not a state";
        }
        if (i < header.length()) {
            return "header";
        }
        for (SectionEntry entry : header.sections()) {
            if (i >= entry.offset() && i < StateFormat.align(entry.offset() + entry.length())) {
                return "section " + entry.id() + " at offset " + entry.offset();
            }
        }
        return i >= header.chunkTableOffset() ? "chunk table" : "RAM pages";
    }

    @ParameterizedTest
    @ValueSource(strings = {KEPT, COPIED})
    void refusesEveryTruncation(String file) throws IOException {
        byte[] good = golden(file);
        StateHeader header = SampleState.parse(good).header();
        for (int length = 0; length < good.length; length++) {
            byte[] bad = Arrays.copyOf(good, length);
            Throwable refusal = catchThrowable(() -> SampleState.parse(bad));
            assertThat(refusal)
                    .as("cut to %d", length)
                    .isInstanceOf(StateException.class)
                    .hasMessageContaining(length == 0 ? "is empty" : "cut off after " + length);
            for (SectionEntry entry : header.sections()) {
                if (length >= entry.offset() && length < entry.offset() + entry.length()) {
                    assertThat(refusal).hasMessageContaining("section " + entry.id() + " at offset " + entry.offset());
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {KEPT, COPIED})
    void refusesWhatFollowsTheEnd(String file) throws IOException {
        byte[] good = golden(file);
        for (int more : new int[] {1, 8, 48, 4096}) {
            assertThatThrownBy(() -> SampleState.parse(Arrays.copyOf(good, good.length + more)))
                    .isInstanceOf(StateException.class)
                    .hasMessageContaining(more + " bytes follow behind its end at offset " + good.length);
        }
    }
}
