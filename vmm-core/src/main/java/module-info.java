/** The machine, its boot, its devices and the command line. */
module dev.holdover.core {
    requires transitive dev.holdover.memory;
    requires transitive dev.holdover.kvm;
    requires transitive dev.holdover.migration;
    requires com.fasterxml.jackson.core;
    requires info.picocli;
    requires jdk.jfr;

    exports dev.holdover.boot;
    exports dev.holdover.device;
    exports dev.holdover.device.vfio;
    exports dev.holdover.device.pci;
    exports dev.holdover.machine;
    exports dev.holdover.virtio;

    // Its annotations are read by reflection.
    opens dev.holdover.cli to
            info.picocli;
}
