package dev.holdover.machine;

import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.state.Msrs;
import java.util.Arrays;

/** Which MSRs this host's KVM gives and takes back: KVM lists some that it then refuses. */
final class KeptMsrs {
    private KeptMsrs() {}

    /**
     * The MSRs of KVM's list whose value on this vCPU can be read and set again, the TSC first and its deadline last.
     * Changes no value. The vCPU has its CPUID and has not run.
     */
    static int[] of(int[] listed, KvmVcpu vcpu) {
        int[] kept = new int[listed.length + 1];
        int count = 0;
        kept[count++] = Msrs.IA32_TSC;
        boolean deadline = false;
        for (int index : listed) {
            if (index == Msrs.IA32_TSC_DEADLINE) {
                deadline = true;
            } else if (index != Msrs.IA32_TSC && count < Msrs.MAX - 1 && isGivenAndTaken(index, vcpu)) {
                kept[count++] = index;
            }
        }
        if (deadline) {
            kept[count++] = Msrs.IA32_TSC_DEADLINE;
        }
        return Arrays.copyOf(kept, count);
    }

    private static boolean isGivenAndTaken(int index, KvmVcpu vcpu) {
        Msrs one = new Msrs(index);
        return vcpu.getMsrs(one) == 1 && vcpu.trySetMsrs(one) == 1;
    }
}
