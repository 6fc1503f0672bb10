package dev.holdover.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class RamIdentityTest {
    @Test
    void aLabelKeepsOne() {
        MemorySegment label = Arena.ofAuto().allocate(4096, 8);
        RamIdentity first = RamIdentity.fresh();
        RamIdentity second = first.next(RamIdentity.Cause.RESTORED);
        assertThat(RamIdentity.readLabel(label)).isNull();

        assertThat(first.writeLabel(label)).isTrue();
        assertThat(RamIdentity.readLabel(label)).isEqualTo(first);
        assertThat(second.writeLabel(label)).isTrue();
        assertThat(RamIdentity.readLabel(label)).isEqualTo(second);
    }

    @Test
    void whatLiesWhereALabelWouldIsLeftAlone() {
        MemorySegment label = Arena.ofAuto().allocate(4096, 8);
        label.set(ValueLayout.JAVA_BYTE, 4095, (byte) 1);
        assertThat(RamIdentity.fresh().writeLabel(label)).isFalse();
        assertThat(label.asSlice(0, 4095).mismatch(MemorySegment.ofArray(new byte[4095])))
                .isEqualTo(-1);
        assertThat(RamIdentity.readLabel(label)).isNull();
    }
}
