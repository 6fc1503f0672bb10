package dev.holdover.kvm;

import dev.holdover.linux.Errno;

/**
 * Why this process cannot use KVM, and what to do about it. {@link Kvm#open} finds it and throws it in a {@link
 * KvmUnavailable}; this is the one place that words it.
 */
public sealed interface KvmProblem {
    /** What failed, on what, with the errno's name, and the cause: a clause without a full stop. */
    String what();

    /** What to do about it: an imperative clause without a full stop. */
    String advice();

    /** Both, as one sentence for the user, without a full stop. */
    default String sentence() {
        return what() + ": " + advice();
    }

    /**
     * A container that was not given the device node.
     *
     * @param hostHasNone whether the host's kernel and the CPU show no sign of KVM either
     */
    record NoDeviceInContainer(Errno errno, boolean hostHasNone) implements KvmProblem {
        @Override
        public String what() {
            String what = cannotOpen(errno) + ": this container was started without the device";
            return hostHasNone ? what + ", and its host shows no KVM either" : what;
        }

        @Override
        public String advice() {
            return hostHasNone
                    ? "start the container with --device /dev/kvm on a host that has KVM"
                    : "start the container with --device /dev/kvm";
        }
    }

    /** A container, or a unit of systemd, whose cgroup forbids the device. */
    record ForbiddenByCgroup(Errno errno, boolean container) implements KvmProblem {
        @Override
        public String what() {
            return cannotOpen(errno) + ": the device rules of this "
                    + (container ? "container" : "process's cgroup or security module") + " forbid it";
        }

        @Override
        public String advice() {
            return container
                    ? "start the container with --device /dev/kvm"
                    : "allow it there, for example by DeviceAllow=/dev/kvm rw in the systemd unit";
        }
    }

    /** A VM whose host offers it no virtualisation of its own. */
    record NoNesting(Errno errno) implements KvmProblem {
        @Override
        public String what() {
            return cannotOpen(errno)
                    + ": this host is a VM without nested virtualisation (its CPU shows neither vmx nor" + " svm)"
                    + nodeAlone(errno);
        }

        @Override
        public String advice() {
            return "have nesting enabled for this VM on its host, or use a host that has KVM";
        }
    }

    /**
     * A CPU that could, under a kernel that has not loaded KVM.
     *
     * @param module the module for this CPU: kvm_intel or kvm_amd
     * @param container whether the module is to be loaded outside of a container
     */
    record NotLoaded(Errno errno, String module, boolean container) implements KvmProblem {
        @Override
        public String what() {
            return cannotOpen(errno) + ": the CPU has " + (module.equals("kvm_amd") ? "svm" : "vmx")
                    + ", but KVM is not loaded" + nodeAlone(errno);
        }

        @Override
        public String advice() {
            return "run modprobe " + module + " as root" + (container ? " on the container's host" : "")
                    + "; if that fails, enable " + (module.equals("kvm_amd") ? "AMD-V (SVM)" : "VT-x")
                    + " in the firmware";
        }
    }

    /** A kernel that has KVM, but nobody made the device node. */
    record NoNode(Errno errno) implements KvmProblem {
        @Override
        public String what() {
            return cannotOpen(errno) + ": the kernel has KVM, but the device node is missing";
        }

        @Override
        public String advice() {
            return "have udev make it, or run mknod /dev/kvm c 10 232 as root";
        }
    }

    /** A CPU without virtualisation, or firmware that hides it. */
    record NoVirtualisation(Errno errno) implements KvmProblem {
        @Override
        public String what() {
            return cannotOpen(errno) + ": the CPU shows neither vmx nor svm" + nodeAlone(errno);
        }

        @Override
        public String advice() {
            return "enable VT-x or AMD-V (SVM) in the firmware, or use a host whose CPU has it";
        }
    }

    /** A device node that is not KVM's: its number has no driver. */
    record WrongNode(Errno errno) implements KvmProblem {
        @Override
        public String what() {
            return cannotOpen(errno) + ": the kernel has KVM, but this is not its device node";
        }

        @Override
        public String advice() {
            return "remove it, and have udev make it or run mknod /dev/kvm c 10 232 as root";
        }
    }

    /**
     * A user who may not open the device node.
     *
     * @param user who runs this process
     * @param group the name of the node's group
     * @param groupId its number
     * @param groupMay whether membership of the group would be enough
     * @param container whether the group is given by the container's runtime
     */
    record NoPermission(Errno errno, String user, String group, int groupId, boolean groupMay, boolean container)
            implements KvmProblem {
        @Override
        public String what() {
            return cannotOpen(errno) + ": only " + (groupMay ? "the group " + group : "its owner")
                    + " may, and not the user " + user;
        }

        @Override
        public String advice() {
            if (!groupMay) {
                return "run chgrp kvm /dev/kvm and chmod 660 /dev/kvm as root, and usermod -aG kvm " + user
                        + ", then log in again";
            }
            return container
                    ? "start the container with --group-add " + groupId
                    : "run usermod -aG " + group + " " + user + " as root, then log in again";
        }
    }

    /** Something else that answers at /dev/kvm. */
    record NotKvm(Errno errno) implements KvmProblem {
        @Override
        public String what() {
            return "/dev/kvm is not KVM: ioctl KVM_GET_API_VERSION: " + named(errno);
        }

        @Override
        public String advice() {
            return "have udev or the container's runtime make the device, character 10:232";
        }
    }

    /** A KVM of another API version. */
    record OtherVersion(long version, int expected) implements KvmProblem {
        @Override
        public String what() {
            return "/dev/kvm has API version " + version + ", and this VMM needs " + expected;
        }

        @Override
        public String advice() {
            return "use a host with a newer kernel";
        }
    }

    /** A KVM without something that every guest needs. */
    record LacksCapability(KvmCap cap) implements KvmProblem {
        @Override
        public String what() {
            return "this host's KVM lacks KVM_CAP_" + cap.name() + " (" + cap.meaning()
                    + "), which every guest here needs";
        }

        @Override
        public String advice() {
            return "use a newer kernel";
        }
    }

    /** A KVM that makes no VM: the CPU refuses, or another hypervisor has it. */
    record NoVm(Errno errno) implements KvmProblem {
        @Override
        public String what() {
            return "/dev/kvm opens, but makes no VM: ioctl KVM_CREATE_VM: " + named(errno);
        }

        @Override
        public String advice() {
            return errno == Errno.EBUSY
                    ? "end the other hypervisor that uses the CPU's virtualisation"
                    : "see the kernel's log (dmesg)";
        }
    }

    /** Anything else. */
    record Other(Errno errno) implements KvmProblem {
        @Override
        public String what() {
            return cannotOpen(errno);
        }

        @Override
        public String advice() {
            return "see the kernel's log (dmesg)";
        }
    }

    private static String cannotOpen(Errno errno) {
        return "cannot open /dev/kvm: " + named(errno);
    }

    private static String named(Errno errno) {
        return errno.name() + " (" + errno.text() + ")";
    }

    /** That the node is there means nothing: one that is made by hand always is. */
    private static String nodeAlone(Errno errno) {
        return errno == Errno.ENOENT ? "" : ", although the device node is there";
    }
}
