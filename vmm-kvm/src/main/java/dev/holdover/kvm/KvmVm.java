package dev.holdover.kvm;

import dev.holdover.kvm.state.StructSizes;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** A VM fd. Any thread; KVM serialises. Closed after all its vCPUs, which keep the VM alive. */
public final class KvmVm implements AutoCloseable {
    /** The irqchips of {@code struct kvm_irqchip}. */
    public static final int PIC_MASTER = 0;

    public static final int PIC_SLAVE = 1;
    public static final int IOAPIC = 2;

    /** GSIs below are inputs of the interrupt controllers. */
    public static final int FIRST_MSI_GSI = 24;

    /** KVM_MAX_IRQ_ROUTES of the kernel: neither a GSI nor the number of routes reaches it. */
    public static final int MAX_GSIS = 4096;

    private static final int PIC_PINS = 8;
    private static final int LEGACY_GSIS = 2 * PIC_PINS;
    /** Routes of the controllers' inputs: those of the IOAPIC, and the PICs' once more. */
    private static final int PIN_ROUTES = FIRST_MSI_GSI + LEGACY_GSIS;

    /** How many GSIs can be messages at a time. */
    public static final int MAX_MSI_ROUTES = MAX_GSIS - PIN_ROUTES;

    private static final int ROUTE_SIZE = 48;
    private static final int KVM_IRQ_ROUTING_IRQCHIP = 1;
    private static final int KVM_IRQ_ROUTING_MSI = 2;
    private static final int KVM_MEM_READONLY = 1 << 1;
    private static final int KVM_PIT_SPEAKER_DUMMY = 1;
    private static final int KVM_IRQFD_FLAG_DEASSIGN = 1;
    private static final int KVM_IRQFD_FLAG_RESAMPLE = 1 << 1;
    private static final int KVM_IOEVENTFD_FLAG_DATAMATCH = 1;
    private static final int KVM_IOEVENTFD_FLAG_DEASSIGN = 1 << 2;

    private final Fd fd;
    private final int vcpuMappingSize;

    KvmVm(Fd fd, int vcpuMappingSize) {
        this.fd = fd;
        this.vcpuMappingSize = vcpuMappingSize;
    }

    /** KVM_CHECK_EXTENSION on the VM, where some capabilities (XSAVE2) tell more than on /dev/kvm. */
    public int check(KvmCap cap) {
        return (int) fd.ioctl("ioctl KVM_CHECK_EXTENSION", KvmIoctl.KVM_CHECK_EXTENSION, cap.number());
    }

    /** KVM_SET_TSS_ADDR: three unused pages below 4 GiB, for Intel hosts. Before the vCPUs. */
    public void setTssAddress(long gpa) {
        fd.ioctl("ioctl KVM_SET_TSS_ADDR", KvmIoctl.KVM_SET_TSS_ADDR, gpa);
    }

    /** KVM_SET_IDENTITY_MAP_ADDR: one unused page below 4 GiB, for Intel hosts. Before the vCPUs. */
    public void setIdentityMapAddress(long gpa) {
        try (Arena arena = Arena.ofConfined()) {
            fd.ioctl(
                    "ioctl KVM_SET_IDENTITY_MAP_ADDR",
                    KvmIoctl.KVM_SET_IDENTITY_MAP_ADDR,
                    arena.allocateFrom(ValueLayout.JAVA_LONG, gpa));
        }
    }

