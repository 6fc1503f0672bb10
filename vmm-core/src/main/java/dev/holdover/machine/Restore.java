package dev.holdover.machine;

import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.kvm.state.VmState;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * Gives KVM the state of a machine whose vCPUs are parked or have not run yet.
 *
 * <p>Order and reasons, a vCPU (CPUID is set at its creation: it decides which MSRs and control bits are legal):
 *
 * <ol>
 *   <li>MP state: other parts depend on whether this is the boot CPU and whether it runs.
 *   <li>Registers before events: setting them clears pending exceptions.
 *   <li>System registers before the LAPIC: they carry its base address.
 *   <li>Vector state, XCRs, debug registers: any order.
 *   <li>LAPIC before MSRs: the deadline MSR takes only if the LAPIC's timer is in deadline mode.
 *   <li>MSRs, the deadline last: the TSC that it is compared with comes first.
 *   <li>Events last.
 * </ol>
 *
 * Then the VM: one TSC offset for all vCPUs, whose TSCs were read one after the other; the interrupt controllers after
 * all LAPICs, since setting them may deliver; then the devices, whose lines may rise; the clock last, right before the
 * vCPUs run.
 */
final class Restore {
    private static final int CLOCK_FLAGS = 8;
    private static final int KVM_CLOCK_REALTIME = 1 << 2;

    private Restore() {}

    static void vcpu(KvmVcpu vcpu, VcpuState state, boolean sregs2) {
        vcpu.setMpState(state.mpState());
        vcpu.setRegs(state.regs());
        if (sregs2) {
            vcpu.setSregs2(state.sregs());
        } else {
            vcpu.setSregs(state.sregs());
        }
        vcpu.setXsave(state.xsave());
        vcpu.setXcrs(state.xcrs());
        vcpu.setDebugRegs(state.debugRegs());
        vcpu.setLapic(state.lapic());
        vcpu.setMsrs(state.msrs());
        vcpu.setEvents(state.events());
    }

    /** Gives all vCPUs the first one's TSC offset. */
    static void alignTscs(List<VcpuThread> vcpus) {
        if (!vcpus.getFirst().vcpu().hasTscOffset()) {
            return;
        }
        long offset = vcpus.getFirst().vcpu().getTscOffset();
        for (int i = 1; i < vcpus.size(); i++) {
            vcpus.get(i).vcpu().setTscOffset(offset);
        }
    }

    /**
     * Gives a vCPU its TSC offset as it was, for the host's TSC has gone on. The deadline once more, as it counts from
     * the TSC that it finds.
     */
    static void tscAsOfTheHost(KvmVcpu vcpu, VcpuState state) {
        if (!vcpu.hasTscOffset()) {
            return;
        }
        vcpu.setTscOffset(state.tscOffset());
        int last = state.msrs().size() - 1;
        if (last >= 0
                && state.msrs().index(last) == Msrs.IA32_TSC_DEADLINE
                && state.msrs().value(last) != 0) {
            Msrs deadline = new Msrs(new int[] {Msrs.IA32_TSC_DEADLINE});
            deadline.set(0, state.msrs().value(last));
            vcpu.setMsrs(deadline);
        }
    }

    /**
     * The guest's time: goes on where it stood; or where it is by now, as real time says, if the host was the same all
     * the while.
     */
    static void clock(KvmVm vm, VmState state, boolean timeGoesOn) {
        MemorySegment clock = state.clock();
        int known = clock.get(ValueLayout.JAVA_INT, CLOCK_FLAGS);
        clock.set(ValueLayout.JAVA_INT, CLOCK_FLAGS, timeGoesOn ? known & KVM_CLOCK_REALTIME : 0);
        vm.setClock(clock);
    }

    static void interruptControllers(KvmVm vm, VmState state) {
        vm.setPit(state.pit());
        vm.setIrqchip(state.picMaster());
        vm.setIrqchip(state.picSlave());
        vm.setIrqchip(state.ioapic());
    }
}
