package dev.holdover.vfio;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.kvm.HeaderNumbers;
import java.lang.reflect.Field;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Holds the numbers in the code against those that a C compiler took from linux/vfio.h and linux/iommufd.h. */
class VfioLayoutTest {
    private static final HeaderNumbers GOLDEN = HeaderNumbers.read(VfioLayoutTest.class, "vfio-layout.txt");

    /** Which member or struct each constant without a name of the header's stands for. */
    private static final Map<String, String> MEANING = new HashMap<>();

    static {
        for (String line : """
                DESTROY_SIZE sizeof iommu_destroy
                DESTROY_ID offsetof iommu_destroy id
                IOAS_ALLOC_SIZE sizeof iommu_ioas_alloc
                IOAS_ALLOC_OUT_ID offsetof iommu_ioas_alloc out_ioas_id
                IOVA_RANGES_SIZE sizeof iommu_ioas_iova_ranges
                IOVA_RANGES_IOAS offsetof iommu_ioas_iova_ranges ioas_id
                IOVA_RANGES_COUNT offsetof iommu_ioas_iova_ranges num_iovas
                IOVA_RANGES_ARRAY offsetof iommu_ioas_iova_ranges allowed_iovas
                IOVA_RANGE_SIZE sizeof iommu_iova_range
                IOVA_RANGE_LAST offsetof iommu_iova_range last
                MAP_SIZE sizeof iommu_ioas_map
                MAP_FLAGS offsetof iommu_ioas_map flags
                MAP_IOAS offsetof iommu_ioas_map ioas_id
                MAP_FILE_FD offsetof iommu_ioas_map_file fd
                MAP_START offsetof iommu_ioas_map user_va
                MAP_LENGTH offsetof iommu_ioas_map length
                MAP_IOVA offsetof iommu_ioas_map iova
                UNMAP_SIZE sizeof iommu_ioas_unmap
                UNMAP_IOAS offsetof iommu_ioas_unmap ioas_id
                UNMAP_IOVA offsetof iommu_ioas_unmap iova
                UNMAP_LENGTH offsetof iommu_ioas_unmap length
                CHANGE_PROCESS_SIZE sizeof iommu_ioas_change_process
                HWPT_ALLOC_SIZE sizeof iommu_hwpt_alloc
                HWPT_ALLOC_FLAGS offsetof iommu_hwpt_alloc flags
                HWPT_ALLOC_DEVICE offsetof iommu_hwpt_alloc dev_id
                HWPT_ALLOC_PARENT offsetof iommu_hwpt_alloc pt_id
                HWPT_ALLOC_OUT_ID offsetof iommu_hwpt_alloc out_hwpt_id
                BIND_IOMMUFD offsetof vfio_device_bind_iommufd iommufd
                BIND_OUT_DEVICE offsetof vfio_device_bind_iommufd out_devid
                ATTACH_PT offsetof vfio_device_attach_iommufd_pt pt_id
                INFO_SIZE sizeof vfio_device_info
                INFO_FLAGS offsetof vfio_device_info flags
                INFO_REGIONS offsetof vfio_device_info num_regions
                INFO_IRQS offsetof vfio_device_info num_irqs
                REGION_SIZE sizeof vfio_region_info
                REGION_FLAGS offsetof vfio_region_info flags
                REGION_INDEX offsetof vfio_region_info index
                REGION_CAP_OFFSET offsetof vfio_region_info cap_offset
                REGION_LENGTH offsetof vfio_region_info size
                REGION_OFFSET offsetof vfio_region_info offset
                CAP_HEADER_SIZE sizeof vfio_info_cap_header
                CAP_NEXT offsetof vfio_info_cap_header next
                SPARSE_SIZE sizeof vfio_region_info_cap_sparse_mmap
                SPARSE_COUNT offsetof vfio_region_info_cap_sparse_mmap nr_areas
                SPARSE_AREA_SIZE sizeof vfio_region_sparse_mmap_area
                SPARSE_AREA_LENGTH offsetof vfio_region_sparse_mmap_area size
                IRQ_INFO_SIZE sizeof vfio_irq_info
                IRQ_INFO_FLAGS offsetof vfio_irq_info flags
                IRQ_INFO_INDEX offsetof vfio_irq_info index
                IRQ_INFO_COUNT offsetof vfio_irq_info count
                IRQ_SET_SIZE sizeof vfio_irq_set
                IRQ_SET_FLAGS offsetof vfio_irq_set flags
                IRQ_SET_INDEX offsetof vfio_irq_set index
                IRQ_SET_START offsetof vfio_irq_set start
                IRQ_SET_COUNT offsetof vfio_irq_set count
                HOT_RESET_INFO_SIZE sizeof vfio_pci_hot_reset_info
                HOT_RESET_INFO_FLAGS offsetof vfio_pci_hot_reset_info flags
                HOT_RESET_INFO_COUNT offsetof vfio_pci_hot_reset_info count
                DEPENDENT_SIZE sizeof vfio_pci_dependent_device
                DEPENDENT_SEGMENT offsetof vfio_pci_dependent_device segment
                DEPENDENT_BUS offsetof vfio_pci_dependent_device bus
                DEPENDENT_DEVFN offsetof vfio_pci_dependent_device devfn
                HOT_RESET_SIZE sizeof vfio_pci_hot_reset
                FEATURE_FLAGS offsetof vfio_device_feature flags
                MIGRATION_FLAGS offsetof vfio_device_feature data
                """.lines().toList()) {
            int space = line.indexOf(' ');
            MEANING.put(line.substring(0, space), line.substring(space + 1));
        }
    }

