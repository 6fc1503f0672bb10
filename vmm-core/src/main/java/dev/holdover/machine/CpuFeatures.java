package dev.holdover.machine;

import dev.holdover.kvm.state.Cpuid;

/** Compares the CPU that a guest was started with to what a host offers. */
final class CpuFeatures {
    private static final int LEAF_1 = 1;
    private static final int LEAF_7 = 7;
    private static final int LEAF_XSAVE = 0xd;
    private static final int LEAF_AMD = 0x80000001;
    private static final int LEAF_POWER = 0x80000007;
    private static final int LEAF_SIZES = 0x80000008;
    // Bits that say something about the moment or the machine, not about the CPU.
    private static final int OSXSAVE = 1 << 27;
    private static final int HYPERVISOR = 1 << 31;
    private static final int TSC_DEADLINE = 1 << 24;
    private static final int HTT = 1 << 28;
    private static final int OSPKE = 1 << 4;
    private static final int CMP_LEGACY = 1 << 1;

    /** Features by name, where people know one: leaf, subleaf, register, bit. */
    private record Name(int leaf, int subleaf, int register, int bit, String name) {
        Name(int leaf, int register, int bit, String name) {
            this(leaf, 0, register, bit, name);
        }
    }

    private static final Name[] NAMES = {
        new Name(LEAF_1, Cpuid.ECX, 0, "SSE3"),
        new Name(LEAF_1, Cpuid.ECX, 9, "SSSE3"),
        new Name(LEAF_1, Cpuid.ECX, 12, "FMA"),
        new Name(LEAF_1, Cpuid.ECX, 19, "SSE4.1"),
        new Name(LEAF_1, Cpuid.ECX, 20, "SSE4.2"),
        new Name(LEAF_1, Cpuid.ECX, 21, "x2APIC"),
        new Name(LEAF_1, Cpuid.ECX, 23, "POPCNT"),
        new Name(LEAF_1, Cpuid.ECX, 25, "AES"),
        new Name(LEAF_1, Cpuid.ECX, 26, "XSAVE"),
        new Name(LEAF_1, Cpuid.ECX, 28, "AVX"),
        new Name(LEAF_1, Cpuid.ECX, 29, "F16C"),
        new Name(LEAF_1, Cpuid.ECX, 30, "RDRAND"),
        new Name(LEAF_7, Cpuid.EBX, 3, "BMI1"),
        new Name(LEAF_7, Cpuid.EBX, 5, "AVX2"),
        new Name(LEAF_7, Cpuid.EBX, 7, "SMEP"),
        new Name(LEAF_7, Cpuid.EBX, 8, "BMI2"),
        new Name(LEAF_7, Cpuid.EBX, 16, "AVX512F"),
        new Name(LEAF_7, Cpuid.EBX, 18, "RDSEED"),
        new Name(LEAF_7, Cpuid.EBX, 20, "SMAP"),
        new Name(LEAF_7, Cpuid.EBX, 29, "SHA"),
        new Name(LEAF_7, Cpuid.ECX, 3, "PKU"),
        new Name(LEAF_7, Cpuid.ECX, 9, "VAES"),
        new Name(LEAF_7, Cpuid.EDX, 24, "AMX-TILE"),
        new Name(LEAF_7, 1, Cpuid.EAX, 4, "AVX-VNNI"),
        new Name(LEAF_7, 1, Cpuid.EAX, 5, "AVX512-BF16"),
        new Name(LEAF_XSAVE, Cpuid.EAX, 2, "the AVX state of XSAVE"),
        new Name(LEAF_XSAVE, Cpuid.EAX, 5, "the AVX-512 state of XSAVE"),
        new Name(LEAF_XSAVE, Cpuid.EAX, 9, "the PKRU state of XSAVE"),
        new Name(LEAF_XSAVE, 1, Cpuid.EAX, 0, "XSAVEOPT"),
        new Name(LEAF_XSAVE, 1, Cpuid.EAX, 1, "XSAVEC"),
        new Name(LEAF_XSAVE, 1, Cpuid.EAX, 2, "XGETBV with ECX=1"),
        new Name(LEAF_XSAVE, 1, Cpuid.EAX, 3, "XSAVES"),
        new Name(LEAF_POWER, Cpuid.EDX, 8, "the invariant TSC"),
        new Name(LEAF_SIZES, Cpuid.EBX, 12, "IBPB"),
        new Name(LEAF_AMD, Cpuid.EDX, 26, "1 GiB pages"),
        new Name(LEAF_AMD, Cpuid.EDX, 27, "RDTSCP"),
    };

