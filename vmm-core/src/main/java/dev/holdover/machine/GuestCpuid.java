package dev.holdover.machine;

import dev.holdover.kvm.state.Cpuid;

/**
 * What the guest's CPUs say they are: what the host supports, less what a state of ours could not carry, with each
 * vCPU's own place in the machine. One package, one core a vCPU, one thread a core.
 */
final class GuestCpuid {
    private static final int LEAF_FEATURES = 1;
    private static final int LEAF_CACHE_INTEL = 4;
    private static final int LEAF_TOPOLOGY = 0xb;
    private static final int LEAF_TOPOLOGY_V2 = 0x1f;
    private static final int LEAF_AMD_FEATURES = 0x80000001;
    private static final int LEAF_AMD_SIZES = 0x80000008;
    private static final int LEAF_SVM = 0x8000000a;
    private static final int LEAF_AMD_CACHE = 0x8000001d;
    private static final int LEAF_AMD_TOPOLOGY = 0x8000001e;

    // leaf 1
    private static final int ECX_VMX = 1 << 5;
    private static final int ECX_TSC_DEADLINE = 1 << 24;
    private static final int ECX_OSXSAVE = 1 << 27;
    private static final int ECX_HYPERVISOR = 1 << 31;
    private static final int EDX_HTT = 1 << 28;
    // leaf 0x80000001
    private static final int ECX_CMP_LEGACY = 1 << 1;
    private static final int ECX_SVM = 1 << 2;

    // The first four letters of leaf 0
    private static final int VENDOR_AMD = 0x68747541; // "Auth"enticAMD
    private static final int VENDOR_HYGON = 0x6f677948; // "Hygo"nGenuine

    /** Of CPUs that do not say. */
    private static final int OLDEST_ADDRESS_BITS = 36;

    private GuestCpuid() {}

    /**
     * The leaves of one vCPU.
     *
     * @param supported what KVM of this host supports; not changed
     * @param apicId of the vCPU
     * @param cpus how many there are
     * @param tscDeadline whether KVM has the TSC deadline timer, which the supported leaves need not say
     */
    static Cpuid of(Cpuid supported, int apicId, int cpus, boolean tscDeadline) {
        Cpuid cpuid = withCoreLevel(supported);
        boolean amd = isAmd(cpuid);
        int apicIdBits = 32 - Integer.numberOfLeadingZeros(cpus - 1);
        for (int i = 0; i < cpuid.size(); i++) {
            switch (cpuid.leaf(i)) {
                case LEAF_FEATURES -> {
                    // Nested guests' state is not saved, so there are none.
                    int ecx = (cpuid.get(i, Cpuid.ECX) & ~ECX_VMX & ~ECX_OSXSAVE) | ECX_HYPERVISOR;
                    cpuid.set(i, Cpuid.ECX, tscDeadline ? ecx | ECX_TSC_DEADLINE : ecx & ~ECX_TSC_DEADLINE);
                    int ebx = cpuid.get(i, Cpuid.EBX) & 0xFFFF;
                    cpuid.set(i, Cpuid.EBX, ebx | (Math.min(cpus, 255) << 16) | (apicId << 24));
                    int edx = cpuid.get(i, Cpuid.EDX);
                    cpuid.set(i, Cpuid.EDX, cpus > 1 ? edx | EDX_HTT : edx & ~EDX_HTT);
                }
                case LEAF_CACHE_INTEL -> {
                    int eax = cpuid.get(i, Cpuid.EAX);
                    if ((eax & 0x1f) != 0) {
                        int sharing = ((eax >> 5) & 7) >= 3 ? cpus - 1 : 0; // the last level is everybody's
                        int cores = Math.min((1 << apicIdBits) - 1, 63);
                        cpuid.set(i, Cpuid.EAX, (eax & 0x3fff) | (sharing << 14) | (cores << 26));
                    }
                }
                case LEAF_TOPOLOGY, LEAF_TOPOLOGY_V2 -> {
                    int level = cpuid.subleaf(i);
                    boolean thread = level == 0;
                    boolean core = level == 1;
                    cpuid.set(i, Cpuid.EAX, core ? apicIdBits : 0);
                    cpuid.set(i, Cpuid.EBX, thread ? 1 : core ? cpus : 0);
                    cpuid.set(i, Cpuid.ECX, (level & 0xff) | (thread ? 1 << 8 : core ? 2 << 8 : 0));
                    cpuid.set(i, Cpuid.EDX, apicId);
                }
                case LEAF_AMD_FEATURES -> {
                    int ecx = cpuid.get(i, Cpuid.ECX) & ~ECX_SVM;
                    cpuid.set(i, Cpuid.ECX, amd && cpus > 1 ? ecx | ECX_CMP_LEGACY : ecx & ~ECX_CMP_LEGACY);
                }
                case LEAF_AMD_SIZES -> {
                    int ecx = cpuid.get(i, Cpuid.ECX) & ~0xf0ff;
                    cpuid.set(i, Cpuid.ECX, amd ? ecx | (cpus - 1) | (apicIdBits << 12) : ecx);
                }
                case LEAF_SVM -> clear(cpuid, i);
                case LEAF_AMD_CACHE -> {
                    int eax = cpuid.get(i, Cpuid.EAX);
                    if ((eax & 0x1f) != 0) {
                        int sharing = ((eax >> 5) & 7) >= 3 ? cpus - 1 : 0;
                        cpuid.set(i, Cpuid.EAX, (eax & 0x3fff) | (sharing << 14));
                    }
                }
                case LEAF_AMD_TOPOLOGY -> {
                    cpuid.set(i, Cpuid.EAX, apicId);
                    cpuid.set(i, Cpuid.EBX, apicId);
                    cpuid.set(i, Cpuid.ECX, 0);
                }
                default -> {}
            }
        }
        return cpuid;
    }

