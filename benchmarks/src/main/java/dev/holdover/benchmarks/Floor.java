package dev.holdover.benchmarks;

import dev.holdover.boot.FlatFirmware;
import dev.holdover.kvm.Kvm;
import dev.holdover.kvm.KvmCap;
import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.VcpuExit;
import dev.holdover.kvm.state.Cpuid;
import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.kvm.state.VmState;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.platform.MemoryMap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A guest by system calls alone, in the order in which the machine makes them: what of a restore, a save or an exit is
 * the kernel's. No devices, no threads, nothing is checked, nothing is told.
 */
final class Floor implements AutoCloseable {
    private static final long HUGE_PAGE = 2 << 20;
    private static final KvmCap[] ASKED_FIRST = {
        KvmCap.USER_MEMORY,
        KvmCap.IRQCHIP,
        KvmCap.PIT2,
        KvmCap.IRQFD,
        KvmCap.IOEVENTFD,
        KvmCap.IMMEDIATE_EXIT,
        KvmCap.MAX_VCPUS
    };
    private static final int CLOCK_FLAGS = 8;

    /** All that a restore begins with. */
    record Saved(Path ram, long size, FlatFirmware firmware, List<VcpuState> vcpus, VmState vm) {}

    private final Mapping ram;
    private final KvmVm vm;
    private final List<KvmVcpu> vcpus = new ArrayList<>();

    /** Boots a guest on RAM of a file, or of nothing if {@code file} is null, with its vCPU at the reset vector. */
    Floor(Path file, long size, FlatFirmware firmware, int cpus) {
        this(file, size, firmware, cpus, new Parts());
    }

    private Floor(Path file, long size, FlatFirmware firmware, int cpus, Parts parts) {
        try (Kvm kvm = Kvm.open()) {
            for (KvmCap cap : ASKED_FIRST) {
                kvm.check(cap);
            }
            ram = map(file, size);
            ram.tryAdvise(Mapping.MADV_DONTDUMP);
            ram.tryAdvise(Mapping.MADV_HUGEPAGE);
            parts.done("open");
            vm = kvm.createVm();
            setMemorySlots(firmware, kvm.has(KvmCap.READONLY_MEM));
            if (kvm.has(KvmCap.SET_IDENTITY_MAP_ADDR)) {
                vm.setIdentityMapAddress(MemoryMap.KVM_IDENTITY_MAP);
            }
            if (kvm.has(KvmCap.SET_TSS_ADDR)) {
                vm.setTssAddress(MemoryMap.KVM_TSS);
            }
            parts.done("memslots");
            vm.createIrqchip();
            vm.createPit();
            parts.done("irqchip");
            Cpuid supported = kvm.askSupportedCpuid();
            for (int i = 0; i < cpus; i++) {
                KvmVcpu vcpu = vm.createVcpu(i);
                vcpus.add(vcpu);
                vcpu.setCpuid(supported);
                vcpu.setMsrs(new Msrs(Msrs.IA32_MISC_ENABLE));
            }
            parts.done("vcpus");
        }
    }

    private static Mapping map(Path file, long size) {
        if (file == null) {
            return Mapping.anonymous(size, HUGE_PAGE);
        }
        try (Fd fd = Fd.open(file.toString(), Fd.O_RDWR)) {
            return Mapping.file(fd, 0, size, HUGE_PAGE, true, true);
        }
    }

    /** As the machine lays RAM and firmware out. */
    private void setMemorySlots(FlatFirmware firmware, boolean readOnly) {
        MemorySegment all = ram.segment();
        long low = Math.min(all.byteSize(), firmware.isaGpa());
        vm.setMemorySlot(0, 0, all.asSlice(0, low), false);
        int slot = 1;
        if (all.byteSize() > MemoryMap.HIGH_MEMORY) {
            long end = Math.min(all.byteSize(), MemoryMap.LOW_RAM_END);
            MemorySegment middle = all.asSlice(MemoryMap.HIGH_MEMORY, end - MemoryMap.HIGH_MEMORY);
            vm.setMemorySlot(slot++, MemoryMap.HIGH_MEMORY, middle, false);
        }
        if (all.byteSize() > MemoryMap.LOW_RAM_END) {
            vm.setMemorySlot(slot++, MemoryMap.HIGH_RAM, all.asSlice(MemoryMap.LOW_RAM_END), false);
        }
        vm.setMemorySlot(slot++, firmware.isaGpa(), firmware.isaRom(), readOnly);
        vm.setMemorySlot(slot, firmware.gpa(), firmware.rom(), readOnly);
    }

    KvmVm vm() {
        return vm;
    }

    KvmVcpu vcpu() {
        return vcpus.getFirst();
    }

    /** Lets vCPU 0 run to its next access that the kernel does not answer. */
    VcpuExit runToExit() {
        VcpuExit exit;
        do {
            exit = vcpu().run();
        } while (exit instanceof VcpuExit.Interrupted);
        if (!(exit instanceof VcpuExit.Io) && !(exit instanceof VcpuExit.Mmio)) {
            throw new IllegalStateException("the guest has ended: " + exit);
        }
        return exit;
    }

