package dev.holdover.kvm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.kvm.state.Cpuid;
import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.Regs;
import dev.holdover.kvm.state.Sregs;
import dev.holdover.kvm.state.StructSizes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Field;
import org.junit.jupiter.api.Test;

/** Holds the numbers in the code against those that a C compiler took from linux/kvm.h. */
class KvmLayoutTest {
    private static final HeaderNumbers GOLDEN = HeaderNumbers.read(KvmLayoutTest.class, "kvm-layout.txt");

    private static long golden(String name) {
        return GOLDEN.get(name);
    }

    @Test
    void everyIoctlNumberIsTheHeaders() throws ReflectiveOperationException {
        int checked = 0;
        for (Field field : KvmIoctl.class.getDeclaredFields()) {
            if (field.getName().startsWith("KVM_")) {
                assertThat(field.getLong(null)).as(field.getName()).isEqualTo(golden("ioctl " + field.getName()));
                checked++;
            }
        }
        assertThat(checked).isGreaterThan(40);
    }

    @Test
    void everyCapabilityNumberIsTheHeaders() {
        for (KvmCap cap : KvmCap.values()) {
            assertThat((long) cap.number()).as(cap.name()).isEqualTo(golden("const KVM_CAP_" + cap.name()));
        }
    }

    @Test
    void everyFlagAndExitReasonIsTheHeaders() throws ReflectiveOperationException {
        int checked = 0;
        for (Class<?> type : new Class<?>[] {KvmVcpu.class, KvmVm.class}) {
            for (Field field : type.getDeclaredFields()) {
                // Newer than the headers of Debian 12.
                boolean known = !field.getName().equals("KVM_EXIT_MEMORY_FAULT");
                if (field.getName().startsWith("KVM_") && known) {
                    field.setAccessible(true);
                    assertThat(field.getLong(null)).as(field.getName()).isEqualTo(golden("const " + field.getName()));
                    checked++;
                }
            }
        }
        assertThat(checked).isGreaterThan(10);
    }

    @Test
    void structSizesAreTheHeaders() {
        assertThat((long) Regs.SIZE).isEqualTo(golden("sizeof kvm_regs"));
        assertThat((long) Sregs.SIZE).isEqualTo(golden("sizeof kvm_sregs"));
        assertThat((long) Sregs.SIZE2).isEqualTo(golden("sizeof kvm_sregs2"));
        assertThat((long) StructSizes.LAPIC).isEqualTo(golden("sizeof kvm_lapic_state"));
        assertThat((long) StructSizes.VCPU_EVENTS).isEqualTo(golden("sizeof kvm_vcpu_events"));
        assertThat((long) StructSizes.DEBUGREGS).isEqualTo(golden("sizeof kvm_debugregs"));
        assertThat((long) StructSizes.XCRS).isEqualTo(golden("sizeof kvm_xcrs"));
        assertThat((long) StructSizes.MP_STATE).isEqualTo(golden("sizeof kvm_mp_state"));
        assertThat((long) StructSizes.IRQCHIP).isEqualTo(golden("sizeof kvm_irqchip"));
        assertThat((long) StructSizes.PIT_STATE2).isEqualTo(golden("sizeof kvm_pit_state2"));
        assertThat((long) StructSizes.CLOCK_DATA).isEqualTo(golden("sizeof kvm_clock_data"));
    }

    @Test
    void routesHaveTheHeadersLayout() {
        assertThat(golden("offsetof kvm_irqfd resamplefd")).isEqualTo(12);
        assertThat(golden("sizeof kvm_irq_routing_entry")).isEqualTo(48);
        assertThat(golden("offsetof kvm_irq_routing entries")).isEqualTo(8);
        assertThat(golden("offsetof kvm_irq_routing_entry type")).isEqualTo(4);
        assertThat(golden("offsetof kvm_irq_routing_entry u.irqchip.irqchip")).isEqualTo(16);
        assertThat(golden("offsetof kvm_irq_routing_entry u.irqchip.pin")).isEqualTo(20);
        assertThat(golden("offsetof kvm_irq_routing_entry u.msi.address_lo")).isEqualTo(16);
        assertThat(golden("offsetof kvm_irq_routing_entry u.msi.address_hi")).isEqualTo(20);
        assertThat(golden("offsetof kvm_irq_routing_entry u.msi.data")).isEqualTo(24);
        assertThat(golden("sizeof kvm_msi")).isEqualTo(32);
        assertThat(golden("offsetof kvm_msi address_hi")).isEqualTo(4);
        assertThat(golden("offsetof kvm_msi data")).isEqualTo(8);
    }

