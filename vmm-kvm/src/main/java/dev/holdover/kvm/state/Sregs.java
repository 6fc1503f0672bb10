package dev.holdover.kvm.state;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@code struct kvm_sregs} and, at the same offsets but for its end, {@code struct kvm_sregs2}: the system registers. */
public final class Sregs {
    public static final int SIZE = 312;
    public static final int SIZE2 = 320;

    // struct kvm_segment: base@0 limit@8 selector@12 type@14 present@15 dpl@16 db@17 s@18 l@19 g@20 avl@21 unusable@22
    public static final int CS = 0;
    public static final int DS = 24;
    public static final int ES = 48;
    public static final int FS = 72;
    public static final int GS = 96;
    public static final int SS = 120;
    public static final int TR = 144;
    public static final int LDT = 168;
    // struct kvm_dtable: base@0 limit@8
    public static final int GDT = 192;
    public static final int IDT = 208;
    public static final int CR0 = 224;
    public static final int CR2 = 232;
    public static final int CR3 = 240;
    public static final int CR4 = 248;
    public static final int CR8 = 256;
    public static final int EFER = 264;
    public static final int APIC_BASE = 272;

    private final MemorySegment segment;

    /** All zero, room for either struct. */
    public Sregs() {
        this(Arena.ofAuto().allocate(SIZE2, 8));
    }

    /** A view of {@value #SIZE} or {@value #SIZE2} bytes, 8-byte aligned. */
    public Sregs(MemorySegment segment) {
        this.segment = segment;
    }

    public MemorySegment segment() {
        return segment;
    }

    /** A control register, EFER or the APIC base, by its offset. */
    public long get(int register) {
        return segment.get(ValueLayout.JAVA_LONG, register);
    }

    public void set(int register, long value) {
        segment.set(ValueLayout.JAVA_LONG, register, value);
    }

    public long base(int register) {
        return get(register);
    }

    public int selector(int register) {
        return segment.get(ValueLayout.JAVA_SHORT, register + 12) & 0xFFFF;
    }

    /** The access rights of a segment. */
    public enum Kind {
        CODE_32(0xb, true, false),
        CODE_64(0xb, false, true),
        DATA(0x3, true, false);

        private final int type;
        private final boolean big;
        private final boolean longMode;

        Kind(int type, boolean big, boolean longMode) {
            this.type = type;
            this.big = big;
            this.longMode = longMode;
        }
    }

    /** Makes a segment flat: base 0, limit 4 GiB, present, ring 0. */
    public void setFlat(int register, int selector, Kind kind) {
        setSegment(register, 0, 0xFFFFFFFF, selector, kind.type, true);
        segment.set(ValueLayout.JAVA_BYTE, register + 17L, (byte) (kind.big ? 1 : 0));
        segment.set(ValueLayout.JAVA_BYTE, register + 19L, (byte) (kind.longMode ? 1 : 0));
        segment.set(ValueLayout.JAVA_BYTE, register + 20L, (byte) 1);
    }

    /** Sets base and selector of a segment as real mode does, from a paragraph number; the rest stays. */
    public void setRealMode(int register, int selector) {
        segment.set(ValueLayout.JAVA_LONG, register, (long) selector << 4);
        segment.set(ValueLayout.JAVA_SHORT, register + 12L, (short) selector);
    }

    /** Makes TR a present busy TSS, which VMX demands even where no task is ever switched. */
    public void setTaskRegister(int selector) {
        setSegment(TR, 0, 0x67, selector, 0xb, false);
    }

    /** Marks a segment as not usable, as LDT is at entry. */
    public void setUnusable(int register) {
        setSegment(register, 0, 0, 0, 0x2, false);
        segment.set(ValueLayout.JAVA_BYTE, register + 15L, (byte) 0);
        segment.set(ValueLayout.JAVA_BYTE, register + 22L, (byte) 1);
    }

    private void setSegment(int register, long base, int limit, int selector, int type, boolean codeOrData) {
        segment.asSlice(register, 24).fill((byte) 0);
        segment.set(ValueLayout.JAVA_LONG, register, base);
        segment.set(ValueLayout.JAVA_INT, register + 8L, limit);
        segment.set(ValueLayout.JAVA_SHORT, register + 12L, (short) selector);
        segment.set(ValueLayout.JAVA_BYTE, register + 14L, (byte) type);
        segment.set(ValueLayout.JAVA_BYTE, register + 15L, (byte) 1);
        segment.set(ValueLayout.JAVA_BYTE, register + 18L, (byte) (codeOrData ? 1 : 0));
    }

    public void setTable(int register, long base, int limit) {
        segment.set(ValueLayout.JAVA_LONG, register, base);
        segment.set(ValueLayout.JAVA_SHORT, register + 8L, (short) limit);
    }

    /** One line, in hexadecimal: the control registers, EFER, and what code and stack are addressed by. */
    @Override
    public String toString() {
        return "cr0=" + Long.toHexString(get(CR0)) + " cr2=" + Long.toHexString(get(CR2)) + " cr3="
                + Long.toHexString(get(CR3)) + " cr4=" + Long.toHexString(get(CR4)) + " efer="
                + Long.toHexString(get(EFER)) + " cs=" + Integer.toHexString(selector(CS)) + "@"
                + Long.toHexString(base(CS)) + " ss=" + Integer.toHexString(selector(SS)) + "@"
                + Long.toHexString(base(SS));
    }
}
