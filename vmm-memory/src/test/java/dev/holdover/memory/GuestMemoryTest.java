package dev.holdover.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GuestMemoryTest {
    private final Arena arena = Arena.ofShared();
    /** Two regions that touch, and one behind a hole. */
    private final GuestMemory memory =
            new GuestMemory(List.of(region(0, 0x2000), region(0x2000, 0x1000), region(0x1_0000_0000L, 0x1000)));

    private GuestMemory.Region region(long gpa, long size) {
        return new GuestMemory.Region(gpa, arena.allocate(size, 4096), null, 0, false);
    }

    @AfterEach
    void free() {
        arena.close();
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0, true",
        "0, 8192, true",
        "0, 8193, false",
        "0x1fff, 1, true",
        "0x1fff, 2, false",
        "0x2fff, 1, true",
        "0x3000, 1, false",
        "0xffffffff, 1, false",
        "0xffffffff, 2, false",
        "0x100000000, 4096, true",
        "0x100000ff8, 8, true",
        "0x100000ff9, 8, false",
        "-1, 1, false",
        "-1, 2, false",
        "0, -1, false",
        "0x1000, -1, false",
        "0x7fffffffffffffff, 0x7fffffffffffffff, false",
        "-9223372036854775808, -9223372036854775808, false",
        "8, 0x7fffffffffffffff, false",
    })
    void onlyWhatLiesInOneRegionIsRam(String gpaText, String lengthText, boolean inside) {
        long gpa = Long.decode(gpaText);
        long length = Long.decode(lengthText);
        assertThat(memory.contains(gpa, length)).isEqualTo(inside);
        if (inside) {
            assertThat(memory.slice(gpa, length).byteSize()).isEqualTo(length);
        } else {
            assertThatThrownBy(() -> memory.slice(gpa, length)).isInstanceOf(GuestAddressException.class);
            assertThatThrownBy(() -> memory.hostAddress(gpa, length)).isInstanceOf(GuestAddressException.class);
        }
    }

    @Test
    void valuesAreLittleEndianAndNeedNoAlignment() {
        memory.putLong(0x1001, 0x1122_3344_5566_7788L);
        assertThat(memory.getByte(0x1001)).isEqualTo((byte) 0x88);
        assertThat(memory.getShort(0x1002)).isEqualTo((short) 0x6677);
        assertThat(memory.getInt(0x1005)).isEqualTo(0x1122_3344);
        assertThat(memory.read(0x1001, 8)).containsExactly(0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11);
        memory.putShortRelease(0x2000, (short) 0x1234);
        assertThat(memory.getShortAcquire(0x2000)).isEqualTo((short) 0x1234);
        assertThat(memory.getShort(0x2000)).isEqualTo((short) 0x1234);
    }

    @Test
    void aValueAcrossAnEdgeIsRefusedAndWritesNothing() {
        assertThatThrownBy(() -> memory.putInt(0x1ffe, -1))
                .isInstanceOf(GuestAddressException.class)
                .hasMessage("guest address 0x1ffe + 4 bytes is not RAM");
        assertThat(memory.getShort(0x1ffe)).isZero();
        assertThatThrownBy(() -> memory.write(0x2fff, new byte[2])).isInstanceOf(GuestAddressException.class);
        assertThat(memory.getByte(0x2fff)).isZero();
        assertThatThrownBy(() -> memory.read(0x1fff, 2)).isInstanceOf(GuestAddressException.class);
        assertThatThrownBy(() -> memory.getLong(-4)).isInstanceOf(GuestAddressException.class);
    }

    @Test
    void regionsThatOverlapAreRefused() {
        assertThatThrownBy(() -> new GuestMemory(List.of(region(0, 0x2000), region(0x1000, 0x1000))))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(memory.size()).isEqualTo(0x4000);
    }
}
