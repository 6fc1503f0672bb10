package dev.holdover.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.kvm.state.Cpuid;
import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.Regs;
import dev.holdover.kvm.state.Sregs;
import dev.holdover.kvm.state.StructSizes;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.Signals;
import dev.holdover.testing.NeedsKvm;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The ioctls on this host's KVM, with guests of a few bytes of real-mode code. */
@NeedsKvm
class KvmTest {
    private Kvm kvm;
    private KvmVm vm;
    private Mapping ram;

    @BeforeEach
    void open() {
        kvm = Kvm.open();
        vm = kvm.createVm();
        ram = Mapping.anonymous(1 << 20, 4096);
        vm.setMemorySlot(0, 0, ram.segment(), false);
        vm.createIrqchip();
        vm.createPit();
    }

    @AfterEach
    void close() {
        vm.close();
        ram.close();
        kvm.close();
    }

    /** A vCPU that starts at 0x1000 in real mode with this code. */
    private KvmVcpu vcpu(int... code) {
        for (int i = 0; i < code.length; i++) {
            ram.segment().set(ValueLayout.JAVA_BYTE, 0x1000 + i, (byte) code[i]);
        }
        KvmVcpu vcpu = vm.createVcpu(0);
        vcpu.setCpuid(kvm.supportedCpuid());
        Sregs sregs = new Sregs();
        vcpu.getSregs(sregs);
        sregs.set(Sregs.CS, 0);
        sregs.segment().set(ValueLayout.JAVA_SHORT, Sregs.CS + 12, (short) 0);
        vcpu.setSregs(sregs);
        Regs regs = new Regs();
        regs.set(Regs.RIP, 0x1000);
        regs.set(Regs.RFLAGS, 2);
        regs.set(Regs.RAX, 0x12345);
        vcpu.setRegs(regs);
        return vcpu;
    }

    @Test
    void portWriteExitsAndIsCompletedByTheNextRun() {
        // mov dx, 0x3f8; out dx, al; in ax, dx; hlt
        try (KvmVcpu vcpu = vcpu(0xba, 0xf8, 0x03, 0xee, 0xed, 0xf4)) {
            assertThat(vcpu.run()).isInstanceOfSatisfying(VcpuExit.Io.class, io -> {
                assertThat(io.isWrite()).isTrue();
                assertThat(io.port()).isEqualTo(0x3f8);
                assertThat(io.get(0)).isEqualTo(0x45);
            });
            assertThat(vcpu.run()).isInstanceOfSatisfying(VcpuExit.Io.class, io -> {
                assertThat(io.isWrite()).isFalse();
                assertThat(io.width()).isEqualTo(2);
                io.put(0, 0xabcd);
            });
            vcpu.armImmediateExit();
            assertThat(vcpu.run()).isInstanceOf(VcpuExit.Interrupted.class);
            Regs regs = new Regs();
            vcpu.getRegs(regs);
            assertThat(regs.get(Regs.RAX)).isEqualTo(0x1abcd);
        }
    }

    @Test
    void memoryWithoutASlotExitsAsMmio() {
        // mov ax, 0xffff; mov ds, ax; mov byte [0x10], 0x5a
        try (KvmVcpu vcpu = vcpu(0xb8, 0xff, 0xff, 0x8e, 0xd8, 0xc6, 0x06, 0x10, 0x00, 0x5a)) {
            assertThat(vcpu.run()).isInstanceOfSatisfying(VcpuExit.Mmio.class, mmio -> {
                assertThat(mmio.isWrite()).isTrue();
                assertThat(mmio.address()).isEqualTo(0x100000);
                assertThat(mmio.get()).isEqualTo(0x5a);
            });
        }
    }

