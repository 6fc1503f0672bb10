package dev.holdover.kvm.state;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@code struct kvm_msrs}: model-specific registers by index, with their values. */
public final class Msrs {
    public static final int IA32_TSC = 0x10;
    public static final int IA32_MISC_ENABLE = 0x1a0;
    public static final int IA32_MTRR_DEF_TYPE = 0x2ff;
    public static final int IA32_TSC_DEADLINE = 0x6e0;

    /** As many as one KVM_SET_MSRS takes (MAX_IO_MSRS). */
    public static final int MAX = 256;

    private static final int HEADER = 8;
    private static final int ENTRY = 16;

    private final MemorySegment segment;

    /** These registers, all zero. */
    public Msrs(int... indexes) {
        this.segment = Arena.ofAuto().allocate(HEADER + (long) ENTRY * indexes.length, 8);
        segment.set(ValueLayout.JAVA_INT, 0, indexes.length);
        for (int i = 0; i < indexes.length; i++) {
            segment.set(ValueLayout.JAVA_INT, HEADER + (long) ENTRY * i, indexes[i]);
        }
    }

    public MemorySegment segment() {
        return segment;
    }

    public int size() {
        return segment.get(ValueLayout.JAVA_INT, 0);
    }

    public int index(int i) {
        return segment.get(ValueLayout.JAVA_INT, HEADER + (long) ENTRY * i);
    }

    /** All indexes, in their order. */
    public int[] indexes() {
        int[] indexes = new int[size()];
        for (int i = 0; i < indexes.length; i++) {
            indexes[i] = index(i);
        }
        return indexes;
    }

    public long value(int i) {
        return segment.get(ValueLayout.JAVA_LONG, HEADER + (long) ENTRY * i + 8);
    }

    public void set(int i, long value) {
        segment.set(ValueLayout.JAVA_LONG, HEADER + (long) ENTRY * i + 8, value);
    }
}
