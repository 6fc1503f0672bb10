package dev.holdover.boot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.boot.E820.Range;
import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class E820Test {
    /** The map of RAM at these pairs of address and size. */
    private static E820 map(long... pairs) {
        List<GuestMemory.Region> regions = new ArrayList<>();
        for (int i = 0; i < pairs.length; i += 2) {
            MemorySegment bytes = MemorySegment.ofArray(new byte[(int) pairs[i + 1]]);
            regions.add(new GuestMemory.Region(pairs[i], bytes, null, 0, false));
        }
        return E820.of(new GuestMemory(regions));
    }

    private static final Range BELOW = new Range(0, 0x9fc00, E820.RAM);
    private static final Range EBDA = new Range(0x9fc00, 0x400, E820.RESERVED);
    private static final Range FIRMWARE = new Range(0xe0000, 0x20000, E820.RESERVED);

    @Test
    void reservesTheEbdaAndTheTablesAndLeavesOutTheVgaHole() {
        E820 map = map(0, 0x800000);
        assertThat(map.ranges()).containsExactly(BELOW, EBDA, FIRMWARE, new Range(0x100000, 0x700000, E820.RAM));
        assertThat(map.lowRamEnd()).isEqualTo(0x800000);
    }

    @Test
    void joinsRegionsOfHighRam() {
        long high = MemoryMap.HIGH_RAM;
        long piece = 0x200000;
        E820 map = map(0, 0x300000, high, piece, high + piece, 4096);
        assertThat(map.ranges())
                .containsExactly(
                        BELOW,
                        EBDA,
                        FIRMWARE,
                        new Range(0x100000, 0x200000, E820.RAM),
                        new Range(high, piece + 4096, E820.RAM));
        assertThat(map.lowRamEnd()).isEqualTo(0x300000);
    }

    @Test
    void endsWithTheRam() {
        assertThat(map(0, 0x10000).ranges()).containsExactly(new Range(0, 0x10000, E820.RAM));
        assertThat(map(0, 0x100000).ranges()).containsExactly(BELOW, EBDA, FIRMWARE);
        assertThat(map(0, 0x100000).lowRamEnd()).isEqualTo(MemoryMap.HIGH_MEMORY);
    }
}