    @Test
    void aKickBringsAHaltedVcpuBackEveryTime() throws InterruptedException {
        // hlt; jmp .-1
        KvmVcpu vcpu = vcpu(0xf4, 0xeb, 0xfd);
        Signals.installKick();
        int rounds = 2000;
        AtomicInteger threadId = new AtomicInteger();
        AtomicInteger interrupted = new AtomicInteger();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        CountDownLatch done = new CountDownLatch(1);
        Thread runner = Thread.ofPlatform().start(() -> {
            threadId.set(Signals.threadId());
            try {
                for (int i = 0; i < rounds; i++) {
                    if (!(vcpu.run() instanceof VcpuExit.Interrupted)) {
                        throw new AssertionError("not interrupted");
                    }
                    vcpu.clearKick();
                    interrupted.incrementAndGet();
                }
            } catch (Throwable t) {
                failure.set(t);
            }
            done.countDown();
        });
        long deadline = System.nanoTime() + Patience.host().nanos(60_000);
        for (int i = 0; i < rounds && done.getCount() > 0; i++) {
            // Each kick waits for its own effect: none may be lost, or this ends at the deadline.
            while (threadId.get() == 0) {
                Thread.onSpinWait();
            }
            vcpu.kick(threadId.get());
            while (interrupted.get() <= i && failure.get() == null) {
                assertThat(System.nanoTime()).as("kick %s was lost", i).isLessThan(deadline);
                Thread.onSpinWait();
            }
        }
        assertThat(done.await(Patience.host().seconds(10), TimeUnit.SECONDS)).isTrue();
        runner.join();
        vcpu.close();
        assertThat(failure.get()).isNull();
        assertThat(interrupted.get()).isEqualTo(rounds);
    }

    @Test
    void tripleFaultIsItsOwnExit() {
        // mov ds, ax with a selector beyond the GDT, in protected mode with an empty IDT
        try (KvmVcpu vcpu = vcpu(0x8e, 0xd8)) {
            Sregs sregs = new Sregs();
            vcpu.getSregs(sregs);
            sregs.set(Sregs.CR0, sregs.get(Sregs.CR0) | 1);
            sregs.setFlat(Sregs.CS, 0x8, Sregs.Kind.CODE_32);
            for (int segment : new int[] {Sregs.DS, Sregs.ES, Sregs.FS, Sregs.GS, Sregs.SS}) {
                sregs.setFlat(segment, 0x10, Sregs.Kind.DATA);
            }
            sregs.setTable(Sregs.GDT, 0x500, 0x17);
            sregs.setTable(Sregs.IDT, 0, 0);
            vcpu.setSregs(sregs);
            assertThat(vcpu.run()).isInstanceOf(VcpuExit.TripleFault.class);
        }
    }

    @Test
    void doorbellSignalsInsteadOfExiting() {
        // mov ax, 0xffff; mov ds, ax; mov dword [0x10], 1; mov dword [0x10], 2
        int[] code = {
            0xb8, 0xff, 0xff, 0x8e, 0xd8, //
            0x66, 0xc7, 0x06, 0x10, 0x00, 1, 0, 0, 0, //
            0x66, 0xc7, 0x06, 0x10, 0x00, 2, 0, 0, 0
        };
        try (KvmVcpu vcpu = vcpu(code);
                EventFd doorbell = new EventFd()) {
            vm.bindDoorbell(doorbell, 0x100000, 1);
            assertThat(vcpu.run())
                    .isInstanceOfSatisfying(
                            VcpuExit.Mmio.class, mmio -> assertThat(mmio.get()).isEqualTo(2));
            assertThat(doorbell.drain()).isEqualTo(1);
            vm.unbindDoorbell(doorbell, 0x100000, 1);
        }
    }

