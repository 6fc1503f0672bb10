package dev.holdover.vmstate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PageWriterTest {
    private static final long MIB = 1 << 20;

    @TempDir
    Path directory;

    private String save(List<RamRegion> regions, List<GuestMemory.Region> ram) {
        String path = directory.resolve("state").toString();
        StateImage image = image(regions);
        try (FileTarget target = FileTarget.create(path, image.size());
                PageWriter pages = new PageWriter(target, image)) {
            long bytes = 0;
            for (int i = 0; i < ram.size(); i++) {
                pages.write(i, ram.get(i));
                bytes += ram.get(i).size();
            }
            pages.finish();
            target.publish(image);
            assertThat(pages.scanned()).isEqualTo(bytes);
            assertThat(image.fileLength()).isEqualTo(Path.of(path).toFile().length());
        }
        return path;
    }

    private static StateImage image(List<RamRegion> regions) {
        StateLayout layout = new StateLayout("test", 1, MemorySegment.NULL);
        for (RamRegion region : regions) {
            layout.region(region);
        }
        return layout.build();
    }

    @Test
    void pagesComeBackWhereTheyWere() {
        Random random = new Random(7);
        // Several chunks, dense and sparse and empty ones, holes of all sizes, an end within a chunk.
        long lowSize = 9 * MIB + 5 * 4096;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment low = arena.allocate(lowSize, 4096);
            MemorySegment high = arena.allocate(3 * MIB, 4096);
            int written = 0;
            for (int page = 0; page < lowSize / 4096; page++) {
                int chunk = page / 256;
                boolean present = chunk % 3 == 0 || (chunk % 3 == 1 && random.nextInt(3) == 0);
                if (present || page == lowSize / 4096 - 1) {
                    // One byte that is not zero, at any place.
                    low.set(ValueLayout.JAVA_BYTE, page * 4096L + random.nextInt(4096), (byte) (1 + page % 255));
                    written++;
                }
            }
            high.set(ValueLayout.JAVA_BYTE, 3 * MIB - 1, (byte) 1);
            written++;
            String path = save(
                    List.of(
                            RamRegion.copied("low", 0, lowSize, 0, false),
                            RamRegion.copied("high", 0x100000000L, 3 * MIB, 0, false)),
                    List.of(
                            new GuestMemory.Region(0, low, null, 0, false),
                            new GuestMemory.Region(0x100000000L, high, null, 0, false)));

            try (StateFile state = StateFile.open(path, List.of())) {
                assertThat(state.pages().size(0) + state.pages().size(1)).isEqualTo(written * 4096L);
                MemorySegment lowAgain = arena.allocate(lowSize, 4096);
                MemorySegment highAgain = arena.allocate(3 * MIB, 4096);
                state.pages().load(1, highAgain);
                state.pages().load(0, lowAgain);
                assertThat(lowAgain.mismatch(low)).isNegative();
                assertThat(highAgain.mismatch(high)).isNegative();
                long pagesAt = state.header().pagesOffset();
                assertThat(pagesAt % 4096).isZero();
            }
        }
    }

    @Test
    void ramThatIsAllZeroCostsNothing() {
        try (Mapping ram = Mapping.anonymous(64 * MIB, 1)) {
            String path = save(
                    List.of(RamRegion.copied("ram0", 0, 64 * MIB, 0, false)),
                    List.of(new GuestMemory.Region(0, ram.segment(), null, 0, false)));
            assertThat(Path.of(path)).hasSize(128 + 152 + 2048);
            assertThat(Path.of(path).toFile().length()).isLessThan(4096);
        }
    }

    @Test
    void holesOfSharedRamStayHoles() {
        Fd memfd = Memfd.create("ram", 64 * MIB);
        try (memfd;
                Mapping ram = Mapping.shared(memfd, 0, 64 * MIB)) {
            ram.segment().set(ValueLayout.JAVA_BYTE, 33 * MIB + 4096, (byte) 5);
            // As a second region of the same file, to see that the file offset counts.
            long half = 32 * MIB;
            String path = save(
                    List.of(
                            RamRegion.copied("ram0", 0, half, 0, true),
                            RamRegion.copied("ram0", half, half, half, true)),
                    List.of(
                            new GuestMemory.Region(0, ram.segment().asSlice(0, half), memfd, 0, true),
                            new GuestMemory.Region(half, ram.segment().asSlice(half), memfd, half, true)));
            try (StateFile state = StateFile.open(path, List.of());
                    Arena arena = Arena.ofConfined()) {
                assertThat(state.pages().size(0)).isZero();
                assertThat(state.pages().size(1)).isEqualTo(4096);
                MemorySegment again = arena.allocate(half);
                state.pages().load(1, again);
                assertThat(again.get(ValueLayout.JAVA_BYTE, MIB + 4096)).isEqualTo((byte) 5);
            }
            // What is looked at gets pages: at most the one MiB that has data.
            long data = 0;
            long pagesOfData = 0;
            while ((data = memfd.trySeekData(data)) >= 0) {
                pagesOfData++;
                data += 4096;
            }
            assertThat(pagesOfData).isBetween(1L, 256L);
        }
    }

    @Test
    void sharedRamThatWasCutIsASentence() {
        Fd memfd = Memfd.create("ram", 4 * MIB);
        try (memfd;
                Mapping ram = Mapping.shared(memfd, 0, 4 * MIB)) {
            ram.segment().fill((byte) 1);
            StateImage image = image(List.of(RamRegion.copied("ram0", 0, 4 * MIB, 0, false)));
            try (MemfdTarget target = MemfdTarget.create("state", image.size());
                    PageWriter pages = new PageWriter(target, image)) {
                memfd.truncate(MIB);
                // As of a private mapping, which has no SEEK_DATA to tell.
                assertThatThrownBy(() -> pages.write(0, new GuestMemory.Region(0, ram.segment(), memfd, 0, false)))
                        .isInstanceOf(VmmException.class)
                        .hasMessageContaining("can't save RAM region ram0: its file was cut");
            }
        }
    }

    @Test
    void stateWithoutItsPagesIsNotPublished() {
        StateImage image = image(List.of(RamRegion.copied("ram0", 0, MIB, 0, false)));
        try (MemfdTarget target = MemfdTarget.create("state", image.size())) {
            assertThatThrownBy(() -> target.publish(image)).isInstanceOf(IllegalStateException.class);
        }
        // Nor with the pages that another target got.
        try (Mapping ram = Mapping.anonymous(MIB, 1);
                MemfdTarget first = MemfdTarget.create("state", image.size());
                MemfdTarget second = MemfdTarget.create("state", image.size())) {
            try (PageWriter pages = new PageWriter(first, image)) {
                assertThatThrownBy(pages::finish).isInstanceOf(IllegalStateException.class);
                pages.write(0, new GuestMemory.Region(0, ram.segment(), null, 0, false));
                pages.finish();
            }
            first.publish(image);
            first.fd().close();
            assertThatThrownBy(() -> second.publish(image)).isInstanceOf(IllegalStateException.class);
        }
    }
}
