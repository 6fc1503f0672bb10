package dev.holdover.machine;

import dev.holdover.kvm.state.StructSizes;
import dev.holdover.kvm.state.VmState;
import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;
import java.lang.foreign.MemorySegment;

/** What KVM keeps for a VM as a whole, in a state: clock, timer chip, both PICs, IOAPIC. */
final class VmSection {
    static final SectionType TYPE = new SectionType("vm", 1);
    static final int SIZE = StructSizes.CLOCK_DATA + StructSizes.PIT_STATE2 + 3 * StructSizes.IRQCHIP;

    private VmSection() {}

    static void write(StateOutput out, VmState state) {
        out.bytes(state.clock());
        out.bytes(state.pit());
        out.bytes(state.picMaster());
        out.bytes(state.picSlave());
        out.bytes(state.ioapic());
    }

    static VmState read(StateInput in) {
        VmState state = new VmState();
        take(in, state.clock());
        take(in, state.pit());
        take(in, state.picMaster());
        take(in, state.picSlave());
        take(in, state.ioapic());
        in.end();
        return state;
    }

    private static void take(StateInput in, MemorySegment to) {
        MemorySegment.copy(in.bytes(to.byteSize()), 0, to, 0, to.byteSize());
    }
}
