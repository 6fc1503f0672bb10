package dev.holdover.kvm.state;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** What KVM can save of a VM beside its vCPUs: interrupt controllers, timer chip, clock. Allocated once. */
public final class VmState {
    private final MemorySegment picMaster;
    private final MemorySegment picSlave;
    private final MemorySegment ioapic;
    private final MemorySegment pit;
    private final MemorySegment clock;

    public VmState() {
        Arena arena = Arena.ofAuto();
        this.picMaster = arena.allocate(StructSizes.IRQCHIP, 8);
        this.picSlave = arena.allocate(StructSizes.IRQCHIP, 8);
        this.ioapic = arena.allocate(StructSizes.IRQCHIP, 8);
        this.pit = arena.allocate(StructSizes.PIT_STATE2, 8);
        this.clock = arena.allocate(StructSizes.CLOCK_DATA, 8);
    }

    public MemorySegment picMaster() {
        return picMaster;
    }

    public MemorySegment picSlave() {
        return picSlave;
    }

    public MemorySegment ioapic() {
        return ioapic;
    }

    public MemorySegment pit() {
        return pit;
    }

    public MemorySegment clock() {
        return clock;
    }
}
