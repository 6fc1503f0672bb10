/** The state file, and who holds a guest while its VMM is away. Knows nothing of KVM and of devices. */
module dev.holdover.migration {
    requires transitive dev.holdover.memory;
    requires com.fasterxml.jackson.core;

    exports dev.holdover.handover;
    exports dev.holdover.json;
    exports dev.holdover.liveupdate;
    exports dev.holdover.luod;
    exports dev.holdover.vmstate;
}
