package dev.holdover.vfio;

import static dev.holdover.vfio.VfioIoctl.CAP_HEADER_SIZE;
import static dev.holdover.vfio.VfioIoctl.CAP_NEXT;
import static dev.holdover.vfio.VfioIoctl.REGION_CAP_OFFSET;
import static dev.holdover.vfio.VfioIoctl.REGION_FLAGS;
import static dev.holdover.vfio.VfioIoctl.REGION_INDEX;
import static dev.holdover.vfio.VfioIoctl.REGION_LENGTH;
import static dev.holdover.vfio.VfioIoctl.REGION_OFFSET;
import static dev.holdover.vfio.VfioIoctl.REGION_SIZE;
import static dev.holdover.vfio.VfioIoctl.SPARSE_AREA_LENGTH;
import static dev.holdover.vfio.VfioIoctl.SPARSE_AREA_SIZE;
import static dev.holdover.vfio.VfioIoctl.SPARSE_COUNT;
import static dev.holdover.vfio.VfioIoctl.SPARSE_SIZE;
import static dev.holdover.vfio.VfioIoctl.VFIO_REGION_INFO_CAP_MSIX_MAPPABLE;
import static dev.holdover.vfio.VfioIoctl.VFIO_REGION_INFO_CAP_SPARSE_MMAP;
import static dev.holdover.vfio.VfioIoctl.VFIO_REGION_INFO_FLAG_CAPS;
import static dev.holdover.vfio.VfioIoctl.VFIO_REGION_INFO_FLAG_MMAP;
import static dev.holdover.vfio.VfioIoctl.VFIO_REGION_INFO_FLAG_READ;
import static dev.holdover.vfio.VfioIoctl.VFIO_REGION_INFO_FLAG_WRITE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * A region of a device: a part of its descriptor that stands for registers, memory, ports or configuration space.
 *
 * @param index which one
 * @param readable whether it can be read
 * @param writable whether it can be written
 * @param mappable what of it can be mapped into memory, as the kernel lists it: whole pages, in bytes from the region's
 *     start; empty if it is reached by reading and writing alone
 * @param msixMappable whether that may cover the MSI-X table; only {@link VfioDevice#setInterrupts} may change it still
 * @param size bytes; 0 if the device has no such region
 * @param offset where it begins in the device's descriptor
 */
public record VfioRegion(
        int index,
        boolean readable,
        boolean writable,
        List<Area> mappable,
        boolean msixMappable,
        long size,
        long offset) {
    private static final int PAGE_SIZE = 4096;

    /** A part of a region. */
    public record Area(long offset, long size) {}

    public VfioRegion {
        mappable = List.copyOf(mappable);
    }

    /**
     * Reads struct vfio_region_info with the capabilities behind it. A chain of them that leads backwards or out of the
     * struct ends there; an area that reaches out of the region, or is not whole pages, is left out.
     */
    static VfioRegion parse(MemorySegment info) {
        int flags = info.get(ValueLayout.JAVA_INT, REGION_FLAGS);
        long size = info.get(ValueLayout.JAVA_LONG, REGION_LENGTH);
        boolean mmap = (flags & VFIO_REGION_INFO_FLAG_MMAP) != 0;
        boolean sparse = false;
        boolean msixMappable = false;
        List<Area> areas = new ArrayList<>();
        long at = (flags & VFIO_REGION_INFO_FLAG_CAPS) == 0 ? 0 : unsigned(info, REGION_CAP_OFFSET);
        long from = REGION_SIZE;
        while (at >= from && at <= info.byteSize() - CAP_HEADER_SIZE) {
            switch (Short.toUnsignedInt(info.get(ValueLayout.JAVA_SHORT_UNALIGNED, at))) {
                case VFIO_REGION_INFO_CAP_SPARSE_MMAP -> {
                    sparse = true;
                    readAreas(info, at, size, areas);
                }
                case VFIO_REGION_INFO_CAP_MSIX_MAPPABLE -> msixMappable = true;
                default -> {}
            }
            from = at + CAP_HEADER_SIZE;
            at = unsigned(info, at + CAP_NEXT);
        }
        if (mmap && !sparse) {
            addArea(0, size, size, areas);
        }
        return new VfioRegion(
                info.get(ValueLayout.JAVA_INT, REGION_INDEX),
                (flags & VFIO_REGION_INFO_FLAG_READ) != 0,
                (flags & VFIO_REGION_INFO_FLAG_WRITE) != 0,
                mmap ? areas : List.of(),
                msixMappable,
                size,
                info.get(ValueLayout.JAVA_LONG, REGION_OFFSET));
    }

    private static void readAreas(MemorySegment info, long capability, long regionSize, List<Area> into) {
        if (capability > info.byteSize() - SPARSE_SIZE) {
            return;
        }
        long room = (info.byteSize() - capability - SPARSE_SIZE) / SPARSE_AREA_SIZE;
        long count = Math.min(unsigned(info, capability + SPARSE_COUNT), room);
        for (long i = 0; i < count; i++) {
            long at = capability + SPARSE_SIZE + i * SPARSE_AREA_SIZE;
            addArea(
                    info.get(ValueLayout.JAVA_LONG_UNALIGNED, at),
                    info.get(ValueLayout.JAVA_LONG_UNALIGNED, at + SPARSE_AREA_LENGTH),
                    regionSize,
                    into);
        }
    }

    private static void addArea(long offset, long size, long regionSize, List<Area> into) {
        boolean within = offset >= 0 && size > 0 && offset <= regionSize - size;
        if (within && (offset | size) % PAGE_SIZE == 0) {
            into.add(new Area(offset, size));
        }
    }

    private static long unsigned(MemorySegment info, long at) {
        return Integer.toUnsignedLong(info.get(ValueLayout.JAVA_INT_UNALIGNED, at));
    }
}