    @Test
    void registerOffsetsAreTheHeaders() {
        assertThat((long) Regs.RSP).isEqualTo(golden("offsetof kvm_regs rsp"));
        assertThat((long) Regs.RIP).isEqualTo(golden("offsetof kvm_regs rip"));
        assertThat((long) Regs.RFLAGS).isEqualTo(golden("offsetof kvm_regs rflags"));
        assertThat((long) Sregs.TR).isEqualTo(golden("offsetof kvm_sregs tr"));
        assertThat((long) Sregs.LDT).isEqualTo(golden("offsetof kvm_sregs ldt"));
        assertThat((long) Sregs.GDT).isEqualTo(golden("offsetof kvm_sregs gdt"));
        assertThat((long) Sregs.IDT).isEqualTo(golden("offsetof kvm_sregs idt"));
        assertThat((long) Sregs.CR0).isEqualTo(golden("offsetof kvm_sregs cr0"));
        assertThat((long) Sregs.EFER).isEqualTo(golden("offsetof kvm_sregs efer"));
        assertThat((long) Sregs.APIC_BASE).isEqualTo(golden("offsetof kvm_sregs apic_base"));
    }

    @Test
    void listsHaveTheHeadersLayout() {
        long entry = golden("offsetof kvm_cpuid2 entries") + golden("sizeof kvm_cpuid_entry2");
        Cpuid cpuid = new Cpuid(2);
        cpuid.segment().set(ValueLayout.JAVA_INT, entry + golden("offsetof kvm_cpuid_entry2 eax"), 77);
        assertThat(cpuid.get(1, Cpuid.EAX)).isEqualTo(77);

        Msrs msrs = new Msrs(0x10, 0x11);
        msrs.set(1, 42);
        long second = golden("offsetof kvm_msrs entries") + golden("sizeof kvm_msr_entry");
        assertThat(msrs.segment().get(ValueLayout.JAVA_INT, second)).isEqualTo(0x11);
        assertThat(msrs.segment().get(ValueLayout.JAVA_LONG, second + golden("offsetof kvm_msr_entry data")))
                .isEqualTo(42);
    }

    @Test
    void portExitIsReadFromKvmRun() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment run = arena.allocate(golden("sizeof kvm_run") + 4096, 8);
            run.set(ValueLayout.JAVA_BYTE, golden("offsetof kvm_run io"), (byte) 1);
            run.set(ValueLayout.JAVA_BYTE, golden("offsetof kvm_run io.size"), (byte) 2);
            run.set(ValueLayout.JAVA_SHORT, golden("offsetof kvm_run io.port"), (short) 0xcf8);
            run.set(ValueLayout.JAVA_INT, golden("offsetof kvm_run io.count"), 3);
            run.set(ValueLayout.JAVA_LONG, golden("offsetof kvm_run io.data_offset"), 4096);
            run.set(ValueLayout.JAVA_SHORT, 4096 + 4, (short) 0xbeef);
            VcpuExit.Io io = new VcpuExit.Io(run);
            assertThat(io.isWrite()).isTrue();
            assertThat(io.width()).isEqualTo(2);
            assertThat(io.port()).isEqualTo(0xcf8);
            assertThat(io.count()).isEqualTo(3);
            assertThat(io.get(2)).isEqualTo(0xbeef);
        }
    }

    @Test
    void mmioExitIsReadFromKvmRun() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment run = arena.allocate(golden("sizeof kvm_run"), 8);
            run.set(ValueLayout.JAVA_LONG, golden("offsetof kvm_run mmio.phys_addr"), 0xd0000050L);
            run.set(ValueLayout.JAVA_INT, golden("offsetof kvm_run mmio.len"), 4);
            run.set(ValueLayout.JAVA_BYTE, golden("offsetof kvm_run mmio.is_write"), (byte) 1);
            run.set(ValueLayout.JAVA_INT, golden("offsetof kvm_run mmio.data"), 0xdeadbeef);
            VcpuExit.Mmio mmio = new VcpuExit.Mmio(run);
            assertThat(mmio.address()).isEqualTo(0xd0000050L);
            assertThat(mmio.width()).isEqualTo(4);
            assertThat(mmio.isWrite()).isTrue();
            assertThat(mmio.get()).isEqualTo(0xdeadbeefL);
        }
    }
}
