package dev.holdover.machine;

import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.kvm.state.VmState;
import java.lang.foreign.ValueLayout;

/**
 * Takes the state of a machine whose vCPUs are parked, out of KVM.
 *
 * <p>Order and reasons, a vCPU:
 *
 * <ol>
 *   <li>MP state: reading it makes KVM accept INIT and SIPI, which may change CS, RIP and the LAPIC.
 *   <li>Registers, system registers, vector state, XCRs, debug registers: any order.
 *   <li>LAPIC: reading it may change it.
 *   <li>MSRs: the deadline timer's after the LAPIC that it belongs to; the TSC as late as may be.
 *   <li>Events last: reading the parts above may deliver some.
 * </ol>
 *
 * The VM's clock is read before all vCPUs, as soon as they are parked, for it runs on; the interrupt controllers after
 * them, and after the devices, which may still raise a line.
 */
final class Save {
    private static final int LAPIC_LVT_TIMER = 0x320;

    private Save() {}

    static void vcpu(KvmVcpu vcpu, VcpuState state, boolean sregs2) {
        vcpu.getMpState(state.mpState());
        vcpu.getRegs(state.regs());
        if (sregs2) {
            vcpu.getSregs2(state.sregs());
        } else {
            vcpu.getSregs(state.sregs());
        }
        vcpu.getXsave(state.xsave());
        vcpu.getXcrs(state.xcrs());
        vcpu.getDebugRegs(state.debugRegs());
        vcpu.getLapic(state.lapic());
        vcpu.getMsrs(state.msrs());
        keepExpiredDeadline(state);
        // Not needed in place, where the TSC itself is set; what a live update will go by.
        state.setTscOffset(vcpu.hasTscOffset() ? vcpu.getTscOffset() : 0);
        vcpu.getEvents(state.events());
    }

    /**
     * A deadline that has passed reads as 0, although its interrupt may not have been delivered yet: set to the TSC's
     * own value it fires again at once. One timer interrupt too many does no harm; one too few hangs a guest.
     */
    private static void keepExpiredDeadline(VcpuState state) {
        Msrs msrs = state.msrs();
        int last = msrs.size() - 1;
        boolean deadlineMode = (state.lapic().get(ValueLayout.JAVA_INT, LAPIC_LVT_TIMER) >> 17 & 3) == 2;
        if (deadlineMode && msrs.index(last) == Msrs.IA32_TSC_DEADLINE && msrs.value(last) == 0) {
            msrs.set(last, msrs.value(0));
        }
    }

    static void clock(KvmVm vm, VmState state) {
        vm.getClock(state.clock());
    }

    static void interruptControllers(KvmVm vm, VmState state) {
        vm.getPit(state.pit());
        vm.getIrqchip(KvmVm.PIC_MASTER, state.picMaster());
        vm.getIrqchip(KvmVm.PIC_SLAVE, state.picSlave());
        vm.getIrqchip(KvmVm.IOAPIC, state.ioapic());
    }
}
