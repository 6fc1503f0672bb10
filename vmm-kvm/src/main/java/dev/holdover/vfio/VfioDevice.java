package dev.holdover.vfio;

import static dev.holdover.vfio.VfioIoctl.ATTACH_PT;
import static dev.holdover.vfio.VfioIoctl.ATTACH_SIZE;
import static dev.holdover.vfio.VfioIoctl.BIND_IOMMUFD;
import static dev.holdover.vfio.VfioIoctl.BIND_OUT_DEVICE;
import static dev.holdover.vfio.VfioIoctl.BIND_SIZE;
import static dev.holdover.vfio.VfioIoctl.DEPENDENT_BUS;
import static dev.holdover.vfio.VfioIoctl.DEPENDENT_DEVFN;
import static dev.holdover.vfio.VfioIoctl.DEPENDENT_SEGMENT;
import static dev.holdover.vfio.VfioIoctl.DEPENDENT_SIZE;
import static dev.holdover.vfio.VfioIoctl.DETACH_SIZE;
import static dev.holdover.vfio.VfioIoctl.FEATURE_FLAGS;
import static dev.holdover.vfio.VfioIoctl.HOT_RESET_INFO_COUNT;
import static dev.holdover.vfio.VfioIoctl.HOT_RESET_INFO_FLAGS;
import static dev.holdover.vfio.VfioIoctl.HOT_RESET_INFO_SIZE;
import static dev.holdover.vfio.VfioIoctl.HOT_RESET_SIZE;
import static dev.holdover.vfio.VfioIoctl.INFO_FLAGS;
import static dev.holdover.vfio.VfioIoctl.INFO_IRQS;
import static dev.holdover.vfio.VfioIoctl.INFO_REGIONS;
import static dev.holdover.vfio.VfioIoctl.INFO_SIZE;
import static dev.holdover.vfio.VfioIoctl.IRQ_INFO_COUNT;
import static dev.holdover.vfio.VfioIoctl.IRQ_INFO_FLAGS;
import static dev.holdover.vfio.VfioIoctl.IRQ_INFO_INDEX;
import static dev.holdover.vfio.VfioIoctl.IRQ_INFO_SIZE;
import static dev.holdover.vfio.VfioIoctl.IRQ_SET_COUNT;
import static dev.holdover.vfio.VfioIoctl.IRQ_SET_FLAGS;
import static dev.holdover.vfio.VfioIoctl.IRQ_SET_INDEX;
import static dev.holdover.vfio.VfioIoctl.IRQ_SET_SIZE;
import static dev.holdover.vfio.VfioIoctl.IRQ_SET_START;
import static dev.holdover.vfio.VfioIoctl.MIGRATION_FLAGS;
import static dev.holdover.vfio.VfioIoctl.MIGRATION_SIZE;
import static dev.holdover.vfio.VfioIoctl.REGION_INDEX;
import static dev.holdover.vfio.VfioIoctl.REGION_SIZE;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_ATTACH_IOMMUFD_PT;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_BIND_IOMMUFD;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_DETACH_IOMMUFD_PT;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_FEATURE;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_FEATURE_GET;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_FEATURE_MIGRATION;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_FLAGS_PCI;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_FLAGS_RESET;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_GET_INFO;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_GET_IRQ_INFO;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_GET_REGION_INFO;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_PCI_HOT_RESET;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_RESET;
import static dev.holdover.vfio.VfioIoctl.VFIO_DEVICE_SET_IRQS;
import static dev.holdover.vfio.VfioIoctl.VFIO_IRQ_INFO_AUTOMASKED;
import static dev.holdover.vfio.VfioIoctl.VFIO_IRQ_INFO_EVENTFD;
import static dev.holdover.vfio.VfioIoctl.VFIO_IRQ_INFO_MASKABLE;
import static dev.holdover.vfio.VfioIoctl.VFIO_IRQ_INFO_NORESIZE;
import static dev.holdover.vfio.VfioIoctl.VFIO_IRQ_SET_ACTION_MASK;
import static dev.holdover.vfio.VfioIoctl.VFIO_IRQ_SET_ACTION_TRIGGER;
import static dev.holdover.vfio.VfioIoctl.VFIO_IRQ_SET_ACTION_UNMASK;
import static dev.holdover.vfio.VfioIoctl.VFIO_IRQ_SET_DATA_EVENTFD;
import static dev.holdover.vfio.VfioIoctl.VFIO_IRQ_SET_DATA_NONE;
import static dev.holdover.vfio.VfioIoctl.VFIO_PCI_DEVID_NOT_OWNED;
import static dev.holdover.vfio.VfioIoctl.VFIO_PCI_HOT_RESET_FLAG_DEV_ID;
import static dev.holdover.vfio.VfioIoctl.VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.VmmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * A device that VFIO drives, by its character device (Linux 6.6, CONFIG_VFIO_DEVICE_CDEV). Any thread; the kernel
 * serialises. Everything but {@link #bind} is EINVAL before it.
 */
public final class VfioDevice implements AutoCloseable {
    // Regions and interrupts of PCI devices, by their indexes in vfio.h. BAR n has the index n.
    public static final int ROM_REGION = 6;
    public static final int CONFIG_REGION = 7;
    public static final int VGA_REGION = 8;

    public static final int INTX = 0;
    public static final int MSI = 1;
    public static final int MSIX = 2;
    public static final int ERROR = 3;
    /** Signalled when the host wants the device back. */
    public static final int REQUEST = 4;

    // What migrationFlags() tells.
    public static final int VFIO_MIGRATION_STOP_COPY = 1;
    public static final int VFIO_MIGRATION_P2P = 1 << 1;
    public static final int VFIO_MIGRATION_PRE_COPY = 1 << 2;

    private static final int MAX_REGION_INFO = 1 << 16;
    /** The most vectors MSI-X has. */
    private static final int MAX_INTERRUPTS = 2048;

    private static final int FEW_DEVICES = 32;
    private static final int MAX_DEVICES = 4096;

    private final Fd fd;

    private VfioDevice(Fd fd) {
        this.fd = fd;
    }

    /** Opens /dev/vfio/devices/vfioN. */
    public static VfioDevice open(String path) {
        try {
            return new VfioDevice(Fd.open(path, Fd.O_RDWR));
        } catch (ErrnoException e) {
            String why = switch (e.errno()) {
                case ENOENT, ENXIO ->
                    "no device has that number: bind one to vfio-pci, and see its vfio-dev directory in sysfs; a kernel"
                            + " without CONFIG_VFIO_DEVICE_CDEV makes no such files";
                case EACCES, EPERM -> "run as root, or give your user read and write access to it (a udev rule)";
                case ENODEV -> "the device is being taken from vfio-pci";
                case EBUSY -> "another process has it";
                default -> "see the kernel's log";
            };
            throw new VmmException("cannot open VFIO device: " + e.getMessage() + ": " + why, e);
        }
    }

    /** Takes over a device's descriptor that was opened elsewhere; {@code name} says in errors which device it is. */
    public static VfioDevice adopt(Fd fd, String name) {
        return new VfioDevice(fd.renamed(name));
    }

    /** To pass on; stays this object's. */
    public Fd fd() {
        return fd;
    }

    /**
     * VFIO_DEVICE_BIND_IOMMUFD: ties the descriptor to an iommufd for good, wakes the device and resets it; returns its id
     * there. May block for a second.
     *
     * @throws VmmException EPERM: no interrupt remapping. EBUSY: another driver has a device of the same group, or a
     *     process has it by the group's file. EINVAL: bound before, by this descriptor or another. EBADFD, EBADF: no
     *     iommufd
     */
    public int bind(Iommufd iommufd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = SizedStruct.allocate(arena, BIND_SIZE);
            struct.set(ValueLayout.JAVA_INT, BIND_IOMMUFD, iommufd.fd().number());
            ioctl("BIND_IOMMUFD", VFIO_DEVICE_BIND_IOMMUFD, struct);
            return struct.get(ValueLayout.JAVA_INT, BIND_OUT_DEVICE);
        } catch (ErrnoException e) {
            String why = switch (e.errno()) {
                case EPERM ->
                    "the host's IOMMU does not remap interrupts, so that a guest could forge any of them; enable"
                            + " that in its firmware, or accept it: modprobe iommufd allow_unsafe_interrupts=1, or"
                            + " iommufd.allow_unsafe_interrupts=1 on its kernel's command line";
                case EBUSY, EINVAL ->
                    "another process has it, or a device of the same IOMMU group is bound to a driver of the host";
                case ENODEV -> "it is behind no IOMMU, or is being taken from vfio-pci";
                default -> "see the kernel's log";
            };
            throw new VmmException("cannot take the device: " + e.getMessage() + ": " + why, e);
        }
    }

    /**
     * VFIO_DEVICE_ATTACH_IOMMUFD_PT: lets the device reach what is mapped in an address space or page table, in place of
     * one attached before. With the first attachment all that is mapped there gets pinned: may block for seconds.
     *
     * @return the page table's id, one made for the address space if that was given
     * @throws VmmException EINVAL: something is mapped where the device's IOMMU reserves addresses, or the table does not
     *     fit. ENOMEM: as {@link Iommufd#mapFile}. EBUSY: it is being reset. ENOENT: no such id
     */
    public int attach(int ioasOrHwpt) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = SizedStruct.allocate(arena, ATTACH_SIZE);
            struct.set(ValueLayout.JAVA_INT, ATTACH_PT, ioasOrHwpt);
            ioctl("ATTACH_IOMMUFD_PT", VFIO_DEVICE_ATTACH_IOMMUFD_PT, struct);
            return struct.get(ValueLayout.JAVA_INT, ATTACH_PT);
        } catch (ErrnoException e) {
            String why = switch (e.errno()) {
                case EINVAL -> "its IOMMU reserves addresses where guest RAM is mapped, or cannot reach all of it";
                case ENOMEM ->
                    "the host is out of memory, or RLIMIT_MEMLOCK is lower than guest RAM: ulimit -l unlimited,"
                            + " LimitMEMLOCK=infinity in a unit, or CAP_IPC_LOCK";
                case EBUSY -> "it is being reset; try again";
                default -> "see the kernel's log";
            };
            throw new VmmException("cannot let the device reach guest RAM: " + e.getMessage() + ": " + why, e);
        }
    }

    /** VFIO_DEVICE_DETACH_IOMMUFD_PT: from now on the device reaches no memory. */
    public void detach() {
        try (Arena arena = Arena.ofConfined()) {
            ioctl("DETACH_IOMMUFD_PT", VFIO_DEVICE_DETACH_IOMMUFD_PT, SizedStruct.allocate(arena, DETACH_SIZE));
        }
    }

    /** VFIO_DEVICE_GET_INFO. */
    public VfioInfo info() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = SizedStruct.allocate(arena, INFO_SIZE);
            ioctl("GET_INFO", VFIO_DEVICE_GET_INFO, struct);
            int flags = struct.get(ValueLayout.JAVA_INT, INFO_FLAGS);
            return new VfioInfo(
                    (flags & VFIO_DEVICE_FLAGS_PCI) != 0,
                    (flags & VFIO_DEVICE_FLAGS_RESET) != 0,
                    struct.get(ValueLayout.JAVA_INT, INFO_REGIONS),
                    struct.get(ValueLayout.JAVA_INT, INFO_IRQS));
        }
    }

    /** VFIO_DEVICE_GET_REGION_INFO. EINVAL if there is no such index. */
    public VfioRegion region(int index) {
        for (int size = REGION_SIZE; ; ) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment struct = SizedStruct.allocate(arena, size);
                struct.set(ValueLayout.JAVA_INT, REGION_INDEX, index);
                ioctl("GET_REGION_INFO " + index, VFIO_DEVICE_GET_REGION_INFO, struct);
                int wanted = struct.get(ValueLayout.JAVA_INT, 0);
                if (wanted <= size || wanted > MAX_REGION_INFO) {
                    return VfioRegion.parse(struct);
                }
                size = wanted;
            }
        }
    }

    /** VFIO_DEVICE_GET_IRQ_INFO. EINVAL if there is no such index. */
    public VfioIrqs irqs(int index) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = SizedStruct.allocate(arena, IRQ_INFO_SIZE);
            struct.set(ValueLayout.JAVA_INT, IRQ_INFO_INDEX, index);
            ioctl("GET_IRQ_INFO " + index, VFIO_DEVICE_GET_IRQ_INFO, struct);
            int flags = struct.get(ValueLayout.JAVA_INT, IRQ_INFO_FLAGS);
            return new VfioIrqs(
                    index,
                    (flags & VFIO_IRQ_INFO_EVENTFD) != 0,
                    (flags & VFIO_IRQ_INFO_MASKABLE) != 0,
                    (flags & VFIO_IRQ_INFO_AUTOMASKED) != 0,
                    (flags & VFIO_IRQ_INFO_NORESIZE) != 0,
                    struct.get(ValueLayout.JAVA_INT, IRQ_INFO_COUNT));
        }
    }

    /**
     * VFIO_DEVICE_SET_IRQS: interrupts {@code start} and following signal these eventfds from now on, in place of those
     * before; a null takes one back. The first of an index enables that index (and programs the device's MSI or MSI-X),
     * and a device has one of INTx, MSI and MSI-X enabled at a time: EINVAL while another is. EBUSY, ENOSPC if the host
     * has too few vectors.
     */
    public void setInterrupts(int index, int start, EventFd... eventFds) {
        if (eventFds.length == 0 || eventFds.length > MAX_INTERRUPTS) {
            throw new IllegalArgumentException(eventFds.length + " eventfds");
        }
        try (Arena arena = Arena.ofConfined()) {
            int flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
            MemorySegment struct = irqSet(arena, flags, index, start, eventFds.length, Integer.BYTES);
            for (int i = 0; i < eventFds.length; i++) {
                int number = eventFds[i] == null ? -1 : eventFds[i].fd().number();
                struct.set(ValueLayout.JAVA_INT, IRQ_SET_SIZE + (long) i * Integer.BYTES, number);
            }
            setIrqs(index, struct);
        }
    }

    /** VFIO_DEVICE_SET_IRQS: takes all eventfds of an index back and disables it. EINVAL if it is not enabled. */
    public void disableInterrupts(int index) {
        setIrqs(index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0);
    }

    /**
     * VFIO_DEVICE_SET_IRQS: each signal of the eventfd unmasks the interrupt 0 of that index (INTx, which masks itself as it
     * is signalled); null takes it back. KVM's resample eventfd fits. After {@link #setInterrupts} of that index.
     */
    public void setUnmask(int index, EventFd eventFd) {
        try (Arena arena = Arena.ofConfined()) {
            int flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK;
            MemorySegment struct = irqSet(arena, flags, index, 0, 1, Integer.BYTES);
            struct.set(
                    ValueLayout.JAVA_INT,
                    IRQ_SET_SIZE,
                    eventFd == null ? -1 : eventFd.fd().number());
            setIrqs(index, struct);
        }
    }

    /** VFIO_DEVICE_SET_IRQS: masks the interrupt 0 of an index. ENOTTY if it is not maskable. */
    public void maskInterrupt(int index) {
        setIrqs(index, VFIO_IRQ_SET_ACTION_MASK, 0, 1);
    }

    /** VFIO_DEVICE_SET_IRQS: unmasks the interrupt 0 of an index; one that is still pending is signalled at once. */
    public void unmaskInterrupt(int index) {
        setIrqs(index, VFIO_IRQ_SET_ACTION_UNMASK, 0, 1);
    }

    /** VFIO_DEVICE_SET_IRQS: signals the eventfds of some interrupts as the device itself would. */
    public void trigger(int index, int start, int count) {
        setIrqs(index, VFIO_IRQ_SET_ACTION_TRIGGER, start, count);
    }

    private void setIrqs(int index, int action, int start, int count) {
        try (Arena arena = Arena.ofConfined()) {
            setIrqs(index, irqSet(arena, VFIO_IRQ_SET_DATA_NONE | action, index, start, count, 0));
        }
    }

    private void setIrqs(int index, MemorySegment struct) {
        ioctl("SET_IRQS " + index, VFIO_DEVICE_SET_IRQS, struct);
    }

    private static MemorySegment irqSet(Arena arena, int flags, int index, int start, int count, int bytesEach) {
        MemorySegment struct = SizedStruct.allocate(arena, IRQ_SET_SIZE + count * bytesEach);
        struct.set(ValueLayout.JAVA_INT, IRQ_SET_FLAGS, flags);
        struct.set(ValueLayout.JAVA_INT, IRQ_SET_INDEX, index);
        struct.set(ValueLayout.JAVA_INT, IRQ_SET_START, start);
        struct.set(ValueLayout.JAVA_INT, IRQ_SET_COUNT, count);
        return struct;
    }

    /** VFIO_DEVICE_RESET: as after power-on. Blocks for some 100 ms. EINVAL if the device has no reset of its own. */
    public void reset() {
        fd.ioctl("ioctl VFIO_DEVICE_RESET " + fd.name(), VFIO_DEVICE_RESET, 0);
    }

    /**
     * VFIO_DEVICE_GET_PCI_HOT_RESET_INFO: who is reset together with this device by {@link #hotReset}. ENODEV if the
     * device cannot be reset so: one on a root bus.
     */
    public HotReset hotResetInfo() {
        for (int room = FEW_DEVICES; ; ) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment struct = SizedStruct.allocate(arena, HOT_RESET_INFO_SIZE + room * DEPENDENT_SIZE);
                long result = fd.tryIoctl(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, struct.address());
                int count = struct.get(ValueLayout.JAVA_INT, HOT_RESET_INFO_COUNT);
                if (Errno.ENOSPC.is(result) && room < MAX_DEVICES) {
                    room *= 2;
                    continue;
                }
                ErrnoException.check("ioctl VFIO_DEVICE_GET_PCI_HOT_RESET_INFO " + fd.name(), result);
                return hotReset(struct, Math.clamp(count, 0, room));
            }
        }
    }

    static HotReset hotReset(MemorySegment struct, int count) {
        int flags = struct.get(ValueLayout.JAVA_INT, HOT_RESET_INFO_FLAGS);
        boolean byId = (flags & VFIO_PCI_HOT_RESET_FLAG_DEV_ID) != 0;
        List<HotReset.Device> devices = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            long at = HOT_RESET_INFO_SIZE + (long) i * DEPENDENT_SIZE;
            devices.add(new HotReset.Device(
                    Short.toUnsignedInt(struct.get(ValueLayout.JAVA_SHORT, at + DEPENDENT_SEGMENT)),
                    Byte.toUnsignedInt(struct.get(ValueLayout.JAVA_BYTE, at + DEPENDENT_BUS)),
                    Byte.toUnsignedInt(struct.get(ValueLayout.JAVA_BYTE, at + DEPENDENT_DEVFN)),
                    byId && struct.get(ValueLayout.JAVA_INT, at) != VFIO_PCI_DEVID_NOT_OWNED));
        }
        return new HotReset(byId && (flags & VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED) != 0, devices);
    }

    /**
     * VFIO_DEVICE_PCI_HOT_RESET: resets the whole bus or slot, for a device that has no reset of its own. Blocks for a
     * second. EINVAL unless {@link HotReset#owned}; ENODEV.
     */
    public void hotReset() {
        try (Arena arena = Arena.ofConfined()) {
            // No group descriptors: the iommufd proves who owns the others.
            ioctl("PCI_HOT_RESET", VFIO_DEVICE_PCI_HOT_RESET, SizedStruct.allocate(arena, HOT_RESET_SIZE));
        }
    }

    /**
     * pread(2) of a register. If the kernel refuses, all ones: what a bus reads where nobody answers, so that a guest
     * notices as it would on hardware. Does not throw, whatever the guest asks for.
     *
     * @param regionOffset as {@link VfioRegion#offset} tells
     * @param at bytes from the region's start
     * @param width 1, 2, 4 or 8 bytes
     * @return the value, zero-extended
     */
    public long read(long regionOffset, long at, int width) {
        long ones = -1L >>> (Long.SIZE - width * Byte.SIZE);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(Long.BYTES, Long.BYTES);
            long result = fd.tryPread(value.asSlice(0, width), regionOffset + at);
            return result == width ? value.get(ValueLayout.JAVA_LONG, 0) : ones;
        }
    }

    /**
     * pwrite(2) of a register, the value's lowest bytes; the rest as {@link #read}. Returns whether the kernel took it: a
     * bus drops a write that nobody takes.
     */
    public boolean write(long regionOffset, long at, int width, long value) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_LONG, value);
            return fd.tryPwrite(bytes.asSlice(0, width), regionOffset + at) == width;
        }
    }

    /**
     * Maps one of a region's mappable areas. Not to be given to system calls, nor touched while the device is reset or asleep: the
     * kernel takes the pages away, and waits or raises SIGBUS.
     */
    public Mapping mapRegion(VfioRegion region, VfioRegion.Area area) {
        return Mapping.shared(fd, region.offset() + area.offset(), area.size());
    }

    /** VFIO_DEVICE_FEATURE, migration: VFIO_MIGRATION_* if the device's own driver can save its state; 0 if it cannot. */
    public long migrationFlags() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = SizedStruct.allocate(arena, MIGRATION_SIZE);
            struct.set(ValueLayout.JAVA_INT, FEATURE_FLAGS, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION);
            long result = fd.tryIoctl(VFIO_DEVICE_FEATURE, struct.address());
            if (Errno.ENOTTY.is(result)) {
                return 0;
            }
            ErrnoException.check("ioctl VFIO_DEVICE_FEATURE " + fd.name(), result);
            return struct.get(ValueLayout.JAVA_LONG, MIGRATION_FLAGS);
        }
    }

    private void ioctl(String name, long request, MemorySegment struct) {
        fd.ioctl("ioctl VFIO_DEVICE_" + name + " " + fd.name(), request, struct);
    }

    /** Closes this descriptor; with the last one the device is reset and let go. Blocks for a second. */
    @Override
    public void close() {
        fd.close();
    }

    @Override
    public String toString() {
        return fd.name();
    }
}
