package dev.holdover.machine;

import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.Regs;
import dev.holdover.kvm.state.Sregs;
import dev.holdover.kvm.state.VcpuState;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import java.util.StringJoiner;

/** What people want to know of a saved vCPU. */
final class VcpuView {
    private static final HexFormat HEX = HexFormat.of();
    private static final String[] GENERAL = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp"};

    private static final long CR0_PE = 1;
    private static final long EFER_LMA = 1 << 10;
    private static final long RFLAGS_VM = 1 << 17;

    // struct kvm_segment: type@14 present@15 dpl@16 db@17 l@19
    private static final int SEGMENT_LIMIT = 8;
    private static final int SEGMENT_DPL = 16;
    private static final int SEGMENT_DB = 17;
    private static final int SEGMENT_L = 19;

    // The LAPIC's register page, Intel SDM volume 3, table 11-1.
    private static final int LAPIC_ID = 0x20;
    private static final int LAPIC_TPR = 0x80;
    private static final int LAPIC_SPURIOUS = 0xf0;
    private static final int LAPIC_IN_SERVICE = 0x100;
    private static final int LAPIC_REQUESTS = 0x200;
    private static final int LAPIC_TIMER = 0x320;
    private static final int LAPIC_INITIAL_COUNT = 0x380;
    private static final int LAPIC_CURRENT_COUNT = 0x390;

    private VcpuView() {}

    static StateGroup of(VcpuSection.Contents contents) {
        VcpuState state = contents.state();
        Regs regs = state.regs();
        Sregs sregs = state.sregs();
        StateGroup vcpu = new StateGroup()
                .text("state", mpState(state.mpState().get(ValueLayout.JAVA_INT, 0)))
                .text("mode", mode(regs, sregs))
                .add("registers", general(regs))
                .add("control", control(sregs, state.xcrs()));
        StateGroup segments = new StateGroup();
        segments.add("cs", segment(sregs, Sregs.CS)).add("ss", segment(sregs, Sregs.SS));
        segments.add("ds", segment(sregs, Sregs.DS)).add("es", segment(sregs, Sregs.ES));
        segments.add("fs", segment(sregs, Sregs.FS)).add("gs", segment(sregs, Sregs.GS));
        segments.add("tr", segment(sregs, Sregs.TR)).add("ldt", segment(sregs, Sregs.LDT));
        segments.add("gdt", table(sregs, Sregs.GDT)).add("idt", table(sregs, Sregs.IDT));
        vcpu.add("segments", segments);
        MemorySegment lapic = state.lapic();
        vcpu.add(
                "lapic",
                new StateGroup()
                        .hex64("base", sregs.get(Sregs.APIC_BASE))
                        .hex32("id", lapic.get(ValueLayout.JAVA_INT, LAPIC_ID))
                        .hex32("spurious", lapic.get(ValueLayout.JAVA_INT, LAPIC_SPURIOUS))
                        .hex32("timer", lapic.get(ValueLayout.JAVA_INT, LAPIC_TIMER))
                        .hex32("initial-count", lapic.get(ValueLayout.JAVA_INT, LAPIC_INITIAL_COUNT))
                        .hex32("current-count", lapic.get(ValueLayout.JAVA_INT, LAPIC_CURRENT_COUNT))
                        .hex8("task-priority", lapic.get(ValueLayout.JAVA_INT, LAPIC_TPR))
                        .text("requests", vectors(lapic, LAPIC_REQUESTS))
                        .text("in-service", vectors(lapic, LAPIC_IN_SERVICE)));
        pending(vcpu, state.events());
        StateGroup time = new StateGroup();
        msr(time, "tsc", state.msrs(), Msrs.IA32_TSC);
        msr(time, "deadline", state.msrs(), Msrs.IA32_TSC_DEADLINE);
        if (state.tscKhz() != 0) {
            time.number("tsc-khz", state.tscKhz());
        }
        return vcpu.add("time", time)
                .number("msrs", state.msrs().size())
                .number("cpuid-leaves", contents.cpuid().size())
                .size("vector-state", contents.state().xsave().byteSize());
    }

    /** The bits of a register of 256, which lies in eight words 16 bytes apart. */
    private static String vectors(MemorySegment lapic, int register) {
        StringJoiner vectors = new StringJoiner(" ").setEmptyValue("none");
        for (int vector = 0; vector < 256; vector++) {
            int word = lapic.get(ValueLayout.JAVA_INT, register + 16L * (vector / 32));
            if ((word >>> vector % 32 & 1) != 0) {
                vectors.add("0x" + HEX.toHexDigits((byte) vector));
            }
        }
        return vectors.toString();
    }

