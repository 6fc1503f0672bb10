package dev.holdover.vfio;

import static dev.holdover.vfio.IommufdIoctl.CHANGE_PROCESS_SIZE;
import static dev.holdover.vfio.IommufdIoctl.DESTROY_ID;
import static dev.holdover.vfio.IommufdIoctl.DESTROY_SIZE;
import static dev.holdover.vfio.IommufdIoctl.HWPT_ALLOC_DEVICE;
import static dev.holdover.vfio.IommufdIoctl.HWPT_ALLOC_FLAGS;
import static dev.holdover.vfio.IommufdIoctl.HWPT_ALLOC_OUT_ID;
import static dev.holdover.vfio.IommufdIoctl.HWPT_ALLOC_PARENT;
import static dev.holdover.vfio.IommufdIoctl.HWPT_ALLOC_SIZE;
import static dev.holdover.vfio.IommufdIoctl.IOAS_ALLOC_OUT_ID;
import static dev.holdover.vfio.IommufdIoctl.IOAS_ALLOC_SIZE;
import static dev.holdover.vfio.IommufdIoctl.IOMMU_DESTROY;
import static dev.holdover.vfio.IommufdIoctl.IOMMU_HWPT_ALLOC;
import static dev.holdover.vfio.IommufdIoctl.IOMMU_IOAS_ALLOC;
import static dev.holdover.vfio.IommufdIoctl.IOMMU_IOAS_CHANGE_PROCESS;
import static dev.holdover.vfio.IommufdIoctl.IOMMU_IOAS_IOVA_RANGES;
import static dev.holdover.vfio.IommufdIoctl.IOMMU_IOAS_MAP;
import static dev.holdover.vfio.IommufdIoctl.IOMMU_IOAS_MAP_FILE;
import static dev.holdover.vfio.IommufdIoctl.IOMMU_IOAS_MAP_FIXED_IOVA;
import static dev.holdover.vfio.IommufdIoctl.IOMMU_IOAS_MAP_READABLE;
import static dev.holdover.vfio.IommufdIoctl.IOMMU_IOAS_MAP_WRITEABLE;
import static dev.holdover.vfio.IommufdIoctl.IOMMU_IOAS_UNMAP;
import static dev.holdover.vfio.IommufdIoctl.IOVA_RANGES_ARRAY;
import static dev.holdover.vfio.IommufdIoctl.IOVA_RANGES_COUNT;
import static dev.holdover.vfio.IommufdIoctl.IOVA_RANGES_IOAS;
import static dev.holdover.vfio.IommufdIoctl.IOVA_RANGES_SIZE;
import static dev.holdover.vfio.IommufdIoctl.IOVA_RANGE_LAST;
import static dev.holdover.vfio.IommufdIoctl.IOVA_RANGE_SIZE;
import static dev.holdover.vfio.IommufdIoctl.MAP_FILE_FD;
import static dev.holdover.vfio.IommufdIoctl.MAP_FLAGS;
import static dev.holdover.vfio.IommufdIoctl.MAP_IOAS;
import static dev.holdover.vfio.IommufdIoctl.MAP_IOVA;
import static dev.holdover.vfio.IommufdIoctl.MAP_LENGTH;
import static dev.holdover.vfio.IommufdIoctl.MAP_SIZE;
import static dev.holdover.vfio.IommufdIoctl.MAP_START;
import static dev.holdover.vfio.IommufdIoctl.UNMAP_IOAS;
import static dev.holdover.vfio.IommufdIoctl.UNMAP_IOVA;
import static dev.holdover.vfio.IommufdIoctl.UNMAP_LENGTH;
import static dev.holdover.vfio.IommufdIoctl.UNMAP_SIZE;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * /dev/iommu, opened: I/O address spaces (IOAS), what is mapped in them, and hardware page tables (HWPT), all by ids that
 * hold in whichever process has the descriptor. Any thread; the kernel serialises.
 */
public final class Iommufd implements AutoCloseable {
    public static final String PATH = "/dev/iommu";

    private static final int READ_WRITE =
            IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE;
    private static final int FEW_RANGES = 32;
    /** Each reserved range of a device or its IOMMU splits one; hosts have a handful. */
    private static final int MAX_RANGES = 4096;

    private final Fd fd;

    private Iommufd(Fd fd) {
        this.fd = fd;
    }

    /** Opens {@value #PATH}: a context of its own, in which there is nothing yet. */
    public static Iommufd open() {
        try {
            return new Iommufd(Fd.open(PATH, Fd.O_RDWR));
        } catch (ErrnoException e) {
            throw failed("open", whyNot(e.errno()), e);
        }
    }

    /** Takes over an iommufd that was opened elsewhere. */
    public static Iommufd adopt(Fd fd) {
        return new Iommufd(fd);
    }