    /**
     * KVM_SET_USER_MEMORY_REGION: makes memory of this process appear as guest RAM or ROM; size 0 takes a slot away.
     * Addresses and size are multiples of the page size. The memory stays mapped while the slot is there. Costs
     * milliseconds once there is an irqchip or an ioeventfd. EEXIST if it overlaps another slot, ENOMEM.
     */
    public void setMemorySlot(int slot, long gpa, MemorySegment memory, boolean readOnly) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment region = arena.allocate(32, 8);
            region.set(ValueLayout.JAVA_INT, 0, slot);
            region.set(ValueLayout.JAVA_INT, 4, readOnly ? KVM_MEM_READONLY : 0);
            region.set(ValueLayout.JAVA_LONG, 8, gpa);
            region.set(ValueLayout.JAVA_LONG, 16, memory.byteSize());
            region.set(ValueLayout.JAVA_LONG, 24, memory.address());
            fd.ioctl(
                    "ioctl KVM_SET_USER_MEMORY_REGION slot " + slot + " at 0x" + Long.toHexString(gpa),
                    KvmIoctl.KVM_SET_USER_MEMORY_REGION,
                    region);
        }
    }

    /** KVM_SET_USER_MEMORY_REGION with size 0: nothing is in that slot any more. Costs what setting it does. */
    public void removeMemorySlot(int slot) {
        setMemorySlot(slot, 0, MemorySegment.NULL, false);
    }

    /** KVM_CREATE_IRQCHIP: PICs, IOAPIC and, in each later vCPU, a LAPIC. Before the vCPUs. */
    public void createIrqchip() {
        fd.ioctl("ioctl KVM_CREATE_IRQCHIP", KvmIoctl.KVM_CREATE_IRQCHIP, 0);
    }

    /** KVM_CREATE_PIT2: the timer chip, with port 0x61 answered in the kernel too. After the irqchip. */
    public void createPit() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment config = arena.allocate(64, 8);
            config.set(ValueLayout.JAVA_INT, 0, KVM_PIT_SPEAKER_DUMMY);
            fd.ioctl("ioctl KVM_CREATE_PIT2", KvmIoctl.KVM_CREATE_PIT2, config);
        }
    }

    /** KVM_CREATE_VCPU; {@code id} is its APIC id. EEXIST, EINVAL above KVM_CAP_MAX_VCPUS. */
    public KvmVcpu createVcpu(int id) {
        int number = (int) fd.ioctl("ioctl KVM_CREATE_VCPU " + id, KvmIoctl.KVM_CREATE_VCPU, id);
        Fd vcpu = Fd.adopt(number, "vCPU " + id);
        try {
            return new KvmVcpu(id, vcpu, Mapping.shared(vcpu, 0, vcpuMappingSize), check(KvmCap.XSAVE2));
        } catch (RuntimeException e) {
            vcpu.close();
            throw e;
        }
    }

    /** KVM_IRQ_LINE: sets an input of the in-kernel interrupt controllers. Any thread; does not block. */
    public void setInterruptLine(int gsi, boolean high) {
        // struct kvm_irq_level: irq@0, level@4
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment level = arena.allocate(8, 8);
            level.set(ValueLayout.JAVA_INT, 0, gsi);
            level.set(ValueLayout.JAVA_INT, 4, high ? 1 : 0);
            fd.ioctl("ioctl KVM_IRQ_LINE", KvmIoctl.KVM_IRQ_LINE, level);
        }
    }

    /** KVM_IRQFD: each signal of the eventfd is an edge on that GSI. EBUSY if it is bound already, in any VM. */
    public void bindInterrupt(EventFd eventFd, int gsi) {
        irqfd(eventFd, gsi, 0);
    }

    /** KVM_IRQFD, deassign: afterwards another VM may bind the eventfd. */
    public void unbindInterrupt(EventFd eventFd, int gsi) {
        irqfd(eventFd, gsi, KVM_IRQFD_FLAG_DEASSIGN);
    }

    /**
     * KVM_IRQFD with KVM_IRQFD_FLAG_RESAMPLE: a level-triggered interrupt. A signal of the eventfd raises the GSI; when the
     * guest has acknowledged it (EOI), KVM lowers it and signals {@code resample}, whose reader signals again if the device
     * still wants something. Several may share a GSI. EBUSY as for edges; EINVAL without an in-kernel IOAPIC.
     */
    public void bindInterrupt(EventFd eventFd, EventFd resample, int gsi) {
        irqfd(eventFd, gsi, KVM_IRQFD_FLAG_RESAMPLE, resample.fd().number());
    }

    private void irqfd(EventFd eventFd, int gsi, int flags) {
        irqfd(eventFd, gsi, flags, 0);
    }

    private void irqfd(EventFd eventFd, int gsi, int flags, int resample) {
        // struct kvm_irqfd: fd@0, gsi@4, flags@8, resamplefd@12
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment irqfd = arena.allocate(32, 8);
            irqfd.set(ValueLayout.JAVA_INT, 0, eventFd.fd().number());
            irqfd.set(ValueLayout.JAVA_INT, 4, gsi);
            irqfd.set(ValueLayout.JAVA_INT, 8, flags);
            irqfd.set(ValueLayout.JAVA_INT, 12, resample);
            fd.ioctl("ioctl KVM_IRQFD gsi " + gsi, KvmIoctl.KVM_IRQFD, irqfd);
        }
    }

    /**
     * KVM_SET_GSI_ROUTING: which message each of these GSIs sends, in place of all messages set before. GSIs below {@value
     * #FIRST_MSI_GSI} stay what KVM_CREATE_IRQCHIP made them: GSI n is pin n of the IOAPIC and, up to 15, of the PICs.
     * After the irqchip; 0.05 ms. Eventfds bound to a GSI follow at once. A GSI without a route drops what it is sent.
     *
     * @throws IllegalArgumentException if a GSI is none for messages
     */
    public void setMsiRoutes(List<MsiRoute> routes) {
        if (routes.size() > MAX_MSI_ROUTES) {
            throw new IllegalArgumentException(routes.size() + " routes");
        }
        try (Arena arena = Arena.ofConfined()) {
            // struct kvm_irq_routing: nr@0, flags@4, entries@8
            MemorySegment table = arena.allocate(8 + (long) (PIN_ROUTES + routes.size()) * ROUTE_SIZE, 8);
            table.set(ValueLayout.JAVA_INT, 0, PIN_ROUTES + routes.size());
            long at = 8;
            // As default_routing of the kernel's arch/x86/kvm has it: the new table takes the whole old one's place.
            for (int gsi = 0; gsi < FIRST_MSI_GSI; gsi++) {
                at = addPin(table, at, gsi, IOAPIC, gsi);
                if (gsi < LEGACY_GSIS) {
                    at = addPin(table, at, gsi, gsi < PIC_PINS ? PIC_MASTER : PIC_SLAVE, gsi % PIC_PINS);
                }
            }
            for (MsiRoute route : routes) {
                if (route.gsi() < FIRST_MSI_GSI || route.gsi() >= MAX_GSIS) {
                    throw new IllegalArgumentException("GSI " + route.gsi());
                }
                // struct kvm_irq_routing_entry: gsi@0, type@4, flags@8, msi: address_lo@16, address_hi@20, data@24
                table.set(ValueLayout.JAVA_INT, at, route.gsi());
                table.set(ValueLayout.JAVA_INT, at + 4, KVM_IRQ_ROUTING_MSI);
                table.set(ValueLayout.JAVA_LONG, at + 16, route.address());
                table.set(ValueLayout.JAVA_INT, at + 24, route.data());
                at += ROUTE_SIZE;
            }
            fd.ioctl("ioctl KVM_SET_GSI_ROUTING", KvmIoctl.KVM_SET_GSI_ROUTING, table);
        }
    }

    private static long addPin(MemorySegment table, long at, int gsi, int chip, int pin) {
        // irqchip: irqchip@16, pin@20
        table.set(ValueLayout.JAVA_INT, at, gsi);
        table.set(ValueLayout.JAVA_INT, at + 4, KVM_IRQ_ROUTING_IRQCHIP);
        table.set(ValueLayout.JAVA_INT, at + 16, chip);
        table.set(ValueLayout.JAVA_INT, at + 20, pin);
        return at + ROUTE_SIZE;
    }

    /**
     * KVM_SIGNAL_MSI: sends one message, as a device's write would. Any thread; does not block.
     *
     * @return whether an APIC took it; a guest may well name one that is not there or switched off
     */
    public boolean signalMsi(long address, int data) {
        // struct kvm_msi: address_lo@0, address_hi@4, data@8
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment msi = arena.allocate(32, 8);
            msi.set(ValueLayout.JAVA_LONG, 0, address);
            msi.set(ValueLayout.JAVA_INT, 8, data);
            // EPERM, as -1 from the delivery, says that there was no such APIC.
            return fd.tryIoctl(KvmIoctl.KVM_SIGNAL_MSI, msi.address()) > 0;
        }
    }

    /**
     * KVM_IOEVENTFD: a 4-byte write of {@code value} to that MMIO address signals the eventfd instead of leaving KVM_RUN.
     * After the memslots. EEXIST, ENOSPC.
     */
    public void bindDoorbell(EventFd eventFd, long gpa, int value) {
        ioeventfd(eventFd, gpa, 4, value, KVM_IOEVENTFD_FLAG_DATAMATCH);
    }

    /** KVM_IOEVENTFD, deassign. */
    public void unbindDoorbell(EventFd eventFd, long gpa, int value) {
        ioeventfd(eventFd, gpa, 4, value, KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN);
    }

    /** KVM_IOEVENTFD: the same of any 2-byte write to that address. */
    public void bindShortDoorbell(EventFd eventFd, long gpa) {
        ioeventfd(eventFd, gpa, 2, 0, 0);
    }

    /** KVM_IOEVENTFD, deassign. */
    public void unbindShortDoorbell(EventFd eventFd, long gpa) {
        ioeventfd(eventFd, gpa, 2, 0, KVM_IOEVENTFD_FLAG_DEASSIGN);
    }

    private void ioeventfd(EventFd eventFd, long gpa, int width, int value, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment ioeventfd = arena.allocate(64, 8);
            ioeventfd.set(ValueLayout.JAVA_LONG, 0, Integer.toUnsignedLong(value));
            ioeventfd.set(ValueLayout.JAVA_LONG, 8, gpa);
            ioeventfd.set(ValueLayout.JAVA_INT, 16, width);
            ioeventfd.set(ValueLayout.JAVA_INT, 20, eventFd.fd().number());
            ioeventfd.set(ValueLayout.JAVA_INT, 24, flags);
            fd.ioctl("ioctl KVM_IOEVENTFD 0x" + Long.toHexString(gpa), KvmIoctl.KVM_IOEVENTFD, ioeventfd);
        }
    }

    /** KVM_GET_IRQCHIP into {@value StructSizes#IRQCHIP} bytes. */
    public void getIrqchip(int chip, MemorySegment to) {
        to.set(ValueLayout.JAVA_INT, 0, chip);
        fd.ioctl("ioctl KVM_GET_IRQCHIP", KvmIoctl.KVM_GET_IRQCHIP, to);
    }

    /** KVM_SET_IRQCHIP; the struct names the chip. */
    public void setIrqchip(MemorySegment from) {
        fd.ioctl("ioctl KVM_SET_IRQCHIP", KvmIoctl.KVM_SET_IRQCHIP, from);
    }

    /** KVM_GET_PIT2 into {@value StructSizes#PIT_STATE2} bytes. */
    public void getPit(MemorySegment to) {
        fd.ioctl("ioctl KVM_GET_PIT2", KvmIoctl.KVM_GET_PIT2, to);
    }

    /** KVM_SET_PIT2. */
    public void setPit(MemorySegment from) {
        fd.ioctl("ioctl KVM_SET_PIT2", KvmIoctl.KVM_SET_PIT2, from);
    }

    /** KVM_GET_CLOCK into {@value StructSizes#CLOCK_DATA} bytes: clock@0 flags@8 realtime@16 host_tsc@24. */
    public void getClock(MemorySegment to) {
        fd.ioctl("ioctl KVM_GET_CLOCK", KvmIoctl.KVM_GET_CLOCK, to);
    }

    /** KVM_SET_CLOCK. */
    public void setClock(MemorySegment from) {
        fd.ioctl("ioctl KVM_SET_CLOCK", KvmIoctl.KVM_SET_CLOCK, from);
    }

    @Override
    public void close() {
        fd.close();
    }
}
