package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.kvm.state.Cpuid;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CpuFeaturesTest {
    private static final int[] REGISTERS = {Cpuid.EAX, Cpuid.EBX, Cpuid.ECX, Cpuid.EDX};

    /** Leaf 0 of a vendor, and one more. */
    private static Cpuid cpu(String vendor, int leaf, int subleaf, int register, int value) {
        Cpuid cpuid = new Cpuid(0).copy(2);
        for (int i = 0; i < 12; i++) {
            int in = new int[] {Cpuid.EBX, Cpuid.EDX, Cpuid.ECX}[i / 4];
            cpuid.set(0, in, cpuid.get(0, in) | (vendor.charAt(i) << (8 * (i % 4))));
        }
        cpuid.setQuestion(1, leaf, subleaf);
        cpuid.set(1, register, value);
        return cpuid;
    }

    @ParameterizedTest
    @CsvSource({
        "1, 0, 2, 28, AVX",
        "7, 0, 1, 5, AVX2",
        "7, 1, 0, 4, AVX-VNNI",
        "7, 1, 3, 4, CPUID leaf 0x7.1 EDX bit 4",
        "7, 2, 3, 0, CPUID leaf 0x7.2 EDX bit 0",
        "0xd, 0, 0, 5, the AVX-512 state of XSAVE",
        "0xd, 1, 0, 1, XSAVEC",
        "0x80000001, 0, 3, 27, RDTSCP",
        "0x80000007, 0, 3, 8, the invariant TSC",
        "0x80000008, 0, 1, 12, IBPB",
    })
    void everyLeafWithFeaturesIsCompared(String leaf, int subleaf, int register, int bit, String name) {
        int number = Integer.parseUnsignedInt(leaf.replace("0x", ""), leaf.startsWith("0x") ? 16 : 10);
        Cpuid with = cpu("GenuineIntel", number, subleaf, REGISTERS[register], 1 << bit);
        Cpuid without = cpu("GenuineIntel", number, subleaf, REGISTERS[register], 0);
        assertThat(CpuFeatures.lacking(with, without, false)).isEqualTo(name);
        assertThat(CpuFeatures.lacking(without, with, false)).isEmpty();
        assertThat(CpuFeatures.lacking(with, with, false)).isEmpty();
    }

    @Test
    void anotherVendorsCpuIsNoneForTheGuest() {
        Cpuid intel = cpu("GenuineIntel", 1, 0, Cpuid.ECX, 1);
        Cpuid amd = cpu("AuthenticAMD", 1, 0, Cpuid.ECX, 1);
        assertThat(CpuFeatures.lacking(intel, amd, false)).isEqualTo("the vendor GenuineIntel (it is AuthenticAMD)");
    }
}
