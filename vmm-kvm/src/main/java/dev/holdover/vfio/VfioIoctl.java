package dev.holdover.vfio;

/**
 * Numbers and layouts of include/uapi/linux/vfio.h, Linux 7.3.
 *
 * <p>The requests carry neither direction nor size (all are {@code _IO}); each struct begins with its own size.
 */
final class VfioIoctl {
    static final long VFIO_DEVICE_GET_INFO = 0x3b6b;
    static final long VFIO_DEVICE_GET_REGION_INFO = 0x3b6c;
    static final long VFIO_DEVICE_GET_IRQ_INFO = 0x3b6d;
    static final long VFIO_DEVICE_SET_IRQS = 0x3b6e;
    static final long VFIO_DEVICE_RESET = 0x3b6f;
    static final long VFIO_DEVICE_GET_PCI_HOT_RESET_INFO = 0x3b70;
    static final long VFIO_DEVICE_PCI_HOT_RESET = 0x3b71;
    static final long VFIO_DEVICE_FEATURE = 0x3b75;
    // Linux 6.6
    static final long VFIO_DEVICE_BIND_IOMMUFD = 0x3b76;
    static final long VFIO_DEVICE_ATTACH_IOMMUFD_PT = 0x3b77;
    static final long VFIO_DEVICE_DETACH_IOMMUFD_PT = 0x3b78;

    static final int VFIO_DEVICE_FLAGS_RESET = 1;
    static final int VFIO_DEVICE_FLAGS_PCI = 1 << 1;

    static final int VFIO_REGION_INFO_FLAG_READ = 1;
    static final int VFIO_REGION_INFO_FLAG_WRITE = 1 << 1;
    static final int VFIO_REGION_INFO_FLAG_MMAP = 1 << 2;
    static final int VFIO_REGION_INFO_FLAG_CAPS = 1 << 3;
    static final int VFIO_REGION_INFO_CAP_SPARSE_MMAP = 1;
    static final int VFIO_REGION_INFO_CAP_MSIX_MAPPABLE = 3;

    static final int VFIO_IRQ_INFO_EVENTFD = 1;
    static final int VFIO_IRQ_INFO_MASKABLE = 1 << 1;
    static final int VFIO_IRQ_INFO_AUTOMASKED = 1 << 2;
    static final int VFIO_IRQ_INFO_NORESIZE = 1 << 3;

    static final int VFIO_IRQ_SET_DATA_NONE = 1;
    static final int VFIO_IRQ_SET_DATA_EVENTFD = 1 << 2;
    static final int VFIO_IRQ_SET_ACTION_MASK = 1 << 3;
    static final int VFIO_IRQ_SET_ACTION_UNMASK = 1 << 4;
    static final int VFIO_IRQ_SET_ACTION_TRIGGER = 1 << 5;

    static final int VFIO_PCI_HOT_RESET_FLAG_DEV_ID = 1;
    static final int VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED = 1 << 1;
    static final int VFIO_PCI_DEVID_NOT_OWNED = -1;

    static final int VFIO_DEVICE_FEATURE_GET = 1 << 16;
    static final int VFIO_DEVICE_FEATURE_MIGRATION = 1;

    /** struct vfio_device_bind_iommufd as of 6.6; later members belong to a flag that is not used. */
    static final int BIND_SIZE = 16;

    static final int BIND_IOMMUFD = 8;
    static final int BIND_OUT_DEVICE = 12;

    /** struct vfio_device_attach_iommufd_pt as of 6.6; later members belong to a flag that is not used. */
    static final int ATTACH_SIZE = 12;

    static final int ATTACH_PT = 8;

    /** struct vfio_device_detach_iommufd_pt as of 6.6; later members belong to a flag that is not used. */
    static final int DETACH_SIZE = 8;

    /** struct vfio_device_info. */
    static final int INFO_SIZE = 24;

    static final int INFO_FLAGS = 4;
    static final int INFO_REGIONS = 8;
    static final int INFO_IRQS = 12;

    /** struct vfio_region_info, without the capabilities behind it. */
    static final int REGION_SIZE = 32;

    static final int REGION_FLAGS = 4;
    static final int REGION_INDEX = 8;
    static final int REGION_CAP_OFFSET = 12;
    static final int REGION_LENGTH = 16;
    static final int REGION_OFFSET = 24;

    /** struct vfio_info_cap_header: id@0, version@2, next@4. */
    static final int CAP_HEADER_SIZE = 8;

    static final int CAP_NEXT = 4;

    /** struct vfio_region_info_cap_sparse_mmap, without its areas. */
    static final int SPARSE_SIZE = 16;

    static final int SPARSE_COUNT = 8;
    /** struct vfio_region_sparse_mmap_area: offset@0, size@8. */
    static final int SPARSE_AREA_SIZE = 16;

    static final int SPARSE_AREA_LENGTH = 8;

    /** struct vfio_irq_info. */
    static final int IRQ_INFO_SIZE = 16;

    static final int IRQ_INFO_FLAGS = 4;
    static final int IRQ_INFO_INDEX = 8;
    static final int IRQ_INFO_COUNT = 12;

    /** struct vfio_irq_set, without its data. */
    static final int IRQ_SET_SIZE = 20;

    static final int IRQ_SET_FLAGS = 4;
    static final int IRQ_SET_INDEX = 8;
    static final int IRQ_SET_START = 12;
    static final int IRQ_SET_COUNT = 16;

    /** struct vfio_pci_hot_reset_info, without its devices. */
    static final int HOT_RESET_INFO_SIZE = 12;

    static final int HOT_RESET_INFO_FLAGS = 4;
    static final int HOT_RESET_INFO_COUNT = 8;
    /** struct vfio_pci_dependent_device: devid@0, segment@4, bus@6, devfn@7. */
    static final int DEPENDENT_SIZE = 8;

    static final int DEPENDENT_SEGMENT = 4;
    static final int DEPENDENT_BUS = 6;
    static final int DEPENDENT_DEVFN = 7;

    /** struct vfio_pci_hot_reset, without group descriptors. */
    static final int HOT_RESET_SIZE = 12;

    /** struct vfio_device_feature with struct vfio_device_feature_migration behind it. */
    static final int MIGRATION_SIZE = 16;

    static final int FEATURE_FLAGS = 4;
    static final int MIGRATION_FLAGS = 8;

    private VfioIoctl() {}
}
