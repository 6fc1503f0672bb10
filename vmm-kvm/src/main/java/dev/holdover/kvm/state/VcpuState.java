package dev.holdover.kvm.state;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/**
 * All that KVM can save of one vCPU, each struct in place in one block of native memory that is allocated once: saving
 * and restoring allocate nothing. The order in which the parts are read and set is not decided here.
 */
public final class VcpuState {
    private static final int PARTS = 8;

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
    private int tscKhz;

    /**
     * Room for one vCPU.
     *
     * @param xsaveSize bytes of its vector state, as KVM says by KVM_CAP_XSAVE2
     * @param msrIndexes the MSRs that are kept
     */
    public VcpuState(int xsaveSize, int[] msrIndexes) {
        long size = StructSizes.MP_STATE
                + Regs.SIZE
                + Sregs.SIZE2
                + xsaveSize
                + StructSizes.XCRS
                + StructSizes.DEBUGREGS
                + StructSizes.LAPIC
                + StructSizes.VCPU_EVENTS
                + PARTS * 64L; // what alignment takes
        SegmentAllocator block =
                SegmentAllocator.slicingAllocator(Arena.ofAuto().allocate(size, 64));
        this.xsave = block.allocate(xsaveSize, 64);
        this.mpState = block.allocate(StructSizes.MP_STATE, 8);
        this.regs = new Regs(block.allocate(Regs.SIZE, 8));
        this.sregs = new Sregs(block.allocate(Sregs.SIZE2, 8));
        this.xcrs = block.allocate(StructSizes.XCRS, 8);
        this.debugRegs = block.allocate(StructSizes.DEBUGREGS, 8);
        this.lapic = block.allocate(StructSizes.LAPIC, 8);
        this.events = block.allocate(StructSizes.VCPU_EVENTS, 8);
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

    /** The vector state in at least {@code size} bytes, zero behind it: as much as another host's KVM reads. */
    public MemorySegment xsave(int size) {
        if (xsave.byteSize() >= size) {
            return xsave;
        }
        MemorySegment wider = Arena.ofAuto().allocate(size, 64);
        wider.copyFrom(xsave);
        return wider;
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

    /** The rate of the guest's TSC in kHz; 0 if it is not known. */
    public int tscKhz() {
        return tscKhz;
    }

    public void setTscKhz(int khz) {
        this.tscKhz = khz;
    }

    public long tscOffset() {
        return tscOffset;
    }

    public void setTscOffset(long offset) {
        this.tscOffset = offset;
    }
}
