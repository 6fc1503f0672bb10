package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.kvm.Kvm;
import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.state.Cpuid;
import dev.holdover.testing.NeedsKvm;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GuestCpuidTest {
    private static final int VMX = 1 << 5;
    private static final int X2APIC = 1 << 21;
    private static final int TSC_DEADLINE = 1 << 24;
    private static final int OSXSAVE = 1 << 27;
    private static final int HYPERVISOR = 1 << 31;
    private static final int HTT = 1 << 28;
    private static final int CMP_LEGACY = 1 << 1;
    private static final int SVM = 1 << 2;
    private static final int LAHF = 1;
    private static final int THREADS = 1 << 8;
    private static final int CORES = 2 << 8;

    private static final int[] INTEL = {0, 0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69};
    private static final int[] AMD = {0, 0, 0x10, 0x68747541, 0x444d4163, 0x69746e65};

    /** What KVM supports: a leaf, a subleaf, EAX, EBX, ECX, EDX each. */
    private static Cpuid supported(int[]... entries) {
        Cpuid cpuid = new Cpuid(0).copy(entries.length);
        for (int i = 0; i < entries.length; i++) {
            cpuid.setQuestion(i, entries[i][0], entries[i][1]);
            cpuid.set(i, Cpuid.EAX, entries[i][2]);
            cpuid.set(i, Cpuid.EBX, entries[i][3]);
            cpuid.set(i, Cpuid.ECX, entries[i][4]);
            cpuid.set(i, Cpuid.EDX, entries[i][5]);
        }
        return cpuid;
    }

    private static int get(Cpuid cpuid, int leaf, int subleaf, int register) {
        int entry = cpuid.find(leaf, subleaf);
        assertThat(entry)
                .as("leaf 0x" + Integer.toHexString(leaf) + "." + subleaf)
                .isNotNegative();
        return cpuid.get(entry, register);
    }

    @Test
    void hidesNestedVirtualisationAndSaysThatThereIsAHypervisor() {
        Cpuid host = supported(
                AMD,
                new int[] {1, 0, 0x800f12, 0x07080800, VMX | X2APIC | OSXSAVE, HTT},
                new int[] {0x80000001, 0, 0, 0, SVM | CMP_LEGACY | LAHF, 0},
                new int[] {0x8000000a, 0, 1, 0x8000, 0, 0xff});
        Cpuid guest = GuestCpuid.of(host, 0, 1, false);
        assertThat(get(guest, 1, 0, Cpuid.ECX)).isEqualTo(X2APIC | HYPERVISOR);
        assertThat(get(guest, 1, 0, Cpuid.EAX)).isEqualTo(0x800f12);
        assertThat(get(guest, 1, 0, Cpuid.EDX)).as("one thread").isZero();
        assertThat(get(guest, 0x80000001, 0, Cpuid.ECX)).isEqualTo(LAHF);
        for (int register : new int[] {Cpuid.EAX, Cpuid.EBX, Cpuid.ECX, Cpuid.EDX}) {
            assertThat(get(guest, 0x8000000a, 0, register)).isZero();
        }
        assertThat(get(host, 1, 0, Cpuid.ECX)).as("what was passed").isEqualTo(VMX | X2APIC | OSXSAVE);
    }

    @Test
    void offersTheDeadlineTimerIfKvmHasIt() {
        Cpuid without = supported(INTEL, new int[] {1, 0, 0, 0, 0, 0});
        Cpuid with = supported(INTEL, new int[] {1, 0, 0, 0, TSC_DEADLINE, 0});
        assertThat(get(GuestCpuid.of(without, 0, 1, true), 1, 0, Cpuid.ECX)).isEqualTo(TSC_DEADLINE | HYPERVISOR);
        assertThat(get(GuestCpuid.of(with, 0, 1, false), 1, 0, Cpuid.ECX)).isEqualTo(HYPERVISOR);
    }

    @ParameterizedTest
    @CsvSource({"1,0,0", "2,0,1", "2,1,1", "3,2,2", "255,0,8", "255,254,8"})
    void givesEachCpuItsPlaceOnAnIntelHost(int cpus, int id, int idBits) {
        Cpuid host = supported(
                INTEL,
                new int[] {1, 0, 0, 0x0b100800, 0, HTT},
                new int[] {4, 0, 0x7c004121, 0x1c0003f, 0x3f, 0}, // 32 KiB of data, of 2 threads, 32 ids a package
                new int[] {4, 1, 0x7c004143, 0x3c0003f, 0x3ff, 0},
                new int[] {4, 2, 0x7c07c163, 0x3c0003f, 0x7fff, 4},
                new int[] {4, 3, 0, 0, 0, 0},
                new int[] {0xb, 0, 0, 0, 0, 11}, // as Linux gives it since 6.2
                new int[] {0x1f, 0, 1, 2, 0x100, 11}, // as it did before
                new int[] {0x1f, 1, 5, 32, 0x201, 11},
                new int[] {0x1f, 2, 0, 0, 2, 11},
                new int[] {0x80000001, 0, 0, 0, LAHF, 0},
                new int[] {0x80000008, 0, 0x3028, 0, 0, 0});
        Cpuid guest = GuestCpuid.of(host, id, cpus, false);

        assertThat(get(guest, 1, 0, Cpuid.EBX) >>> 24).as("APIC id").isEqualTo(id);
        assertThat((get(guest, 1, 0, Cpuid.EBX) >>> 16) & 0xff).as("CPUs").isEqualTo(cpus);
        assertThat(get(guest, 1, 0, Cpuid.EBX) & 0xffff).as("CLFLUSH size").isEqualTo(0x0800);
        assertThat(get(guest, 1, 0, Cpuid.EDX)).isEqualTo(cpus > 1 ? HTT : 0);

        for (int leaf : new int[] {0xb, 0x1f}) {
            assertThat(get(guest, leaf, 0, Cpuid.EAX)).as("bits of a thread").isZero();
            assertThat(get(guest, leaf, 0, Cpuid.EBX)).as("threads a core").isEqualTo(1);
            assertThat(get(guest, leaf, 0, Cpuid.ECX)).isEqualTo(THREADS);
            assertThat(get(guest, leaf, 0, Cpuid.EDX)).as("x2APIC id").isEqualTo(id);
            assertThat(get(guest, leaf, 1, Cpuid.EAX)).as("bits of a core").isEqualTo(idBits);
            assertThat(get(guest, leaf, 1, Cpuid.EBX)).as("CPUs a package").isEqualTo(cpus);
            assertThat(get(guest, leaf, 1, Cpuid.ECX)).isEqualTo(CORES | 1);
            assertThat(get(guest, leaf, 1, Cpuid.EDX)).as("x2APIC id").isEqualTo(id);
        }
        assertThat(get(guest, 0x1f, 2, Cpuid.ECX)).as("no further level").isEqualTo(2);

        for (int cache = 0; cache < 3; cache++) {
            int eax = get(guest, 4, cache, Cpuid.EAX);
            assertThat(((eax >>> 14) & 0xfff) + 1)
                    .as("sharers of cache " + cache)
                    .isEqualTo(cache == 2 ? cpus : 1);
            assertThat((eax >>> 26) + 1).as("core ids").isEqualTo(Math.min(1 << idBits, 64));
            assertThat(eax & 0x3ff).isEqualTo(get(host, 4, cache, Cpuid.EAX) & 0x3ff);
        }
        assertThat(get(guest, 4, 3, Cpuid.EAX)).as("no further cache").isZero();

        assertThat(get(guest, 0x80000001, 0, Cpuid.ECX)).isEqualTo(LAHF);
        assertThat(get(guest, 0x80000008, 0, Cpuid.ECX)).isZero();
        assertThat(guest.size()).as("with a level of cores in 0xb").isEqualTo(host.size() + 1);
    }

    @ParameterizedTest
    @CsvSource({"1,0,0", "2,1,1", "3,2,2", "255,254,8"})
    void givesEachCpuItsPlaceOnAnAmdHost(int cpus, int id, int idBits) {
        Cpuid host = supported(
                AMD,
                new int[] {1, 0, 0, 0x0b100800, 0, HTT},
                new int[] {0x80000001, 0, 0, 0, SVM | LAHF, 0},
                new int[] {0x80000008, 0, 0x3030, 0x7, 0x1503f, 0},
                new int[] {0x8000001d, 0, 0x4121, 0x1c0003f, 0x3f, 0},
                new int[] {0x8000001d, 3, 0x1c163, 0x3c0003f, 0x7fff, 1},
                new int[] {0x8000001e, 0, 11, 0x105, 0x301, 0});
        Cpuid guest = GuestCpuid.of(host, id, cpus, false);

        assertThat(get(guest, 0x80000001, 0, Cpuid.ECX)).isEqualTo(cpus > 1 ? LAHF | CMP_LEGACY : LAHF);
        int sizes = get(guest, 0x80000008, 0, Cpuid.ECX);
        assertThat((sizes & 0xff) + 1).as("CPUs").isEqualTo(cpus);
        assertThat((sizes >>> 12) & 0xf).as("bits of an id").isEqualTo(idBits);
        assertThat(sizes & ~0xf0ff).as("performance counter size").isEqualTo(0x10000);
        assertThat(((get(guest, 0x8000001d, 0, Cpuid.EAX) >>> 14) & 0xfff) + 1).isEqualTo(1);
        assertThat(((get(guest, 0x8000001d, 3, Cpuid.EAX) >>> 14) & 0xfff) + 1).isEqualTo(cpus);
        assertThat(get(guest, 0x8000001e, 0, Cpuid.EAX)).as("APIC id").isEqualTo(id);
        assertThat(get(guest, 0x8000001e, 0, Cpuid.EBX))
                .as("core, of one thread")
                .isEqualTo(id);
        assertThat(get(guest, 0x8000001e, 0, Cpuid.ECX)).as("one node").isZero();
        assertThat(guest.size()).isEqualTo(host.size());
    }

    @NeedsKvm
    @ParameterizedTest
    @ValueSource(ints = {1, 3, 255})
    void kvmTakesWhatIsMadeOfItsOwn(int cpus) {
        try (Kvm kvm = Kvm.open();
                KvmVm vm = kvm.createVm()) {
            vm.createIrqchip();
            try (KvmVcpu vcpu = vm.createVcpu(cpus - 1)) {
                Cpuid guest = GuestCpuid.of(kvm.supportedCpuid(), cpus - 1, cpus, true);
                vcpu.setCpuid(guest);
                assertThat(get(guest, 1, 0, Cpuid.ECX) & VMX).isZero();
            }
        }
    }
}
