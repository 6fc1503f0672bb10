package dev.holdover.machine;

import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.kvm.state.VmState;

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
 * Then the VM: the TSCs ({@link GuestTime}), one offset for all vCPUs, which were read one after the other; the interrupt
 * controllers after all LAPICs, since setting them may deliver; then the devices, whose lines may rise; the clock last,
 * right before the vCPUs run.
 */
final class Restore {
    private Restore() {}

    static void vcpu(KvmVcpu vcpu, VcpuState state, boolean sregs2) {
        vcpu.setMpState(state.mpState());
        vcpu.setRegs(state.regs());
        if (sregs2) {
            vcpu.setSregs2(state.sregs());
        } else {
            vcpu.setSregs(state.sregs());
        }
        vcpu.setXsave(state.xsave(vcpu.xsaveSize()));
        vcpu.setXcrs(state.xcrs());
        vcpu.setDebugRegs(state.debugRegs());
        vcpu.setLapic(state.lapic());
        vcpu.setMsrs(state.msrs());
        vcpu.setEvents(state.events());
    }

    static void interruptControllers(KvmVm vm, VmState state) {
        vm.setPit(state.pit());
        vm.setIrqchip(state.picMaster());
        vm.setIrqchip(state.picSlave());
        vm.setIrqchip(state.ioapic());
    }
}
