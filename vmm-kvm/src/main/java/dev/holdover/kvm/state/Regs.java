package dev.holdover.kvm.state;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@code struct kvm_regs}: the general registers, RIP and RFLAGS. */
public final class Regs {
    public static final int SIZE = 144;

    public static final int RAX = 0;
    public static final int RBX = 8;
    public static final int RCX = 16;
    public static final int RDX = 24;
    public static final int RSI = 32;
    public static final int RDI = 40;
    public static final int RSP = 48;
    public static final int RBP = 56;
    public static final int R8 = 64;
    public static final int RIP = 128;
    public static final int RFLAGS = 136;

    private static final String[] GENERAL = {
        "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"
    };

    private final MemorySegment segment;

    /** All zero. */
    public Regs() {
        this(Arena.ofAuto().allocate(SIZE, 8));
    }

    /** A view of {@value #SIZE} bytes, 8-byte aligned. */
    public Regs(MemorySegment segment) {
        this.segment = segment;
    }

    public MemorySegment segment() {
        return segment;
    }

    /** A register by its offset. */
    public long get(int register) {
        return segment.get(ValueLayout.JAVA_LONG, register);
    }

    public void set(int register, long value) {
        segment.set(ValueLayout.JAVA_LONG, register, value);
    }

    /** One line, in hexadecimal. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("rip=" + hex(RIP) + " rflags=" + hex(RFLAGS));
        for (int i = 0; i < GENERAL.length; i++) {
            text.append(' ').append(GENERAL[i]).append('=').append(hex(8 * i));
        }
        return text.toString();
    }

    private String hex(int register) {
        return Long.toHexString(get(register));
    }
}