    private static String whyNot(Errno errno) {
        return switch (errno) {
            case ENOENT, ENODEV, ENXIO ->
                "modprobe iommufd; a kernel that has no such module was built without CONFIG_IOMMUFD and cannot pass"
                        + " devices to guests here";
            case EACCES, EPERM -> "run as root, or give your user read and write access to it (a udev rule)";
            default -> "see the kernel's log";
        };
    }

    private static VmmException failed(String what, String advice, ErrnoException e) {
        return new VmmException(
                "cannot " + what + " " + PATH + ": " + e.errno().name() + " ("
                        + e.errno().text() + "): " + advice,
                e);
    }

    /** To pass on; stays this object's. */
    public Fd fd() {
        return fd;
    }

    /** IOMMU_IOAS_ALLOC: a new, empty address space; returns its id. ENOMEM. */
    public int allocateIoas() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = SizedStruct.allocate(arena, IOAS_ALLOC_SIZE);
            fd.ioctl("ioctl IOMMU_IOAS_ALLOC", IOMMU_IOAS_ALLOC, struct);
            return struct.get(ValueLayout.JAVA_INT, IOAS_ALLOC_OUT_ID);
        }
    }

    /**
     * IOMMU_IOAS_MAP_FILE (Linux 6.13): lets devices read and write bytes of a file at {@code iova}. The file is a memfd,
     * another file on tmpfs, or one of huge pages, open for writing; the mapping holds it, and no process needs to have
     * it mapped. Offset, length and {@code iova} are multiples of the page size.
     *
     * <p>If a device is attached, every page is allocated and pinned now, otherwise with the first attachment: blocks,
     * seconds for gigabytes that were never touched.
     *
     * @throws VmmException EINVAL: another kind of file, beyond its end, or in a reserved range of addresses
     *     ({@link #iovaRanges}). EEXIST, EADDRINUSE: something is mapped there. ENOMEM: too little memory, or more than
     *     RLIMIT_MEMLOCK allows. ENOTTY: a kernel before 6.13
     */
    public void mapFile(int ioas, Fd file, long offset, long length, long iova) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = map(arena, ioas, offset, length, iova);
            struct.set(ValueLayout.JAVA_INT, MAP_FILE_FD, file.number());
            map("ioctl IOMMU_IOAS_MAP_FILE " + file.name(), IOMMU_IOAS_MAP_FILE, struct, iova, length);
        }
    }

    /**
     * IOMMU_IOAS_MAP: as {@link #mapFile}, for memory of this process, which stays mapped as long as the mapping lives.
     * {@link #changeProcess} is refused from then on: memory that has no file cannot be handed on.
     *
     * @throws VmmException EFAULT: not mapped, or not writable; the others as for files
     */
    public void map(int ioas, MemorySegment memory, long iova) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = map(arena, ioas, memory.address(), memory.byteSize(), iova);
            map("ioctl IOMMU_IOAS_MAP", IOMMU_IOAS_MAP, struct, iova, memory.byteSize());
        }
    }

    private static MemorySegment map(Arena arena, int ioas, long start, long length, long iova) {
        MemorySegment struct = SizedStruct.allocate(arena, MAP_SIZE);
        struct.set(ValueLayout.JAVA_INT, MAP_FLAGS, READ_WRITE);
        struct.set(ValueLayout.JAVA_INT, MAP_IOAS, ioas);
        struct.set(ValueLayout.JAVA_LONG, MAP_START, start);
        struct.set(ValueLayout.JAVA_LONG, MAP_LENGTH, length);
        struct.set(ValueLayout.JAVA_LONG, MAP_IOVA, iova);
        return struct;
    }

    private void map(String call, long request, MemorySegment struct, long iova, long length) {
        try {
            fd.ioctl(call, request, struct);
        } catch (ErrnoException e) {
            String why = switch (e.errno()) {
                case EINVAL ->
                    "devices reach only memfds and files on tmpfs or hugetlbfs, in whole pages, at addresses that the"
                            + " host's IOMMU does not reserve";
                case ENOMEM ->
                    "the host is out of memory, or RLIMIT_MEMLOCK is too low, since this memory is pinned: ulimit -l"
                            + " unlimited, LimitMEMLOCK=infinity in a unit, or CAP_IPC_LOCK";
                case EEXIST, EADDRINUSE -> "something is mapped there already";
                case ENOTTY -> "this kernel cannot map files for devices: it needs Linux 6.13";
                case EFAULT -> "that memory is not mapped, or cannot be written to";
                default -> "see the kernel's log";
            };
            throw new VmmException(
                    "cannot let devices reach " + (length >> 10) + " KiB of guest RAM at 0x" + Long.toHexString(iova)
                            + ": " + e.getMessage() + ": " + why,
                    e);
        }
    }

    /**
     * IOMMU_IOAS_UNMAP: takes back one or several whole mappings, and their pinned pages; a device that reaches for them
     * later meets a fault. Returns how many bytes that were. ENOENT if there is nothing, or only part of a mapping.
     */
    public long unmap(int ioas, long iova, long length) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = SizedStruct.allocate(arena, UNMAP_SIZE);
            struct.set(ValueLayout.JAVA_INT, UNMAP_IOAS, ioas);
            struct.set(ValueLayout.JAVA_LONG, UNMAP_IOVA, iova);
            struct.set(ValueLayout.JAVA_LONG, UNMAP_LENGTH, length);
            fd.ioctl("ioctl IOMMU_IOAS_UNMAP 0x" + Long.toHexString(iova), IOMMU_IOAS_UNMAP, struct);
            return struct.get(ValueLayout.JAVA_LONG, UNMAP_LENGTH);
        }
    }

    /**
     * IOMMU_IOAS_CHANGE_PROCESS (Linux 6.13): what is pinned counts as this process's from now on, no longer as that of who
     * mapped it. On a failure nothing has changed. EINVAL if anything is mapped by address. ENOMEM: this process's
     * RLIMIT_MEMLOCK is too low. ENOTTY: an older kernel.
     */
    public void changeProcess() {
        try (Arena arena = Arena.ofConfined()) {
            fd.ioctl(
                    "ioctl IOMMU_IOAS_CHANGE_PROCESS",
                    IOMMU_IOAS_CHANGE_PROCESS,
                    SizedStruct.allocate(arena, CHANGE_PROCESS_SIZE));
        }
    }

    /**
     * IOMMU_HWPT_ALLOC: a hardware page table for a device, filled from an address space; returns its id, which {@link
     * VfioDevice#attach} takes. Attaching the address space itself makes one silently. EINVAL, ENOENT, EOPNOTSUPP.
     *
     * @param device as {@link VfioDevice#bind} told
     * @param flags IOMMU_HWPT_ALLOC_*; 0 for none
     */
    public int allocateHwpt(int device, int ioas, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = SizedStruct.allocate(arena, HWPT_ALLOC_SIZE);
            struct.set(ValueLayout.JAVA_INT, HWPT_ALLOC_FLAGS, flags);
            struct.set(ValueLayout.JAVA_INT, HWPT_ALLOC_DEVICE, device);
            struct.set(ValueLayout.JAVA_INT, HWPT_ALLOC_PARENT, ioas);
            fd.ioctl("ioctl IOMMU_HWPT_ALLOC", IOMMU_HWPT_ALLOC, struct);
            return struct.get(ValueLayout.JAVA_INT, HWPT_ALLOC_OUT_ID);
        }
    }

    /** IOMMU_DESTROY of an address space or a page table. EBUSY while it is in use, ENOENT. */
    public void destroy(int id) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = SizedStruct.allocate(arena, DESTROY_SIZE);
            struct.set(ValueLayout.JAVA_INT, DESTROY_ID, id);
            fd.ioctl("ioctl IOMMU_DESTROY " + id, IOMMU_DESTROY, struct);
        }
    }

    /**
     * IOMMU_IOAS_IOVA_RANGES: where something can be mapped, in ascending order. Attaching a device narrows it: on x86
     * 0xfee00000 to 0xfeefffff, where a write is an interrupt, falls out, and what firmware keeps for itself. ENOENT.
     */
    public List<IovaRange> iovaRanges(int ioas) {
        for (int room = FEW_RANGES; ; ) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment array = arena.allocate((long) IOVA_RANGE_SIZE * room, 8);
                MemorySegment struct = SizedStruct.allocate(arena, IOVA_RANGES_SIZE);
                struct.set(ValueLayout.JAVA_INT, IOVA_RANGES_IOAS, ioas);
                struct.set(ValueLayout.JAVA_INT, IOVA_RANGES_COUNT, room);
                struct.set(ValueLayout.JAVA_LONG, IOVA_RANGES_ARRAY, array.address());
                long result = fd.tryIoctl(IOMMU_IOAS_IOVA_RANGES, struct.address());
                int count = struct.get(ValueLayout.JAVA_INT, IOVA_RANGES_COUNT);
                if (Errno.EMSGSIZE.is(result) && count > room && count <= MAX_RANGES) {
                    room = count;
                    continue;
                }
                ErrnoException.check("ioctl IOMMU_IOAS_IOVA_RANGES", result);
                return ranges(array, Math.clamp(count, 0, room));
            }
        }
    }

    private static List<IovaRange> ranges(MemorySegment array, int count) {
        List<IovaRange> ranges = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            long at = (long) i * IOVA_RANGE_SIZE;
            ranges.add(new IovaRange(
                    array.get(ValueLayout.JAVA_LONG, at), array.get(ValueLayout.JAVA_LONG, at + IOVA_RANGE_LAST)));
        }
        return ranges;
    }

    /** Closes this descriptor; with the last one, and with the devices bound to it, all mappings go. */
    @Override
    public void close() {
        fd.close();
    }

    @Override
    public String toString() {
        return fd.toString();
    }
}
