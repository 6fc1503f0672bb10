package dev.holdover.kvm;

import dev.holdover.linux.Errno;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.util.List;
import java.util.Set;

/**
 * Finds out why /dev/kvm did not open, by what the host shows in its files. Reads a few small ones; what cannot be read
 * counts as not there.
 *
 * @param root where /proc, /dev and the container's marks are; "/" but in tests
 */
record KvmDiagnosis(Path root) {
    /** Files that a container's runtime leaves in it: Docker, Podman, systemd. */
    private static final List<String> MARKS = List.of(".dockerenv", "run/.containerenv", "run/systemd/container");
    /** Variables that runtimes set: systemd, LXC and Podman the first, Kubernetes the second. */
    private static final List<String> VARIABLES = List.of("container=", "KUBERNETES_SERVICE_HOST=");
    /** Parts of a container's cgroup, and of the directories its root is an overlay of. */
    private static final List<String> RUNTIMES =
            List.of("docker", "kubepods", "containerd", "libpod", "containers/storage", "lxc");

    /** Whom the device node belongs to, and what its group may. */
    private record Owner(String group, int groupId, boolean groupMay) {}

    /** What it means that opening the device node failed with this errno. */
    KvmProblem ofOpen(Errno errno) {
        return switch (errno) {
            case ENOENT, ENODEV, ENXIO -> withoutDevice(errno);
            case EACCES -> withoutPermission(errno);
            case EPERM -> new KvmProblem.ForbiddenByCgroup(errno, isContainer());
            default -> new KvmProblem.Other(errno);
        };
    }

    private KvmProblem withoutDevice(Errno errno) {
        Set<String> cpu = cpuFlags();
        boolean listed =
                lines("proc/misc").stream().anyMatch(line -> line.strip().endsWith(" kvm"));
        String module = cpu.contains("vmx") ? "kvm_intel" : cpu.contains("svm") ? "kvm_amd" : "";
        boolean container = isContainer();
        if (container && errno == Errno.ENOENT) {
            boolean unknown = cpu.isEmpty() || !Files.isReadable(root.resolve("proc/misc"));
            return new KvmProblem.NoDeviceInContainer(errno, !listed && module.isEmpty() && !unknown);
        }
        if (listed) {
            return errno == Errno.ENOENT ? new KvmProblem.NoNode(errno) : new KvmProblem.WrongNode(errno);
        }
        if (!module.isEmpty()) {
            return new KvmProblem.NotLoaded(errno, module, container);
        }
        if (cpu.isEmpty()) {
            return new KvmProblem.Other(errno);
        }
        return cpu.contains("hypervisor") ? new KvmProblem.NoNesting(errno) : new KvmProblem.NoVirtualisation(errno);
    }

    private KvmProblem withoutPermission(Errno errno) {
        Owner owner = owner();
        return new KvmProblem.NoPermission(
                errno,
                System.getProperty("user.name"),
                owner.group(),
                owner.groupId(),
                owner.groupMay(),
                isContainer());
    }

    private Owner owner() {
        Path node = root.resolve("dev/kvm");
        try {
            PosixFileAttributes attributes = Files.readAttributes(node, PosixFileAttributes.class);
            int groupId = (Integer) Files.getAttribute(node, "unix:gid");
            boolean groupMay = attributes
                    .permissions()
                    .containsAll(Set.of(PosixFilePermission.GROUP_READ, PosixFilePermission.GROUP_WRITE));
            // Nobody is made a member of root's group for a device.
            return new Owner(attributes.group().getName(), groupId, groupMay && groupId != 0);
        } catch (IOException e) {
            return new Owner("kvm", 0, false);
        }
    }

    /** The flags of the first CPU; empty if they cannot be read. */
    private Set<String> cpuFlags() {
        for (String line : lines("proc/cpuinfo")) {
            if (line.startsWith("flags")) {
                String flags = line.substring(line.indexOf(':') + 1).strip();
                return Set.copyOf(List.of(flags.split("\\s+", -1)));
            }
        }
        return Set.of();
    }

    private boolean isContainer() {
        return MARKS.stream().anyMatch(mark -> Files.exists(root.resolve(mark)))
                || hasVariable("proc/1/environ")
                || hasVariable("proc/self/environ")
                || lines("proc/1/cgroup").stream().anyMatch(KvmDiagnosis::namesARuntime)
                || lines("proc/self/mountinfo").stream()
                        .anyMatch(
                                line -> line.contains(" / / ") && line.contains(" - overlay ") && namesARuntime(line));
    }

    private boolean hasVariable(String environ) {
        for (String variable : text(environ).split("\0", -1)) {
            for (String name : VARIABLES) {
                if (variable.startsWith(name) && variable.length() > name.length()) {
                    return true;
                }
            }
        }
        return false;
    }

    private static boolean namesARuntime(String line) {
        return RUNTIMES.stream().anyMatch(line::contains);
    }

    private List<String> lines(String file) {
        return text(file).lines().toList();
    }

    private String text(String file) {
        try {
            return new String(Files.readAllBytes(root.resolve(file)), StandardCharsets.UTF_8);
        } catch (IOException e) {
            return "";
        }
    }
}