    /** How many bits of a guest-physical address these CPUs have. */
    static int addressBits(Cpuid cpuid) {
        int sizes = cpuid.find(LEAF_AMD_SIZES, 0);
        return sizes < 0 ? OLDEST_ADDRESS_BITS : cpuid.get(sizes, Cpuid.EAX) & 0xff;
    }

    /**
     * A copy in which the topology leaves that are there have the level of cores. Since Linux 6.2 KVM names none, and a
     * guest that finds no cores takes each CPU for a package.
     */
    private static Cpuid withCoreLevel(Cpuid supported) {
        boolean first = lacksCoreLevel(supported, LEAF_TOPOLOGY);
        boolean second = lacksCoreLevel(supported, LEAF_TOPOLOGY_V2);
        int next = supported.size();
        Cpuid cpuid = supported.copy((first ? 1 : 0) + (second ? 1 : 0));
        if (first) {
            cpuid.setQuestion(next++, LEAF_TOPOLOGY, 1);
        }
        if (second) {
            cpuid.setQuestion(next, LEAF_TOPOLOGY_V2, 1);
        }
        return cpuid;
    }

    private static boolean lacksCoreLevel(Cpuid cpuid, int leaf) {
        return cpuid.find(leaf, 0) >= 0 && cpuid.find(leaf, 1) < 0;
    }

    private static boolean isAmd(Cpuid cpuid) {
        int vendor = cpuid.find(0, 0);
        return vendor >= 0
                && (cpuid.get(vendor, Cpuid.EBX) == VENDOR_AMD || cpuid.get(vendor, Cpuid.EBX) == VENDOR_HYGON);
    }

    private static void clear(Cpuid cpuid, int i) {
        cpuid.set(i, Cpuid.EAX, 0);
        cpuid.set(i, Cpuid.EBX, 0);
        cpuid.set(i, Cpuid.ECX, 0);
        cpuid.set(i, Cpuid.EDX, 0);
    }
}
