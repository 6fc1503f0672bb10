package dev.holdover.kvm.state;

import dev.holdover.kvm.KvmVcpu;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * All that KVM can save of one vCPU, each struct in place in one block of native memory that is allocated once: saving
 * and restoring allocate nothing. The order in which the parts are read and set is not decided here.
 */
public final class VcpuState {
    private final MemorySegment mpState;
    private final Regs regs;
    private final Sregs sregs;
    private final MemorySegment xsave;
    private final MemorySegment xcrs;
    private final MemorySegment debugRegs;
    private final MemorySegment lapic;
    private final MemorySegment events;
    private final Msrs msrs;
    private long tscOffset;

    /**
     * Room for one vCPU.
     *
     * @param xsaveSize bytes of its vector state, {@link KvmVcpu#xsaveSize}
     * @param msrIndexes the MSRs that are kept
     */
    public VcpuState(int xsaveSize, int[] msrIndexes) {
        Arena arena = Arena.ofAuto();
        this.mpState = arena.allocate(KvmVcpu.MP_STATE_SIZE, 8);
        this.regs = new Regs(arena.allocate(Regs.SIZE, 8));
        this.sregs = new Sregs(arena.allocate(Sregs.SIZE2, 8));
        this.xsave = arena.allocate(xsaveSize, 64);
        this.xcrs = arena.allocate(KvmVcpu.XCRS_SIZE, 8);
        this.debugRegs = arena.allocate(KvmVcpu.DEBUGREGS_SIZE, 8);
        this.lapic = arena.allocate(KvmVcpu.LAPIC_SIZE, 8);
        this.events = arena.allocate(KvmVcpu.EVENTS_SIZE, 8);
        this.msrs = new Msrs(msrIndexes);
    }

    public MemorySegment mpState() {
        return mpState;
    }

    public Regs regs() {
        return regs;
    }

    public Sregs sregs() {
        return sregs;
    }

    public MemorySegment xsave() {
        return xsave;
    }

    public MemorySegment xcrs() {
        return xcrs;
    }

    public MemorySegment debugRegs() {
        return debugRegs;
    }

    public MemorySegment lapic() {
        return lapic;
    }

    public MemorySegment events() {
        return events;
    }

    public Msrs msrs() {
        return msrs;
    }

    public long tscOffset() {
        return tscOffset;
    }

    public void setTscOffset(long offset) {
        this.tscOffset = offset;
    }
}