    /** Room for what {@link #save} reads; what it leaves out no restore sets. */
    Saved room(Path file, FlatFirmware firmware) {
        int[] msrs = keptMsrs();
        List<VcpuState> states = new ArrayList<>();
        for (KvmVcpu vcpu : vcpus) {
            states.add(new VcpuState(vcpu.xsaveSize(), msrs));
        }
        return new Saved(file, ram.segment().byteSize(), firmware, states, new VmState());
    }

    private int[] keptMsrs() {
        int[] listed;
        try (Kvm kvm = Kvm.open()) {
            listed = kvm.msrIndexes();
        }
        int[] kept = new int[Msrs.MAX];
        int count = 0;
        kept[count++] = Msrs.IA32_TSC;
        for (int index : listed) {
            Msrs one = new Msrs(index);
            boolean later = index == Msrs.IA32_TSC || index == Msrs.IA32_TSC_DEADLINE;
            if (!later && count < Msrs.MAX - 1 && vcpu().tryGetMsrs(one) == 1 && vcpu().trySetMsrs(one) == 1) {
                kept[count++] = index;
            }
        }
        kept[count++] = Msrs.IA32_TSC_DEADLINE;
        return Arrays.copyOf(kept, count);
    }

    /** Completes vCPU 0's last access. */
    void settle() {
        vcpu().armImmediateExit();
        while (!(vcpu().run() instanceof VcpuExit.Interrupted)) {
            // an access in several pieces
        }
        vcpu().clearKick();
    }

    /** Reads all of a guest's state. */
    void save(Saved to) {
        vm.getClock(to.vm().clock());
        for (int i = 0; i < vcpus.size(); i++) {
            KvmVcpu vcpu = vcpus.get(i);
            VcpuState state = to.vcpus().get(i);
            vcpu.getMpState(state.mpState());
            vcpu.getRegs(state.regs());
            vcpu.getSregs2(state.sregs());
            vcpu.getXsave(state.xsave());
            vcpu.getXcrs(state.xcrs());
            vcpu.getDebugRegs(state.debugRegs());
            vcpu.getLapic(state.lapic());
            vcpu.getMsrs(state.msrs());
            state.setTscOffset(vcpu.hasTscOffset() ? vcpu.getTscOffset() : 0);
            vcpu.getEvents(state.events());
        }
        vm.getPit(to.vm().pit());
        vm.getIrqchip(KvmVm.PIC_MASTER, to.vm().picMaster());
        vm.getIrqchip(KvmVm.PIC_SLAVE, to.vm().picSlave());
        vm.getIrqchip(KvmVm.IOAPIC, to.vm().ioapic());
    }

    /** Takes a guest up again: parked, the next {@link #runToExit} lets it go on. */
    static Floor restore(Saved from, Parts parts) {
        Floor floor =
                new Floor(from.ram(), from.size(), from.firmware(), from.vcpus().size(), parts);
        for (int i = 0; i < floor.vcpus.size(); i++) {
            KvmVcpu vcpu = floor.vcpus.get(i);
            VcpuState state = from.vcpus().get(i);
            vcpu.setMpState(state.mpState());
            vcpu.setRegs(state.regs());
            vcpu.setSregs2(state.sregs());
            vcpu.setXsave(state.xsave());
            vcpu.setXcrs(state.xcrs());
            vcpu.setDebugRegs(state.debugRegs());
            vcpu.setLapic(state.lapic());
            vcpu.setMsrs(state.msrs());
            vcpu.setEvents(state.events());
        }
        floor.alignTscs();
        floor.vm.setPit(from.vm().pit());
        floor.vm.setIrqchip(from.vm().picMaster());
        floor.vm.setIrqchip(from.vm().picSlave());
        floor.vm.setIrqchip(from.vm().ioapic());
        from.vm().clock().set(ValueLayout.JAVA_INT, CLOCK_FLAGS, 0);
        floor.vm.setClock(from.vm().clock());
        for (KvmVcpu vcpu : floor.vcpus) {
            vcpu.notePaused();
        }
        parts.done("state");
        return floor;
    }

    private void alignTscs() {
        if (!vcpu().hasTscOffset()) {
            return;
        }
        long offset = vcpu().getTscOffset();
        for (int i = 1; i < vcpus.size(); i++) {
            vcpus.get(i).setTscOffset(offset);
        }
    }

    /** An image in native memory, as firmware. */
    static FlatFirmware firmware(Rom rom) {
        try (Arena arena = Arena.ofConfined()) {
            return FlatFirmware.of(arena.allocateFrom(ValueLayout.JAVA_BYTE, rom.image()));
        }
    }

    @Override
    public void close() {
        for (KvmVcpu vcpu : vcpus) {
            vcpu.close();
        }
        vm.close();
        ram.close();
    }
}
