package dev.holdover.kvm.state;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@code struct kvm_cpuid2}: what a vCPU answers to CPUID, as a list of leaves. */
public final class Cpuid {
    public static final int EAX = 12;
    public static final int EBX = 16;
    public static final int ECX = 20;
    public static final int EDX = 24;

    static final int HEADER = 8;
    static final int ENTRY = 40;
    private static final int INDEX = 4;
    private static final int FLAGS = 8;
    private static final int KVM_CPUID_FLAG_SIGNIFCANT_INDEX = 1;

    private final MemorySegment segment;

    /** Room for that many leaves; the count is set to it, as KVM_GET_SUPPORTED_CPUID wants. */
    public Cpuid(int room) {
        this.segment = Arena.ofAuto().allocate(HEADER + (long) ENTRY * room, 8);
        setSize(room);
    }

    /** A copy of the leaves, with {@code more} entries behind them, which are all zero: {@link #setQuestion}. */
    public Cpuid copy(int more) {
        Cpuid copy = new Cpuid(size() + more);
        MemorySegment.copy(segment, HEADER, copy.segment, HEADER, (long) ENTRY * size());
        return copy;
    }

    /** The struct itself, 8-byte aligned. */
    public MemorySegment segment() {
        return segment;
    }

    /** How many leaves. */
    public int size() {
        return segment.get(ValueLayout.JAVA_INT, 0);
    }

    private void setSize(int size) {
        segment.set(ValueLayout.JAVA_INT, 0, size);
    }

    /** The leaf's number (EAX of the question) of entry {@code i}. */
    public int leaf(int i) {
        return segment.get(ValueLayout.JAVA_INT, at(i));
    }

    /** The subleaf (ECX of the question) of entry {@code i}. */
    public int subleaf(int i) {
        return segment.get(ValueLayout.JAVA_INT, at(i) + INDEX);
    }

    /** Makes entry {@code i} the answer for a leaf that has subleaves, and one of these. */
    public void setQuestion(int i, int leaf, int subleaf) {
        segment.set(ValueLayout.JAVA_INT, at(i), leaf);
        segment.set(ValueLayout.JAVA_INT, at(i) + INDEX, subleaf);
        segment.set(ValueLayout.JAVA_INT, at(i) + FLAGS, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
    }

    /** A register ({@link #EAX} …) of entry {@code i}. */
    public int get(int i, int register) {
        return segment.get(ValueLayout.JAVA_INT, at(i) + register);
    }

    public void set(int i, int register, int value) {
        segment.set(ValueLayout.JAVA_INT, at(i) + register, value);
    }

    /** The entry of a leaf and subleaf, or -1. */
    public int find(int leaf, int subleaf) {
        for (int i = 0; i < size(); i++) {
            if (leaf(i) == leaf && subleaf(i) == subleaf) {
                return i;
            }
        }
        return -1;
    }

    private static long at(int i) {
        return HEADER + (long) ENTRY * i;
    }
}