    private static long golden(String name) {
        return GOLDEN.get(name);
    }

    @Test
    void everyNumberIsTheHeaders() throws ReflectiveOperationException {
        Map<String, Long> unknown = new TreeMap<>();
        for (Class<?> type : new Class<?>[] {IommufdIoctl.class, VfioIoctl.class}) {
            for (Field field : type.getDeclaredFields()) {
                String name = field.getName();
                long value = field.getLong(null);
                if (field.getType() == long.class) {
                    assertThat(value).as(name).isEqualTo(golden("ioctl " + name));
                } else if (MEANING.containsKey(name)) {
                    assertThat(value).as(name).isEqualTo(golden(MEANING.get(name)));
                } else if (GOLDEN.has("const " + name)) {
                    assertThat(value).as(name).isEqualTo(golden("const " + name));
                } else {
                    unknown.put(name, value);
                }
            }
        }
        // Shorter than today's structs on purpose: as far as the members that are used.
        assertThat(unknown)
                .isEqualTo(Map.of(
                        "BIND_SIZE", golden("offsetof vfio_device_bind_iommufd out_devid") + 4,
                        "ATTACH_SIZE", golden("offsetof vfio_device_attach_iommufd_pt pt_id") + 4,
                        "DETACH_SIZE", golden("offsetof vfio_device_detach_iommufd_pt flags") + 4,
                        "MIGRATION_SIZE",
                                golden("offsetof vfio_device_feature data")
                                        + golden("sizeof vfio_device_feature_migration")));
    }

    @Test
    void theTwoMapsDifferInNothingElse() {
        assertThat(golden("sizeof iommu_ioas_map_file")).isEqualTo(golden("sizeof iommu_ioas_map"));
        for (String member : new String[] {"flags", "ioas_id", "length", "iova"}) {
            assertThat(golden("offsetof iommu_ioas_map_file " + member))
                    .as(member)
                    .isEqualTo(golden("offsetof iommu_ioas_map " + member));
        }
        assertThat(golden("offsetof iommu_ioas_map_file start")).isEqualTo(golden("offsetof iommu_ioas_map user_va"));
    }

    @Test
    void whatTheStructsBeginWithIsWhereTheCodeTakesItFor() {
        assertThat(golden("offsetof iommu_iova_range start")).isZero();
        assertThat(golden("offsetof vfio_info_cap_header id")).isZero();
        assertThat(golden("offsetof vfio_region_sparse_mmap_area offset")).isZero();
        assertThat(golden("offsetof vfio_pci_dependent_device devid")).isZero();
        assertThat(golden("offsetof vfio_device_feature_migration flags")).isZero();
        assertThat(golden("offsetof vfio_region_info_cap_sparse_mmap areas")).isEqualTo(VfioIoctl.SPARSE_SIZE);
        assertThat(golden("offsetof vfio_pci_hot_reset_info devices")).isEqualTo(VfioIoctl.HOT_RESET_INFO_SIZE);
        assertThat(golden("offsetof vfio_irq_set data")).isEqualTo(VfioIoctl.IRQ_SET_SIZE);
    }

    @Test
    void everyPublicIndexIsTheHeaders() {
        assertThat((long) VfioDevice.ROM_REGION).isEqualTo(golden("const VFIO_PCI_ROM_REGION_INDEX"));
        assertThat((long) VfioDevice.CONFIG_REGION).isEqualTo(golden("const VFIO_PCI_CONFIG_REGION_INDEX"));
        assertThat((long) VfioDevice.VGA_REGION).isEqualTo(golden("const VFIO_PCI_VGA_REGION_INDEX"));
        assertThat(golden("const VFIO_PCI_BAR0_REGION_INDEX")).isZero();
        assertThat((long) VfioDevice.INTX).isEqualTo(golden("const VFIO_PCI_INTX_IRQ_INDEX"));
        assertThat((long) VfioDevice.MSI).isEqualTo(golden("const VFIO_PCI_MSI_IRQ_INDEX"));
        assertThat((long) VfioDevice.MSIX).isEqualTo(golden("const VFIO_PCI_MSIX_IRQ_INDEX"));
        assertThat((long) VfioDevice.ERROR).isEqualTo(golden("const VFIO_PCI_ERR_IRQ_INDEX"));
        assertThat((long) VfioDevice.REQUEST).isEqualTo(golden("const VFIO_PCI_REQ_IRQ_INDEX"));
        assertThat((long) VfioDevice.VFIO_MIGRATION_STOP_COPY).isEqualTo(golden("const VFIO_MIGRATION_STOP_COPY"));
        assertThat((long) VfioDevice.VFIO_MIGRATION_P2P).isEqualTo(golden("const VFIO_MIGRATION_P2P"));
        assertThat((long) VfioDevice.VFIO_MIGRATION_PRE_COPY).isEqualTo(golden("const VFIO_MIGRATION_PRE_COPY"));
    }
}
