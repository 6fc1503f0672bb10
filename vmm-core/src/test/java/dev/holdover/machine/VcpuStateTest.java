package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.kvm.Kvm;
import dev.holdover.kvm.KvmCap;
import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.kvm.state.VmState;
import dev.holdover.testing.NeedsKvm;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The state of vCPUs that have not run, on this host's KVM. */
@NeedsKvm
class VcpuStateTest {
    private static final int HYPERV_VP_RUNTIME = 0x40000010;
    private static final int HYPERV_TIME_REF_COUNT = 0x40000020;

    private Kvm kvm;
    private KvmVm vm;
    private KvmVcpu bootCpu;
    private KvmVcpu other;

    @BeforeEach
    void open() {
        kvm = Kvm.open();
        vm = kvm.createVm();
        vm.createIrqchip();
        vm.createPit();
        bootCpu = vcpu(0);
        other = vcpu(1);
    }

    private KvmVcpu vcpu(int id) {
        KvmVcpu vcpu = vm.createVcpu(id);
        vcpu.setCpuid(GuestCpuid.of(kvm.supportedCpuid(), id, 2, kvm.has(KvmCap.TSC_DEADLINE_TIMER)));
        EntryRegisters.setMemoryTypes(vcpu);
        return vcpu;
    }

    @AfterEach
    void close() {
        other.close();
        bootCpu.close();
        vm.close();
        kvm.close();
    }

    @Test
    void keepsTheMsrsThatKvmGivesAndTakesBack() {
        int[] kept = KeptMsrs.of(kvm.msrIndexes(), bootCpu);
        assertThat(kept[0]).isEqualTo(Msrs.IA32_TSC);
        assertThat(kept).doesNotHaveDuplicates().contains(Msrs.IA32_MTRR_DEF_TYPE, Msrs.IA32_MISC_ENABLE);
        int[] deadlines = Arrays.stream(kept)
                .filter(index -> index == Msrs.IA32_TSC_DEADLINE)
                .toArray();
        if (deadlines.length > 0) {
            assertThat(kept[kept.length - 1]).as("the last").isEqualTo(Msrs.IA32_TSC_DEADLINE);
        }
        for (int index : kvm.msrIndexes()) {
            Msrs one = new Msrs(index);
            boolean works = bootCpu.tryGetMsrs(one) == 1 && bootCpu.trySetMsrs(one) == 1;
            if (works) {
                assertThat(kept).as("MSR 0x" + Integer.toHexString(index)).contains(index);
            } else {
                assertThat(kept).as("MSR 0x" + Integer.toHexString(index)).doesNotContain(index);
            }
        }
    }

    @Test
    void keepsNoMoreMsrsThanOneCallTakes() {
        int[] listed = new int[2 * Msrs.MAX];
        Arrays.fill(listed, Msrs.IA32_MISC_ENABLE);
        listed[0] = Msrs.IA32_TSC_DEADLINE;
        int[] kept = KeptMsrs.of(listed, bootCpu);
        assertThat(kept).hasSize(Msrs.MAX);
        assertThat(kept[Msrs.MAX - 1]).isEqualTo(Msrs.IA32_TSC_DEADLINE);
    }

    @Test
    void givesBackWhatWasTaken() {
        boolean sregs2 = kvm.has(KvmCap.SREGS2);
        int[] msrs = KeptMsrs.of(kvm.msrIndexes(), bootCpu);
        for (KvmVcpu vcpu : new KvmVcpu[] {bootCpu, other}) {
            VcpuState saved = new VcpuState(vcpu.xsaveSize(), msrs);
            Save.vcpu(vcpu, saved, sregs2);
            disturb(vcpu, saved, sregs2);
            Restore.vcpu(vcpu, saved, sregs2);
            VcpuState again = new VcpuState(vcpu.xsaveSize(), msrs);
            Save.vcpu(vcpu, again, sregs2);
            assertSame("MP state", saved.mpState(), again.mpState());
            assertSame("registers", saved.regs().segment(), again.regs().segment());
            assertSame(
                    "system registers", saved.sregs().segment(), again.sregs().segment());
            assertSame("XSAVE area", saved.xsave(), again.xsave());
            assertSame("XCRs", saved.xcrs(), again.xcrs());
            assertSame("debug registers", saved.debugRegs(), again.debugRegs());
            assertSame("LAPIC", saved.lapic(), again.lapic());
            assertSame("events", saved.events(), again.events());
            for (int i = 1; i < msrs.length; i++) { // the first is the TSC, which runs
                if (msrs[i] == HYPERV_TIME_REF_COUNT || msrs[i] == HYPERV_VP_RUNTIME) {
                    continue; // they run too, where KVM lists them
                }
                assertThat(again.msrs().value(i))
                        .as("MSR 0x" + Integer.toHexString(msrs[i]))
                        .isEqualTo(saved.msrs().value(i));
            }
        }
    }

    /** Gives the vCPU other registers than it had, so that a part that is not restored shows. */
    private static void disturb(KvmVcpu vcpu, VcpuState saved, boolean sregs2) {
        VcpuState other = new VcpuState(vcpu.xsaveSize(), new int[] {Msrs.IA32_MISC_ENABLE, Msrs.IA32_MTRR_DEF_TYPE});
        Save.vcpu(vcpu, other, sregs2);
        other.regs().set(8, other.regs().get(8) + 1);
        other.debugRegs().set(ValueLayout.JAVA_LONG, 0, 0x1234);
        other.lapic().set(ValueLayout.JAVA_INT, 0x80, 0x20); // task priority
        other.msrs().set(0, 0);
        other.msrs().set(1, 0);
        vcpu.setRegs(other.regs());
        vcpu.setDebugRegs(other.debugRegs());
        vcpu.setLapic(other.lapic());
        vcpu.setMsrs(other.msrs());
        assertThat(other.regs().segment().mismatch(saved.regs().segment())).isNotNegative();
    }

    @Test
    void givesBackTheInterruptControllers() {
        VmState saved = new VmState();
        Save.interruptControllers(vm, saved);
        vm.setInterruptLine(5, true);
        vm.setInterruptLine(5, false);
        Restore.interruptControllers(vm, saved);
        VmState again = new VmState();
        Save.interruptControllers(vm, again);
        assertSame("PIC 0", saved.picMaster(), again.picMaster());
        assertSame("PIC 1", saved.picSlave(), again.picSlave());
        assertSame("IOAPIC", saved.ioapic(), again.ioapic());
    }

    private static void assertSame(String what, MemorySegment expected, MemorySegment actual) {
        assertThat(actual.toArray(ValueLayout.JAVA_BYTE)).as(what).isEqualTo(expected.toArray(ValueLayout.JAVA_BYTE));
    }
}