    /** linux/kvm.h, KVM_MP_STATE_*. */
    private static String mpState(int state) {
        return switch (state) {
            case 0 -> "runnable";
            case 1 -> "not started";
            case 2 -> "waits for SIPI";
            case 3 -> "halted";
            case 4 -> "got SIPI";
            default -> "MP state " + Integer.toUnsignedString(state);
        };
    }

    private static String mode(Regs regs, Sregs sregs) {
        if ((sregs.get(Sregs.CR0) & CR0_PE) == 0) {
            return "real mode";
        }
        String ring = ", ring " + (u8(sregs, Sregs.SS + SEGMENT_DPL) & 3);
        if ((sregs.get(Sregs.EFER) & EFER_LMA) != 0 && u8(sregs, Sregs.CS + SEGMENT_L) != 0) {
            return "64-bit" + ring;
        }
        if ((regs.get(Regs.RFLAGS) & RFLAGS_VM) != 0) {
            return "virtual 8086";
        }
        return (u8(sregs, Sregs.CS + SEGMENT_DB) != 0 ? "32-bit" : "16-bit") + ring;
    }

    private static int u8(Sregs sregs, long at) {
        return sregs.segment().get(ValueLayout.JAVA_BYTE, at) & 0xff;
    }

    private static StateGroup general(Regs regs) {
        StateGroup group = new StateGroup()
                .hex64("rip", regs.get(Regs.RIP))
                .hex64("rsp", regs.get(Regs.RSP))
                .hex64("rflags", regs.get(Regs.RFLAGS));
        int[] offsets = {Regs.RAX, Regs.RBX, Regs.RCX, Regs.RDX, Regs.RSI, Regs.RDI, Regs.RSP, Regs.RBP};
        for (int i = 0; i < offsets.length; i++) {
            if (offsets[i] != Regs.RSP) {
                group.hex64(GENERAL[i], regs.get(offsets[i]));
            }
        }
        for (int i = 8; i < 16; i++) {
            group.hex64("r" + i, regs.get(Regs.R8 + 8 * (i - 8)));
        }
        return group;
    }

    private static StateGroup control(Sregs sregs, MemorySegment xcrs) {
        StateGroup group = new StateGroup()
                .hex64("cr0", sregs.get(Sregs.CR0))
                .hex64("cr2", sregs.get(Sregs.CR2))
                .hex64("cr3", sregs.get(Sregs.CR3))
                .hex64("cr4", sregs.get(Sregs.CR4))
                .hex64("cr8", sregs.get(Sregs.CR8))
                .hex64("efer", sregs.get(Sregs.EFER));
        // struct kvm_xcrs: nr_xcrs@0 flags@4, then entries of 16 bytes: xcr@8 value@16
        if (xcrs.get(ValueLayout.JAVA_INT, 0) == 1 && xcrs.get(ValueLayout.JAVA_INT, 8) == 0) {
            group.hex64("xcr0", xcrs.get(ValueLayout.JAVA_LONG, 16));
        }
        return group;
    }

    private static StateGroup segment(Sregs sregs, int register) {
        return new StateGroup()
                .hex16("selector", sregs.selector(register))
                .hex64("base", sregs.base(register))
                .hex32("limit", sregs.segment().get(ValueLayout.JAVA_INT, register + (long) SEGMENT_LIMIT));
    }

    private static StateGroup table(Sregs sregs, int register) {
        return new StateGroup()
                .hex64("base", sregs.base(register))
                .hex16("limit", sregs.segment().get(ValueLayout.JAVA_SHORT, register + (long) SEGMENT_LIMIT));
    }

    /** struct kvm_vcpu_events: exception@0 (injected, nr, has_error_code, pending), interrupt@8 (injected, nr), nmi@12. */
    private static void pending(StateGroup vcpu, MemorySegment events) {
        StateGroup pending = new StateGroup();
        if (isSet(events, 0) || isSet(events, 3)) {
            pending.number("exception", u8(events, 1));
        }
        if (isSet(events, 8)) {
            pending.number("interrupt", u8(events, 9));
        }
        if (isSet(events, 12) || isSet(events, 13)) {
            pending.flag("nmi", true);
        }
        if (!pending.fields().isEmpty()) {
            vcpu.add("pending", pending);
        }
    }

    private static boolean isSet(MemorySegment events, long at) {
        return u8(events, at) != 0;
    }

    private static int u8(MemorySegment segment, long at) {
        return segment.get(ValueLayout.JAVA_BYTE, at) & 0xff;
    }

    private static void msr(StateGroup group, String name, Msrs msrs, int index) {
        for (int i = 0; i < msrs.size(); i++) {
            if (msrs.index(i) == index) {
                group.hex64(name, msrs.value(i));
                return;
            }
        }
    }
}
