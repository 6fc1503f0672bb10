package dev.holdover.machine;

import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.state.Msrs;
import java.util.Arrays;

/** Which MSRs this host's KVM gives and takes back: KVM lists some that it then refuses. */
final class KeptMsrs {
    // Memory types. KVM keeps them, yet has them not in its list.
    private static final int MTRR_PHYS_BASE_0 = 0x200;
    private static final int MTRR_PHYS_MASK_7 = 0x20f;
    private static final int MTRR_FIX_64K = 0x250;
    private static final int MTRR_FIX_16K_0 = 0x258;
    private static final int MTRR_FIX_16K_1 = 0x259;
    private static final int MTRR_FIX_4K_0 = 0x268;
    private static final int MTRR_FIX_4K_7 = 0x26f;

    private KeptMsrs() {}

    /**
     * The memory types, and the MSRs of KVM's list, whose value on this vCPU can be read and set again, the TSC first and its deadline last.
     * Changes no value. The vCPU has its CPUID and has not run.
     */
    static int[] of(int[] listed, KvmVcpu vcpu) {
        int[] kept = new int[Msrs.MAX];
        int count = 0;
        kept[count++] = Msrs.IA32_TSC;
        for (int index : mtrrs()) {
            if (isGivenAndTaken(index, vcpu)) {
                kept[count++] = index;
            }
        }
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

    private static int[] mtrrs() {
        int[] indexes = new int[28];
        int count = 0;
        indexes[count++] = Msrs.IA32_MTRR_DEF_TYPE;
        indexes[count++] = MTRR_FIX_64K;
        indexes[count++] = MTRR_FIX_16K_0;
        indexes[count++] = MTRR_FIX_16K_1;
        for (int index = MTRR_FIX_4K_0; index <= MTRR_FIX_4K_7; index++) {
            indexes[count++] = index;
        }
        for (int index = MTRR_PHYS_BASE_0; index <= MTRR_PHYS_MASK_7; index++) {
            indexes[count++] = index;
        }
        return indexes;
    }

    private static boolean isGivenAndTaken(int index, KvmVcpu vcpu) {
        Msrs one = new Msrs(index);
        return vcpu.tryGetMsrs(one) == 1 && vcpu.trySetMsrs(one) == 1;
    }
}
