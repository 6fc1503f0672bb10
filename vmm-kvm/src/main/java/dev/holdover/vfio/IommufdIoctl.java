package dev.holdover.vfio;

/**
 * Numbers and layouts of include/uapi/linux/iommufd.h, Linux 7.3.
 *
 * <p>The requests carry neither direction nor size (all are {@code _IO}); each struct begins with its own size, and the
 * kernel takes a bigger one if its tail is zero.
 */
final class IommufdIoctl {
    static final long IOMMU_DESTROY = 0x3b80;
    static final long IOMMU_IOAS_ALLOC = 0x3b81;
    static final long IOMMU_IOAS_IOVA_RANGES = 0x3b84;
    static final long IOMMU_IOAS_MAP = 0x3b85;
    static final long IOMMU_IOAS_UNMAP = 0x3b86;
    static final long IOMMU_HWPT_ALLOC = 0x3b89;
    static final long IOMMU_IOAS_MAP_FILE = 0x3b8f; // Linux 6.13
    static final long IOMMU_IOAS_CHANGE_PROCESS = 0x3b92; // Linux 6.13

    static final int IOMMU_IOAS_MAP_FIXED_IOVA = 1;
    static final int IOMMU_IOAS_MAP_WRITEABLE = 1 << 1;
    static final int IOMMU_IOAS_MAP_READABLE = 1 << 2;

    /** struct iommu_destroy. */
    static final int DESTROY_SIZE = 8;

    static final int DESTROY_ID = 4;

    /** struct iommu_ioas_alloc. */
    static final int IOAS_ALLOC_SIZE = 12;

    static final int IOAS_ALLOC_OUT_ID = 8;

    /** struct iommu_ioas_iova_ranges. */
    static final int IOVA_RANGES_SIZE = 32;

    static final int IOVA_RANGES_IOAS = 4;
    static final int IOVA_RANGES_COUNT = 8;
    static final int IOVA_RANGES_ARRAY = 16;

    /** struct iommu_iova_range: start@0, last@8. */
    static final int IOVA_RANGE_SIZE = 16;

    static final int IOVA_RANGE_LAST = 8;

    /** struct iommu_ioas_map, struct iommu_ioas_map_file: the same but for what is mapped. */
    static final int MAP_SIZE = 40;

    static final int MAP_FLAGS = 4;
    static final int MAP_IOAS = 8;
    static final int MAP_FILE_FD = 12;
    /** In the one an address of this process, in the other an offset into the file. */
    static final int MAP_START = 16;

    static final int MAP_LENGTH = 24;
    static final int MAP_IOVA = 32;

    /** struct iommu_ioas_unmap. */
    static final int UNMAP_SIZE = 24;

    static final int UNMAP_IOAS = 4;
    static final int UNMAP_IOVA = 8;
    static final int UNMAP_LENGTH = 16;

    /** struct iommu_ioas_change_process. */
    static final int CHANGE_PROCESS_SIZE = 8;

    /** struct iommu_hwpt_alloc. */
    static final int HWPT_ALLOC_SIZE = 48;

    static final int HWPT_ALLOC_FLAGS = 4;
    static final int HWPT_ALLOC_DEVICE = 8;
    static final int HWPT_ALLOC_PARENT = 12;
    static final int HWPT_ALLOC_OUT_ID = 16;

    private IommufdIoctl() {}
}