    @Test
    void anInterruptEventFdBelongsToOneBindingOnly() {
        try (KvmVcpu vcpu = vcpu(0xf4);
                EventFd interrupt = new EventFd()) {
            assertThat(vcpu.id()).isZero();
            vm.bindInterrupt(interrupt, 5);
            assertThatThrownBy(() -> vm.bindInterrupt(interrupt, 6))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EBUSY));
            vm.unbindInterrupt(interrupt, 5);
            vm.bindInterrupt(interrupt, 6);
        }
    }

    @Test
    void memoryThatIsGoneIsAMemoryFault() {
        try (KvmVcpu vcpu = vcpu(0xf4);
                Fd memfd = Memfd.create("cut", 4096);
                Mapping cut = Mapping.shared(memfd, 0, 4096)) {
            vm.setMemorySlot(1, 0x100000, cut.segment(), false);
            memfd.truncate(0);
            // mov ax, 0xffff; mov ds, ax; mov al, [0x10]
            int[] code = {0xb8, 0xff, 0xff, 0x8e, 0xd8, 0xa0, 0x10, 0x00};
            for (int i = 0; i < code.length; i++) {
                ram.segment().set(ValueLayout.JAVA_BYTE, 0x1000 + i, (byte) code[i]);
            }
            // A CPU that runs the guest itself says EFAULT; KVM's instruction emulator takes it for MMIO.
            VcpuExit exit = vcpu.run();
            if (exit instanceof VcpuExit.Mmio mmio) {
                assertThat(mmio.address()).isEqualTo(0x100000);
            } else {
                assertThat(exit).isInstanceOf(VcpuExit.MemoryFault.class);
            }
        }
    }

    @Test
    void savedStateComesBack() {
        try (KvmVcpu vcpu = vcpu(0xf4);
                Arena arena = Arena.ofConfined()) {
            MemorySegment lapic = arena.allocate(StructSizes.LAPIC, 8);
            vcpu.getLapic(lapic);
            lapic.set(ValueLayout.JAVA_INT, 0x80, 0x20); // task priority
            vcpu.setLapic(lapic);
            MemorySegment again = arena.allocate(StructSizes.LAPIC, 8);
            vcpu.getLapic(again);
            assertThat(again.get(ValueLayout.JAVA_INT, 0x80)).isEqualTo(0x20);

            MemorySegment xsave = arena.allocate(vcpu.xsaveSize(), 64);
            vcpu.getXsave(xsave);
            vcpu.setXsave(xsave);

            MemorySegment pit = arena.allocate(StructSizes.PIT_STATE2, 8);
            vm.getPit(pit);
            vm.setPit(pit);
            MemorySegment clock = arena.allocate(StructSizes.CLOCK_DATA, 8);
            vm.getClock(clock);
            MemorySegment ioapic = arena.allocate(StructSizes.IRQCHIP, 8);
            vm.getIrqchip(KvmVm.IOAPIC, ioapic);
            assertThat(ioapic.get(ValueLayout.JAVA_LONG, 8)).isEqualTo(0xfec00000L);
            vm.setIrqchip(ioapic);
        }
    }

    @Test
    void aRefusedMsrIsNamed() {
        try (KvmVcpu vcpu = vcpu(0xf4)) {
            Msrs msrs = new Msrs(Msrs.IA32_TSC, 0xdead);
            assertThatThrownBy(() -> vcpu.setMsrs(msrs)).hasMessageContaining("MSR 0xdead");
        }
    }

    @Test
    void supportedCpuidHasTheBasicLeaves() {
        Cpuid cpuid = kvm.supportedCpuid();
        assertThat(cpuid.find(0, 0)).isNotNegative();
        assertThat(cpuid.find(1, 0)).isNotNegative();
        assertThat(cpuid.find(0x40000000, 0)).isNotNegative();
        assertThat(kvm.msrIndexes()).contains(Msrs.IA32_TSC);
    }

    @Test
    void whatIsSupportedIsAskedOnceAProcess() {
        Cpuid first = kvm.supportedCpuid();
        try (Kvm other = Kvm.open()) {
            assertThat(other.supportedCpuid()).isSameAs(first);
            Cpuid asked = other.askSupportedCpuid();
            assertThat(asked).isNotSameAs(first);
            assertThat(asked.get(asked.find(0, 0), Cpuid.EBX)).isEqualTo(first.get(first.find(0, 0), Cpuid.EBX));
            assertThat(asked.size()).isEqualTo(first.size());
        }
        assertThat(kvm.supportedCpuid()).as("the other is closed").isSameAs(first);
    }
}
