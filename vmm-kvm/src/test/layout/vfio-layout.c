/*
 * Prints sizes, offsets and numbers of linux/vfio.h and linux/iommufd.h as the Java code must have them. Not part of the
 * build: src/test/layout/update compiles it and writes the golden file that VfioLayoutTest reads.
 */
#include <stdio.h>
#include <stddef.h>
#include <linux/vfio.h>
#include <linux/iommufd.h>
int main(){
#define I(n) printf("ioctl " #n " 0x%lx\n",(unsigned long)n)
I(IOMMU_DESTROY);I(IOMMU_IOAS_ALLOC);I(IOMMU_IOAS_IOVA_RANGES);I(IOMMU_IOAS_MAP);I(IOMMU_IOAS_UNMAP);I(IOMMU_HWPT_ALLOC);I(IOMMU_IOAS_MAP_FILE);I(IOMMU_IOAS_CHANGE_PROCESS);
I(VFIO_DEVICE_GET_INFO);I(VFIO_DEVICE_GET_REGION_INFO);I(VFIO_DEVICE_GET_IRQ_INFO);I(VFIO_DEVICE_SET_IRQS);I(VFIO_DEVICE_RESET);I(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO);I(VFIO_DEVICE_PCI_HOT_RESET);I(VFIO_DEVICE_FEATURE);I(VFIO_DEVICE_BIND_IOMMUFD);I(VFIO_DEVICE_ATTACH_IOMMUFD_PT);I(VFIO_DEVICE_DETACH_IOMMUFD_PT);
#define C(n) printf("const " #n " %ld\n",(long)(n))
C(IOMMU_IOAS_MAP_FIXED_IOVA);C(IOMMU_IOAS_MAP_WRITEABLE);C(IOMMU_IOAS_MAP_READABLE);
C(VFIO_DEVICE_FLAGS_RESET);C(VFIO_DEVICE_FLAGS_PCI);
C(VFIO_REGION_INFO_FLAG_READ);C(VFIO_REGION_INFO_FLAG_WRITE);C(VFIO_REGION_INFO_FLAG_MMAP);C(VFIO_REGION_INFO_FLAG_CAPS);C(VFIO_REGION_INFO_CAP_SPARSE_MMAP);C(VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
C(VFIO_IRQ_INFO_EVENTFD);C(VFIO_IRQ_INFO_MASKABLE);C(VFIO_IRQ_INFO_AUTOMASKED);C(VFIO_IRQ_INFO_NORESIZE);
C(VFIO_IRQ_SET_DATA_NONE);C(VFIO_IRQ_SET_DATA_EVENTFD);C(VFIO_IRQ_SET_ACTION_MASK);C(VFIO_IRQ_SET_ACTION_UNMASK);C(VFIO_IRQ_SET_ACTION_TRIGGER);
C(VFIO_PCI_HOT_RESET_FLAG_DEV_ID);C(VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED);C(VFIO_PCI_DEVID_OWNED);C(VFIO_PCI_DEVID_NOT_OWNED);
C(VFIO_DEVICE_FEATURE_GET);C(VFIO_DEVICE_FEATURE_MIGRATION);C(VFIO_MIGRATION_STOP_COPY);C(VFIO_MIGRATION_P2P);C(VFIO_MIGRATION_PRE_COPY);
C(VFIO_PCI_BAR0_REGION_INDEX);C(VFIO_PCI_ROM_REGION_INDEX);C(VFIO_PCI_CONFIG_REGION_INDEX);C(VFIO_PCI_VGA_REGION_INDEX);
C(VFIO_PCI_INTX_IRQ_INDEX);C(VFIO_PCI_MSI_IRQ_INDEX);C(VFIO_PCI_MSIX_IRQ_INDEX);C(VFIO_PCI_ERR_IRQ_INDEX);C(VFIO_PCI_REQ_IRQ_INDEX);
#define S(t) printf("sizeof " #t " %zu\n", sizeof(struct t))
#define O(t,f) printf("offsetof " #t " " #f " %zu\n", offsetof(struct t,f))
S(iommu_destroy);O(iommu_destroy,id);
S(iommu_ioas_alloc);O(iommu_ioas_alloc,flags);O(iommu_ioas_alloc,out_ioas_id);
S(iommu_iova_range);O(iommu_iova_range,start);O(iommu_iova_range,last);
S(iommu_ioas_iova_ranges);O(iommu_ioas_iova_ranges,ioas_id);O(iommu_ioas_iova_ranges,num_iovas);O(iommu_ioas_iova_ranges,allowed_iovas);O(iommu_ioas_iova_ranges,out_iova_alignment);
S(iommu_ioas_map);O(iommu_ioas_map,flags);O(iommu_ioas_map,ioas_id);O(iommu_ioas_map,user_va);O(iommu_ioas_map,length);O(iommu_ioas_map,iova);
S(iommu_ioas_map_file);O(iommu_ioas_map_file,flags);O(iommu_ioas_map_file,ioas_id);O(iommu_ioas_map_file,fd);O(iommu_ioas_map_file,start);O(iommu_ioas_map_file,length);O(iommu_ioas_map_file,iova);
S(iommu_ioas_unmap);O(iommu_ioas_unmap,ioas_id);O(iommu_ioas_unmap,iova);O(iommu_ioas_unmap,length);
S(iommu_ioas_change_process);
S(iommu_hwpt_alloc);O(iommu_hwpt_alloc,flags);O(iommu_hwpt_alloc,dev_id);O(iommu_hwpt_alloc,pt_id);O(iommu_hwpt_alloc,out_hwpt_id);
S(vfio_device_bind_iommufd);O(vfio_device_bind_iommufd,flags);O(vfio_device_bind_iommufd,iommufd);O(vfio_device_bind_iommufd,out_devid);
S(vfio_device_attach_iommufd_pt);O(vfio_device_attach_iommufd_pt,flags);O(vfio_device_attach_iommufd_pt,pt_id);
S(vfio_device_detach_iommufd_pt);O(vfio_device_detach_iommufd_pt,flags);
S(vfio_device_info);O(vfio_device_info,flags);O(vfio_device_info,num_regions);O(vfio_device_info,num_irqs);
S(vfio_region_info);O(vfio_region_info,flags);O(vfio_region_info,index);O(vfio_region_info,cap_offset);O(vfio_region_info,size);O(vfio_region_info,offset);
S(vfio_info_cap_header);O(vfio_info_cap_header,id);O(vfio_info_cap_header,version);O(vfio_info_cap_header,next);
S(vfio_region_info_cap_sparse_mmap);O(vfio_region_info_cap_sparse_mmap,nr_areas);O(vfio_region_info_cap_sparse_mmap,areas);
S(vfio_region_sparse_mmap_area);O(vfio_region_sparse_mmap_area,offset);O(vfio_region_sparse_mmap_area,size);
S(vfio_irq_info);O(vfio_irq_info,flags);O(vfio_irq_info,index);O(vfio_irq_info,count);
S(vfio_irq_set);O(vfio_irq_set,flags);O(vfio_irq_set,index);O(vfio_irq_set,start);O(vfio_irq_set,count);O(vfio_irq_set,data);
S(vfio_pci_hot_reset_info);O(vfio_pci_hot_reset_info,flags);O(vfio_pci_hot_reset_info,count);O(vfio_pci_hot_reset_info,devices);
S(vfio_pci_dependent_device);O(vfio_pci_dependent_device,devid);O(vfio_pci_dependent_device,segment);O(vfio_pci_dependent_device,bus);O(vfio_pci_dependent_device,devfn);
S(vfio_pci_hot_reset);O(vfio_pci_hot_reset,flags);O(vfio_pci_hot_reset,count);
S(vfio_device_feature);O(vfio_device_feature,flags);O(vfio_device_feature,data);
S(vfio_device_feature_migration);O(vfio_device_feature_migration,flags);
}
