/** File descriptors of KVM, VFIO and iommufd, one class a kind and one method an ioctl. Knows no policy and no order. */
module dev.holdover.kvm {
    requires transitive dev.holdover.memory;

    exports dev.holdover.kvm;
    exports dev.holdover.kvm.state;
    exports dev.holdover.vfio;
}
