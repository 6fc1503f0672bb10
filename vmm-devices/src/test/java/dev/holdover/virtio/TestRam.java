package dev.holdover.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** Guest RAM of one region between two guard areas that nobody may write to. */
final class TestRam implements AutoCloseable {
    static final long BASE = 0x100000;
    static final long SIZE = 32 << 20;
    static final long END = BASE + SIZE;
    private static final long GUARD = 1 << 20;
    private static final byte GUARD_BYTE = (byte) 0xa5;

    private final Fd file = Memfd.create("test RAM", GUARD + SIZE + GUARD);
    private final Mapping mapping = Mapping.shared(file, 0, GUARD + SIZE + GUARD);
    final GuestMemory memory;
    private long nextFree = BASE;

    TestRam() {
        before().fill(GUARD_BYTE);
        behind().fill(GUARD_BYTE);
        memory = new GuestMemory(
                List.of(new GuestMemory.Region(BASE, mapping.segment().asSlice(GUARD, SIZE), null, 0, false)));
    }

    private MemorySegment before() {
        return mapping.segment().asSlice(0, GUARD);
    }

    private MemorySegment behind() {
        return mapping.segment().asSlice(GUARD + SIZE);
    }

    /** Room that nobody else has, on a 16-byte boundary. */
    long allocate(long length) {
        long gpa = nextFree;
        nextFree += (length + 15) & -16;
        if (nextFree > END) {
            throw new IllegalStateException("test RAM is used up");
        }
        return gpa;
    }

    /** Forgets all allocations. */
    void freeAll() {
        freeTo(BASE);
    }

    /** Forgets the allocations from this one on. */
    void freeTo(long gpa) {
        nextFree = gpa;
    }

    /** Cuts the file: what lies at this address and behind is gone. */
    void cutAt(long gpa) {
        file.truncate(GUARD + gpa - BASE);
    }

    void assertGuardsUntouched() {
        assertGuard(before());
        assertGuard(behind());
    }

    private static void assertGuard(MemorySegment guard) {
        MemorySegment second = guard.asSlice(1);
        assertThat(guard.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo(GUARD_BYTE);
        assertThat(guard.asSlice(0, second.byteSize()).mismatch(second)).isEqualTo(-1);
    }

    @Override
    public void close() {
        mapping.close();
        file.close();
    }
}
