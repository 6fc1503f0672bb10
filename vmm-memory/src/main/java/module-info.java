/** Linux system calls through one downcall, and guest RAM. Knows nothing of KVM. */
module dev.holdover.memory {
    exports dev.holdover.linux;
    exports dev.holdover.memory;
}
