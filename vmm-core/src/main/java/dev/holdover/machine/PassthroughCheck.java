package dev.holdover.machine;

import dev.holdover.machine.Finding.Grade;
import dev.holdover.memory.ByteSize;
import dev.holdover.passthrough.HostPciDevice;
import dev.holdover.passthrough.HostPciDevice.Member;
import dev.holdover.passthrough.HostPciDevice.Obstacle;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Looks at which of this host's PCI devices guests can have. Reads files of /proc, /sys and /dev only. */
public final class PassthroughCheck {
    /** Of many devices, those that are named. */
    private static final int FEW = 6;

    private final Path root;
    private final List<Finding> findings = new ArrayList<>();

    /** Of this host. */
    public PassthroughCheck() {
        this(Path.of("/"));
    }

    /** @param root below which dev, proc and sys are */
    PassthroughCheck(Path root) {
        this.root = root;
    }

    /** All findings, in the order in which they matter. None keeps guests from running. */
    public List<Finding> run() {
        List<HostPciDevice> devices = HostPciDevice.all(root);
        List<HostPciDevice> behindIommu =
                devices.stream().filter(device -> device.group() != null).toList();
        if (behindIommu.isEmpty()) {
            add(
                    "IOMMU",
                    Grade.LIMITED,
                    "no device is behind an IOMMU: none can be passed to a guest (--vfio)",
                    "switch VT-d or AMD-Vi on in the firmware, on Intel with intel_iommu=on on the kernel's command line;"
                            + " in a VM, have its host give it a virtual IOMMU");
            return findings;
        }
        long groups = behindIommu.stream().map(HostPciDevice::group).distinct().count();
        add("IOMMU", Grade.OK, "PCI devices behind it: " + behindIommu.size() + ", in groups: " + groups, "");
        checkIommufd();
        checkLockedMemory();
        for (HostPciDevice device : devices) {
            if (device.isBoundToVfio()) {
                checkBound(device);
            }
        }
        countOthers(behindIommu);
        return findings;
    }

    private void checkIommufd() {
        Obstacle obstacle = HostPciDevice.iommufdObstacle(root);
        if (obstacle == null) {
            add("iommufd", Grade.OK, "/dev/iommu is there, and you may open it", "");
        } else {
            add("iommufd", Grade.LIMITED, obstacle.what() + ": devices cannot be passed", obstacle.advice());
        }
    }

    private void checkLockedMemory() {
        long limit = HostPciDevice.lockedMemory(root);
        if (limit != Long.MAX_VALUE) {
            add(
                    "locked memory",
                    Grade.LIMITED,
                    "RLIMIT_MEMLOCK is " + ByteSize.text(limit) + ": a guest with a device cannot have more RAM",
                    HostPciDevice.MORE_LOCKED);
        }
    }

    private void checkBound(HostPciDevice device) {
        Obstacle obstacle = device.obstacle(0);
        if (obstacle == null) {
            add("device", Grade.OK, device + " can be passed: --vfio " + device.address(), "");
        } else {
            add("device", Grade.LIMITED, device + " is bound to VFIO, but " + obstacle.what(), obstacle.advice());
        }
    }

    /** Devices of the host's own, which the guest may be given. */
    private void countOthers(List<HostPciDevice> behindIommu) {
        List<HostPciDevice> alone = new ArrayList<>();
        Map<Integer, HostPciDevice> shared = new TreeMap<>();
        int sharing = 0;
        for (HostPciDevice device : behindIommu) {
            // The host's own bridge and the one to ISA could be passed, but nobody wants them.
            if (device.kind().equals("bridge") || device.isBoundToVfio()) {
                continue;
            }
            if (device.members().stream().noneMatch(Member::isHosts)) {
                alone.add(device);
            } else {
                sharing++;
                shared.putIfAbsent(Integer.valueOf(device.group()), device);
            }
        }
        if (!alone.isEmpty()) {
            alone.sort((a, b) -> Integer.compare(rank(a), rank(b)));
            add(
                    "other devices",
                    Grade.OK,
                    alone.size() + " could be passed once bound to vfio-pci: " + named(alone),
                    "to take " + alone.getFirst().address() + " from the host until its next boot: "
                            + alone.getFirst().bindCommands());
        }
        if (!shared.isEmpty()) {
            add(
                    "shared groups",
                    Grade.OK,
                    sharing + " devices share their group with others that the host uses: " + groups(shared),
                    "");
        }
    }

    /** What people pass comes first: disks, networks, graphics, accelerators. */
    private static int rank(HostPciDevice device) {
        return switch (device.kind()) {
            case "network", "storage", "display", "accelerator" -> 0;
            case "system", "signal processing", "memory", "other" -> 2;
            default -> 1;
        };
    }

    private static String named(List<HostPciDevice> devices) {
        StringBuilder text = new StringBuilder();
        for (HostPciDevice device : devices.subList(0, Math.min(FEW, devices.size()))) {
            text.append(text.isEmpty() ? "" : ", ").append(device.address()).append(" (");
            text.append(device.kind());
            text.append(device.driver() == null ? ")" : ", " + device.driver() + ")");
        }
        return devices.size() <= FEW ? text.toString() : text + " and " + (devices.size() - FEW) + " more";
    }

    private static String groups(Map<Integer, HostPciDevice> shared) {
        StringBuilder text = new StringBuilder();
        int shown = 0;
        for (Map.Entry<Integer, HostPciDevice> entry : shared.entrySet()) {
            if (shown++ == FEW) {
                return text + " and " + (shared.size() - FEW) + " more";
            }
            text.append(text.isEmpty() ? "group " : ", group ").append(entry.getKey());
            List<String> drivers = new ArrayList<>();
            if (entry.getValue().driver() != null) {
                drivers.add(entry.getValue().driver());
            }
            for (Member member : entry.getValue().members()) {
                if (member.isHosts() && !drivers.contains(member.driver())) {
                    drivers.add(member.driver());
                }
            }
            text.append(" (").append(String.join(", ", drivers)).append(')');
        }
        return text.toString();
    }

    private void add(String subject, Grade grade, String text, String advice) {
        findings.add(new Finding(subject, grade, text, advice));
    }
}
