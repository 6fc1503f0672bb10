package dev.holdover.machine;

import dev.holdover.kvm.Kvm;
import dev.holdover.kvm.KvmCap;
import dev.holdover.kvm.KvmUnavailable;
import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.state.Msrs;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import dev.holdover.machine.Finding.Grade;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Looks at what this host can do for guests, by trying it. Needs no machine. */
public final class HostCheck {
    private static final KvmCap[] NEEDED = {
        KvmCap.USER_MEMORY,
        KvmCap.IRQCHIP,
        KvmCap.PIT2,
        KvmCap.IRQFD,
        KvmCap.IOEVENTFD,
        KvmCap.IMMEDIATE_EXIT,
        KvmCap.MP_STATE,
        KvmCap.VCPU_EVENTS,
        KvmCap.XSAVE,
        KvmCap.XCRS,
        KvmCap.DEBUGREGS,
        KvmCap.ADJUST_CLOCK
    };
    private static final KvmCap[] WELCOME = {
        KvmCap.SREGS2,
        KvmCap.XSAVE2,
        KvmCap.TSC_CONTROL,
        KvmCap.GET_TSC_KHZ,
        KvmCap.TSC_DEADLINE_TIMER,
        KvmCap.KVMCLOCK_CTRL,
        KvmCap.READONLY_MEM
    };

    private final List<Finding> findings = new ArrayList<>();

    /** Nothing is looked at yet. */
    public HostCheck() {}

    /** All findings, in the order in which they matter. */
    public List<Finding> run() {
        checkKvm();
        findings.addAll(new KernelCheck().run());
        checkMemfd();
        checkTun();
        findings.addAll(new LiveUpdateCheck().run());
        findings.addAll(new PassthroughCheck().run());
        return findings;
    }

    private void checkKvm() {
        try (Kvm kvm = Kvm.open()) {
            add("kvm", Grade.OK, "/dev/kvm opens; served by " + modules(), "");
            StringBuilder needed = new StringBuilder();
            StringBuilder welcome = new StringBuilder();
            lacking(kvm, NEEDED, needed);
            lacking(kvm, WELCOME, welcome);
            if (needed.isEmpty()) {
                add("kvm capabilities", Grade.OK, "all that guests here need", "");
            } else {
                add("kvm capabilities", Grade.LACKING, "no" + needed, "use a newer kernel");
            }
            if (!welcome.isEmpty()) {
                add("kvm capabilities", Grade.LIMITED, "no" + welcome, "nothing to do: the VMM goes without");
            }
            add(
                    "vCPUs",
                    Grade.OK,
                    kvm.check(KvmCap.NR_VCPUS) + " recommended, "
                            + Math.min(kvm.check(KvmCap.MAX_VCPUS), Machine.MAX_CPUS) + " at most",
                    "");
            checkMsrs(kvm);
            checkSpeed(kvm);
        } catch (KvmUnavailable e) {
            add("kvm", Grade.LACKING, e.problem().what(), e.problem().advice());
        } catch (VmmException e) {
            add("kvm", Grade.LACKING, e.getMessage(), "");
        } catch (ErrnoException e) {
            add("kvm", Grade.LACKING, e.getMessage(), "see the kernel's log");
        }
    }

    private static void lacking(Kvm kvm, KvmCap[] caps, StringBuilder into) {
        for (KvmCap cap : caps) {
            if (!kvm.has(cap)) {
                into.append(into.isEmpty() ? " " : ", ")
                        .append(cap.name())
                        .append(" (")
                        .append(cap.meaning())
                        .append(')');
            }
        }
    }

    private static String modules() {
        StringBuilder names = new StringBuilder();
        for (String module : new String[] {"kvm_intel", "kvm_amd", "kvm_pvm"}) {
            if (Files.isDirectory(Path.of("/sys/module", module))) {
                names.append(names.isEmpty() ? "" : " and ").append(module);
            }
        }
        return names.isEmpty() ? "an unknown module" : names.toString();
    }

    private void checkMsrs(Kvm kvm) {
        try (KvmVm vm = kvm.createVm()) {
            vm.createIrqchip();
            try (KvmVcpu vcpu = vm.createVcpu(0)) {
                vcpu.setCpuid(kvm.supportedCpuid());
                StringBuilder refused = new StringBuilder();
                int count = 0;
                for (int index : kvm.msrIndexes()) {
                    Msrs one = new Msrs(index);
                    if (vcpu.tryGetMsrs(one) == 1 && vcpu.trySetMsrs(one) == 0) {
                        refused.append(count++ == 0 ? "" : ", ").append("0x").append(Integer.toHexString(index));
                    }
                }
                if (count > 0) {
                    add(
                            "MSRs",
                            Grade.LIMITED,
                            "KVM lists " + refused + " but does not take back the value that it gives",
                            "nothing to do: the VMM leaves them out of a guest's state");
                }
            }
        }
    }

    private void checkSpeed(Kvm kvm) {
        double nanos = GuestSpeed.nanosPerInstruction(kvm);
        double tenths = Math.round(nanos * 10) / 10.0;
        if (GuestSpeed.isEmulated(nanos)) {
            add(
                    "guest speed",
                    Grade.LIMITED,
                    "guest kernel code runs at " + tenths + " ns an instruction: KVM here has no hardware"
                            + " virtualisation and emulates it (guest user code may run natively)",
                    "small test guests run; for Linux guests use a host with VT-x or AMD-V, or the lab (docs/lab.md)");
        } else {
            add("guest speed", Grade.OK, "guest kernel code runs at " + tenths + " ns an instruction", "");
        }
    }

    private void checkMemfd() {
        try (Fd memfd = Memfd.create("doctor", 4096)) {
            add("memfd", Grade.OK, memfd.name() + " made", "");
        } catch (ErrnoException e) {
            add(
                    "memfd",
                    Grade.LACKING,
                    "guests get no RAM: " + e.getMessage(),
                    "make /dev/shm writable, or sysctl vm.memfd_noexec=1");
        }
    }

    private void checkTun() {
        try (Fd tun = Fd.open("/dev/net/tun", Fd.O_RDWR)) {
            add("network", Grade.OK, tun.name() + " opens: --net works", "");
        } catch (ErrnoException e) {
            add(
                    "network",
                    Grade.LIMITED,
                    "no --net: " + e.getMessage(),
                    "modprobe tun; to use taps be root, or have one made for your user");
        }
    }

    private void add(String subject, Grade grade, String text, String advice) {
        findings.add(new Finding(subject, grade, text, advice));
    }
}
