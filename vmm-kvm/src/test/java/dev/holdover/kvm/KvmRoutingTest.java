package dev.holdover.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.kvm.state.Regs;
import dev.holdover.kvm.state.Sregs;
import dev.holdover.kvm.state.StructSizes;
import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Mapping;
import dev.holdover.testing.NeedsKvm;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Interrupts by message and by pin, to a guest in real mode that waits for them with HLT. Its handler of vector 0x40 to 0x5f
 * writes the vector to port 0x80, and acknowledges it to the LAPIC if it is let go on.
 */
@NeedsKvm
class KvmRoutingTest {
    private static final long LAPIC = 0xfee00000L;
    private static final int FIRST_VECTOR = 0x40;
    private static final int HANDLERS = 0x2000;

    private Kvm kvm;
    private KvmVm vm;
    private Mapping ram;
    private KvmVcpu vcpu;

    @BeforeEach
    void open() {
        kvm = Kvm.open();
        vm = kvm.createVm();
        ram = Mapping.anonymous(1 << 20, 4096);
        vm.setMemorySlot(0, 0, ram.segment(), false);
        vm.createIrqchip();
        // sti; hlt; jmp .-2
        code(0x1000, 0xfb, 0xf4, 0xeb, 0xfd);
        for (int vector = FIRST_VECTOR; vector < FIRST_VECTOR + 0x20; vector++) {
            int handler = HANDLERS + (vector - FIRST_VECTOR) * 32;
            ram.segment().set(ValueLayout.JAVA_INT, vector * 4L, handler);
            // mov al, vector; out 0x80, al; mov dword [edi + 0xb0], 0; iret
            code(handler, 0xb0, vector, 0xe6, 0x80, 0x67, 0x66, 0xc7, 0x87, 0xb0, 0, 0, 0, 0, 0, 0, 0, 0xcf);
        }
        vcpu = vm.createVcpu(0);
        vcpu.setCpuid(kvm.supportedCpuid());
        Sregs sregs = new Sregs();
        vcpu.getSregs(sregs);
        sregs.set(Sregs.CS, 0);
        sregs.segment().set(ValueLayout.JAVA_SHORT, Sregs.CS + 12, (short) 0);
        // A limit of 4 GiB, so that the handler reaches the LAPIC.
        sregs.setFlat(Sregs.DS, 0, Sregs.Kind.DATA);
        vcpu.setSregs(sregs);
        Regs regs = new Regs();
        regs.set(Regs.RIP, 0x1000);
        regs.set(Regs.RSP, 0x8000);
        regs.set(Regs.RDI, LAPIC);
        regs.set(Regs.RFLAGS, 2);
        vcpu.setRegs(regs);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment lapic = arena.allocate(StructSizes.LAPIC, 8);
            vcpu.getLapic(lapic);
            lapic.set(ValueLayout.JAVA_INT, 0xf0, 0x1ff); // spurious vector, APIC enabled
            lapic.set(ValueLayout.JAVA_INT, 0x350, 0x10000); // LINT0 masked: the PICs stay unheard
            vcpu.setLapic(lapic);
        }
    }

    @AfterEach
    void close() {
        vcpu.close();
        vm.close();
        ram.close();
        kvm.close();
    }

    private void code(int at, int... bytes) {
        for (int i = 0; i < bytes.length; i++) {
            ram.segment().set(ValueLayout.JAVA_BYTE, at + i, (byte) bytes[i]);
        }
    }

    private void assertVector(int vector) {
        assertThat(vcpu.run()).isInstanceOfSatisfying(VcpuExit.Io.class, io -> {
            assertThat(io.port()).isEqualTo(0x80);
            assertThat(io.get(0)).isEqualTo(vector);
        });
    }

    /** Lets a pin of the IOAPIC send that vector to the guest. */
    private void unmaskPin(int pin, int vector, boolean level) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment chip = arena.allocate(StructSizes.IRQCHIP, 8);
            vm.getIrqchip(KvmVm.IOAPIC, chip);
            // struct kvm_ioapic_state behind chip_id and pad: base_address, ioregsel, id, irr, pad, redirtbl
            chip.set(ValueLayout.JAVA_LONG, 8 + 24 + 8L * pin, vector | (level ? 1 << 15 : 0));
            vm.setIrqchip(chip);
        }
    }

    @Test
    void aRoutedEventFdDeliversItsVector() {
        try (EventFd first = new EventFd();
                EventFd second = new EventFd()) {
            vm.setMsiRoutes(List.of(new MsiRoute(24, LAPIC, 0x41), new MsiRoute(4095, LAPIC, 0x51)));
            vm.bindInterrupt(first, 24);
            vm.bindInterrupt(second, 4095);
            first.signal();
            assertVector(0x41);
            second.signal();
            assertVector(0x51);
            // What the guest writes to a device's MSI-X table later on.
            vm.setMsiRoutes(List.of(new MsiRoute(24, LAPIC, 0x42)));
            first.signal();
            assertVector(0x42);
        }
    }

    @Test
    void pinsAreWhatTheyWereOnceMessagesAreRouted() {
        unmaskPin(0, 0x43, false);
        unmaskPin(5, 0x44, false);
        unmaskPin(23, 0x45, false);
        vm.setMsiRoutes(List.of(new MsiRoute(30, LAPIC, 0x46)));
        for (int[] pin : new int[][] {{0, 0x43}, {5, 0x44}, {23, 0x45}}) {
            vm.setInterruptLine(pin[0], true);
            vm.setInterruptLine(pin[0], false);
            assertVector(pin[1]);
        }
    }

    @Test
    void thePicsHearTheirPinsOnceMessagesAreRouted() {
        vm.setMsiRoutes(List.of());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment chip = arena.allocate(StructSizes.IRQCHIP, 8);
            for (int gsi = 0; gsi < 16; gsi++) {
                vm.setInterruptLine(gsi, true);
                vm.getIrqchip(gsi < 8 ? KvmVm.PIC_MASTER : KvmVm.PIC_SLAVE, chip);
                // struct kvm_pic_state: last_irr@0
                assertThat(chip.get(ValueLayout.JAVA_BYTE, 8) & 1 << gsi % 8)
                        .as("GSI " + gsi)
                        .isNotZero();
                vm.setInterruptLine(gsi, false);
            }
        }
    }

    @Test
    void aSignalledMessageArrives() {
        assertThat(vm.signalMsi(LAPIC, 0x47)).isTrue();
        assertVector(0x47);
        assertThat(vm.signalMsi(LAPIC | 7 << 12, 0x48))
                .as("to an APIC that is not there")
                .isFalse();
    }

    @Test
    void aLevelTriggeredInterruptIsResampledWhenTheGuestAcknowledgesIt() throws InterruptedException {
        try (EventFd interrupt = new EventFd();
                EventFd resample = new EventFd();
                Epoll epoll = new Epoll()) {
            epoll.add(resample.fd(), Epoll.EPOLLIN, 0);
            unmaskPin(20, 0x49, true);
            vm.bindInterrupt(interrupt, resample, 20);
            interrupt.signal();
            assertThat(resample.drain()).as("before the guest has heard of it").isZero();
            assertVector(0x49);
            // It still wants something, and says so as a device does: when it hears of the acknowledgement. KVM raises
            // a line
            // from a work queue, so a signal before that may be one with the first.
            Thread device = Thread.ofPlatform().start(() -> {
                epoll.await(-1);
                interrupt.signal();
            });
            assertVector(0x49);
            device.join();
            assertThat(resample.drain()).isPositive();
            vm.unbindInterrupt(interrupt, 20);
        }
    }

    @Test
    void onlyGsisBehindThePinsTakeMessages() {
        assertThatThrownBy(() -> vm.setMsiRoutes(List.of(new MsiRoute(23, LAPIC, 0x40))))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> vm.setMsiRoutes(List.of(new MsiRoute(4096, LAPIC, 0x40))))
                .isInstanceOf(IllegalArgumentException.class);
        try (KvmVm bare = kvm.createVm()) {
            assertThatThrownBy(() -> bare.setMsiRoutes(List.of()))
                    .as("no irqchip")
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
        }
    }

    @Test
    void thisHostHasTheCapabilities() {
        for (KvmCap cap : new KvmCap[] {KvmCap.IRQ_ROUTING, KvmCap.SIGNAL_MSI, KvmCap.IRQFD_RESAMPLE}) {
            assertThat(kvm.has(cap)).as(cap.name()).isTrue();
        }
        assertThat(kvm.check(KvmCap.IRQ_ROUTING)).isEqualTo(KvmVm.MAX_GSIS);
    }
}
