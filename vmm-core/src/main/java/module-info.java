/** The machine, its boot and the command line. */
module dev.holdover.core {
    requires transitive dev.holdover.memory;
    requires transitive dev.holdover.kvm;
    requires transitive dev.holdover.migration;
    requires transitive dev.holdover.devices;
    requires com.fasterxml.jackson.core;
    requires info.picocli;
    requires jdk.jfr;

    exports dev.holdover.boot;
    exports dev.holdover.machine;

    // Its annotations are read by reflection.
    opens dev.holdover.cli to
            info.picocli;
}
