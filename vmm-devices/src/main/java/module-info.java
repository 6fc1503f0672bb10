/** The devices of a machine: each has its registers, a record of its state, and its I/O. Knows no machine and no option. */
module dev.holdover.devices {
    requires transitive dev.holdover.memory;
    requires transitive dev.holdover.kvm;
    requires transitive dev.holdover.migration;

    exports dev.holdover.passthrough;
    exports dev.holdover.pci;
    exports dev.holdover.platform;
    exports dev.holdover.serial;
    exports dev.holdover.virtio;
}
