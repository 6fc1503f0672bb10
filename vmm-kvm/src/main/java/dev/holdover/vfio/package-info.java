/**
 * A host's device given to a guest: {@link dev.holdover.vfio.Iommufd} (/dev/iommu, which memory a device reaches) and
 * {@link dev.holdover.vfio.VfioDevice} (/dev/vfio/devices/vfioN, the device itself). File descriptors and ioctls only; what
 * PCI is, is known elsewhere. The older VFIO groups and containers are not used.
 *
 * <p>In this order: open both; BIND_IOMMUFD, before which the kernel answers nothing else on the device; IOAS_ALLOC, an
 * empty address space; ATTACH, after which the device reaches what is mapped there and nothing else; IOVA_RANGES, which
 * an attach narrows; IOAS_MAP_FILE of the guest's RAM, IOVA = guest-physical address; then regions, interrupts and reset.
 * Closing the device's last descriptor resets it and takes it out; closing the iommufd unmaps everything and unpins RAM.
 *
 * <p>Another process takes a device over with both descriptors (SCM_RIGHTS, or kept over an exec): binding, attachment and
 * mappings belong to them and stay, and the device's DMA goes on. The new process adopts them, says CHANGE_PROCESS so
 * that pinned memory counts as its own, maps the regions anew and sets the interrupts' eventfds anew. It cannot bind a
 * second time, so the device's id and the address space's have to be told to it. CHANGE_PROCESS demands that all was
 * mapped by file: RAM without one cannot be handed on.
 *
 * <p>Not here: keeping an iommufd over a kexec. No released kernel can (7.3 has no such ioctl); the series under review
 * has one that marks a hardware page table to be preserved and one that restores it, but their numbers are not
 * assigned - the one that an early version used means something else in 7.3 (IOMMU_IOAS_NOIOMMU_GET_PA) - and names
 * and structs have changed from version to version. A guess would call another ioctl.
 *
 * <p>Source throughout: include/uapi/linux/iommufd.h and vfio.h of Linux 7.3, Documentation/userspace-api/iommufd.rst and
 * Documentation/driver-api/vfio.rst.
 */
package dev.holdover.vfio;