    private CpuFeatures() {}

    /**
     * The vendor of the CPU, as CPUID leaf 0 has it. The same bits mean other things with another one, and its guests' kernels
     * use other instructions (VMCALL or VMMCALL) and MSRs.
     */
    static String vendor(Cpuid cpuid) {
        int entry = cpuid.find(0, 0);
        StringBuilder vendor = new StringBuilder();
        for (int register : entry < 0 ? new int[0] : new int[] {Cpuid.EBX, Cpuid.EDX, Cpuid.ECX}) {
            int letters = cpuid.get(entry, register);
            for (int i = 0; i < Integer.BYTES; i++) {
                char letter = (char) ((letters >>> (Byte.SIZE * i)) & 0xff);
                vendor.append(letter >= ' ' && letter <= '~' ? letter : '?');
            }
        }
        return vendor.toString();
    }

    /** What the guest's CPU has and the host's KVM does not, by name; empty if nothing lacks. */
    static String lacking(Cpuid guest, Cpuid host, boolean tscDeadline) {
        StringBuilder lacking = new StringBuilder();
        String vendor = vendor(guest);
        if (!vendor.equals(vendor(host))) {
            lacking.append("the vendor ")
                    .append(vendor)
                    .append(" (it is ")
                    .append(vendor(host))
                    .append(')');
        }
        int dynamic = OSXSAVE | HYPERVISOR | (tscDeadline ? TSC_DEADLINE : 0);
        compare(guest, host, LEAF_1, Cpuid.ECX, dynamic, lacking);
        compare(guest, host, LEAF_1, Cpuid.EDX, HTT, lacking);
        compare(guest, host, LEAF_7, Cpuid.EBX, 0, lacking);
        compare(guest, host, LEAF_7, Cpuid.ECX, OSPKE, lacking);
        compare(guest, host, LEAF_7, Cpuid.EDX, 0, lacking);
        for (int register : new int[] {Cpuid.EAX, Cpuid.EBX, Cpuid.ECX, Cpuid.EDX}) {
            compare(guest, host, LEAF_7, 1, register, 0, lacking);
        }
        compare(guest, host, LEAF_7, 2, Cpuid.EDX, 0, lacking);
        compare(guest, host, LEAF_XSAVE, 0, Cpuid.EAX, 0, lacking);
        compare(guest, host, LEAF_XSAVE, 0, Cpuid.EDX, 0, lacking);
        compare(guest, host, LEAF_XSAVE, 1, Cpuid.EAX, 0, lacking);
        compare(guest, host, LEAF_POWER, 0, Cpuid.EDX, 0, lacking);
        compare(guest, host, LEAF_SIZES, 0, Cpuid.EBX, 0, lacking);
        compare(guest, host, LEAF_AMD, Cpuid.ECX, CMP_LEGACY, lacking);
        compare(guest, host, LEAF_AMD, Cpuid.EDX, 0, lacking);
        return lacking.toString();
    }

    private static void compare(Cpuid guest, Cpuid host, int leaf, int register, int ignored, StringBuilder lacking) {
        compare(guest, host, leaf, 0, register, ignored, lacking);
    }

    private static void compare(
            Cpuid guest, Cpuid host, int leaf, int subleaf, int register, int ignored, StringBuilder lacking) {
        int missing = value(guest, leaf, subleaf, register) & ~value(host, leaf, subleaf, register) & ~ignored;
        for (int bit = 0; bit < Integer.SIZE; bit++) {
            if ((missing >>> bit & 1) != 0) {
                lacking.append(lacking.isEmpty() ? "" : ", ").append(name(leaf, subleaf, register, bit));
            }
        }
    }

    private static int value(Cpuid cpuid, int leaf, int subleaf, int register) {
        int entry = cpuid.find(leaf, subleaf);
        return entry < 0 ? 0 : cpuid.get(entry, register);
    }

    private static String name(int leaf, int subleaf, int register, int bit) {
        for (Name name : NAMES) {
            if (name.leaf == leaf && name.subleaf == subleaf && name.register == register && name.bit == bit) {
                return name.name;
            }
        }
        String[] registers = {"EAX", "EBX", "ECX", "EDX"};
        return "CPUID leaf 0x" + Integer.toHexString(leaf) + (subleaf == 0 ? "" : "." + subleaf) + " "
                + registers[(register - Cpuid.EAX) / 4] + " bit " + bit;
    }
}
