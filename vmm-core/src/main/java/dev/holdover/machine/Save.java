package dev.holdover.machine;

import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.kvm.state.VmState;

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
    private Save() {}

    static void vcpu(KvmVcpu vcpu, VcpuState state, boolean sregs2, boolean tscOffset) {
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
        if (tscOffset) {
            state.setTscOffset(vcpu.getTscOffset());
        }
        vcpu.getEvents(state.events());
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
