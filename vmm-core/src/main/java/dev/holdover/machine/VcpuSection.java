package dev.holdover.machine;

import dev.holdover.kvm.state.Cpuid;
import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.Regs;
import dev.holdover.kvm.state.Sregs;
import dev.holdover.kvm.state.StructSizes;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.SectionView;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;
import java.lang.foreign.MemorySegment;

/** A vCPU in a state: KVM's structs one behind the other, as KVM gave them, after their counts. */
final class VcpuSection {
    /** Version 1 did not know the TSC's rate. */
    static final SectionType TYPE = new SectionType("vcpu", 2);

    private static final int COUNTS = 16;
    private static final int MAX_LEAVES = 4096;
    /** More than any CPU has today. */
    private static final int MAX_XSAVE = 1 << 16;

    private VcpuSection() {}

    static long size(Cpuid cpuid, VcpuState state) {
        return COUNTS
                + cpuid.segment().byteSize()
                + state.msrs().segment().byteSize()
                + state.xsave().byteSize()
                + StructSizes.MP_STATE
                + Regs.SIZE
                + Sregs.SIZE2
                + StructSizes.XCRS
                + StructSizes.DEBUGREGS
                + StructSizes.LAPIC
                + StructSizes.VCPU_EVENTS
                + Long.BYTES;
    }

    static void write(StateOutput out, Cpuid cpuid, VcpuState state) {
        out.i32(cpuid.size());
        out.i32(state.msrs().size());
        out.i32((int) state.xsave().byteSize());
        out.i32(state.tscKhz());
        out.bytes(cpuid.segment());
        out.bytes(state.msrs().segment());
        out.bytes(state.xsave());
        out.bytes(state.mpState());
        out.bytes(state.regs().segment());
        out.bytes(state.sregs().segment());
        out.bytes(state.xcrs());
        out.bytes(state.debugRegs());
        out.bytes(state.lapic());
        out.bytes(state.events());
        out.i64(state.tscOffset());
    }

    /** What a section holds. */
    record Contents(Cpuid cpuid, VcpuState state) {}

    static Contents read(SectionView section) {
        return read(section.version(), section.input());
    }

    static Contents read(int version, StateInput in) {
        int leaves = in.count(MAX_LEAVES);
        int msrs = in.count(Msrs.MAX);
        int xsave = in.count(MAX_XSAVE);
        int khz = in.i32();
        if (version < 2 && khz != 0) {
            throw in.refuse("its reserved word is not zero");
        }
        if (khz < 0) {
            throw in.refuse("its TSC has a rate of " + khz + " kHz");
        }
        Cpuid cpuid = new Cpuid(leaves);
        MemorySegment saved = in.bytes(cpuid.segment().byteSize());
        MemorySegment.copy(saved, 0, cpuid.segment(), 0, saved.byteSize());
        if (cpuid.size() != leaves) {
            throw in.refuse("it counts its CPUID leaves in two ways");
        }
        VcpuState state = new VcpuState(xsave, new int[msrs]);
        take(in, state.msrs().segment());
        if (state.msrs().size() != msrs) {
            throw in.refuse("it counts its MSRs in two ways");
        }
        take(in, state.xsave());
        take(in, state.mpState());
        take(in, state.regs().segment());
        take(in, state.sregs().segment());
        take(in, state.xcrs());
        take(in, state.debugRegs());
        take(in, state.lapic());
        take(in, state.events());
        state.setTscOffset(in.i64());
        state.setTscKhz(khz);
        in.end();
        return new Contents(cpuid, state);
    }

    private static void take(StateInput in, MemorySegment to) {
        MemorySegment.copy(in.bytes(to.byteSize()), 0, to, 0, to.byteSize());
    }
}
