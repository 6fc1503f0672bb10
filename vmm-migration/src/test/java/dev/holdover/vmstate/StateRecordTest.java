package dev.holdover.vmstate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class StateRecordTest {
    private static final SectionType DISK = new SectionType("disk", 1);

    private static StateInput disk(int... bytes) {
        StateLayout layout = new StateLayout("test", 1, MemorySegment.NULL);
        int index = layout.section(DISK, 3, bytes.length);
        StateImage image = layout.build();
        StateOutput output = image.output(index);
        for (int value : bytes) {
            output.u8(value);
        }
        image.seal();
        return StateFile.parse(image.bytes()).section(DISK, 3).input();
    }

    private static void assertRefused(String text, Runnable read) {
        assertThatThrownBy(read::run)
                .isInstanceOf(StateException.class)
                .hasMessageContaining("section disk 3 is refused at its offset")
                .hasMessageContaining(text);
    }

    @Test
    void refusesWhatDoesNotFit() {
        assertRefused("offset 3: a number of 4 bytes goes beyond its end, 1 are left", () -> {
            StateInput input = disk(1, 2, 3, 4);
            input.u8();
            input.u16();
            input.i32();
        });
        assertRefused("a number of 8 bytes", () -> disk(1, 2, 3, 4, 5, 6, 7).i64());
        assertRefused("a block of -1 bytes", () -> disk(1).bytes(-1));
        assertRefused("a block of 9223372036854775807 bytes", () -> disk(1).bytes(Long.MAX_VALUE));
        assertRefused("neither 0 nor 1", () -> disk(2).bool());
        assertRefused(
                "4294967295, the limit is 16", () -> disk(255, 255, 255, 255).count(16));
        assertRefused("17, the limit is 16", () -> disk(17, 0, 0, 0).count(16));
        assertRefused(
                "a text has 5 bytes, the limit is 4",
                () -> disk(5, 0, 'a', 'b', 'c', 'd', 'e').string(4));
        assertRefused(
                "a text of 5 bytes goes beyond its end", () -> disk(5, 0, 'a').string(100));
        assertRefused("not UTF-8", () -> disk(2, 0, 0xc3, 0x28).string(100));
        assertRefused("more than this VMM knows", () -> disk(0, 0, 1).end());
        assertRefused("no such mode", () -> {
            throw disk(9).refuse("no such mode");
        });
    }

    @Test
    void restOfAPlaceIsZeroed() {
        StateLayout layout = new StateLayout("test", 1, MemorySegment.NULL);
        int index = layout.section(DISK, 0, 16);
        StateImage image = layout.build();
        image.section(index).fill((byte) 0x55);
        StateOutput output = image.output(index);
        output.string("vda");
        output.end();
        image.seal();
        StateInput input = StateFile.parse(image.bytes()).section(DISK, 0).input();
        assertThat(input.string(8)).isEqualTo("vda");
        input.end();
        assertThatThrownBy(() -> image.output(index).string("x".repeat(15)))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void imageIsUsedAgain() {
        StateLayout layout = new StateLayout("test", 1, MemorySegment.NULL);
        int index = layout.section(DISK, 0, 8);
        int ram = layout.region(RamRegion.kept("ram0", 0, 4096, 0));
        StateImage image = layout.build();
        UUID id = new UUID(1, 2);
        for (long i = 1; i <= 3; i++) {
            image.output(index).i64(i);
            image.identify(ram, id, i, MemorySegment.ofArray(new byte[(int) (8 - i)]));
            image.timeline().clear();
            image.timeline().stamp(1, i, i, i);
            image.seal();
            StateFile state = StateFile.parse(image.bytes());
            assertThat(state.section(DISK, 0).input().i64()).isEqualTo(i);
            assertThat(state.header().regions().get(ram).generation()).isEqualTo(i);
            assertThat(state.header().regions().get(ram).proof().byteSize()).isEqualTo(8 - i);
            assertThat(state.timeline().events()).containsExactly(new TimelineEvent(1, i, i, i));
        }
    }

    @Test
    void timelineDropsWhatItHasNoRoomFor() {
        StateImage image = new StateLayout("test", 1, MemorySegment.NULL).build();
        for (int i = 1; i <= Timeline.CAPACITY + 3; i++) {
            image.timeline().stamp(i, i, i, i);
        }
        image.seal();
        List<TimelineEvent> events = StateFile.parse(image.bytes()).timeline().events();
        assertThat(events).hasSize(Timeline.CAPACITY);
        assertThat(events.getLast().phase()).isEqualTo(Timeline.CAPACITY);
    }

    @Test
    void oneVcpuTakesLittleMoreThanItsSections() {
        StateLayout layout = new StateLayout("Holdover 0.1.0", 1, MemorySegment.ofArray(new byte[512]));
        layout.region(RamRegion.kept("ram0", 0, 1L << 30, 0));
        long sections = 0;
        for (int i = 0; i < 30; i++) {
            long length = 700 + 5L * i;
            layout.section(new SectionType("section-" + i, 1), 0, length);
            sections += length;
        }
        assertThat(sections).isGreaterThan(22 << 10);
        assertThat(layout.build().size()).isLessThan(sections + 5000).isLessThan(32 << 10);
    }

    @Test
    void writerIsPrintableWhateverItWas() {
        StateImage image = new StateLayout("a\u001bb" + "x".repeat(100), 1, MemorySegment.NULL).build();
        image.seal();
        assertThat(StateFile.parse(image.bytes()).header().writer()).isEqualTo("a?b" + "x".repeat(61));
    }
}
