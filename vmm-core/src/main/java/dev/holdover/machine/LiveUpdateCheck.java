package dev.holdover.machine;

import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.NextKernel;
import dev.holdover.machine.Finding.Grade;
import dev.holdover.memory.ByteSize;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;

/**
 * Looks at what guests need to outlive a kexec of this host. Reads files of /proc, /sys and /dev only: /dev/liveupdate is
 * never opened, as it takes one process at a time and luod would be kept out.
 */
public final class LiveUpdateCheck {
    /** A guest takes luod two descriptors, and its VMM some twenty and one or two a device. */
    private static final long FEW_FILES = 1024;

    private final Path root;
    private final List<Finding> findings = new ArrayList<>();

    /** Of this host. */
    public LiveUpdateCheck() {
        this(Path.of("/"));
    }

    /** @param root below which dev, proc and sys are */
    LiveUpdateCheck(Path root) {
        this.root = root;
    }

    /** All findings, in the order in which they matter. None keeps guests from running. */
    public List<Finding> run() {
        checkDevice();
        checkCommandLine();
        checkKexec();
        checkHugePages();
        checkMemfd();
        checkFiles();
        checkMemory();
        return findings;
    }

    private void checkDevice() {
        Path device = root.resolve("dev/liveupdate");
        if (!Files.exists(device)) {
            add(
                    "live update",
                    Grade.LIMITED,
                    "no /dev/liveupdate: guests cannot outlive a kexec of this host",
                    "boot a kernel with CONFIG_LIVEUPDATE (6.19 or newer) with kho=on liveupdate=on; to replace a VMM"
                            + " alone, luod --backend hold does without");
            return;
        }
        String who = openedBy(device);
        if (Files.isReadable(device) && Files.isWritable(device)) {
            add("live update", Grade.OK, "/dev/liveupdate is there; you may open it (" + who + ")", "");
        } else {
            add(
                    "live update",
                    Grade.LIMITED,
                    "/dev/liveupdate is there, but you may not open it (" + who + ")",
                    "run luod as root: VMMs need no access of their own with --live-update luod");
        }
    }

    private static String openedBy(Path device) {
        try {
            PosixFileAttributes attributes = Files.readAttributes(device, PosixFileAttributes.class);
            return attributes.owner().getName() + ":" + attributes.group().getName() + ", "
                    + PosixFilePermissions.toString(attributes.permissions());
        } catch (IOException e) {
            return "its owner is unknown";
        }
    }

    private void checkCommandLine() {
        String commandLine = read("proc/cmdline");
        if (commandLine == null) {
            add("kernel options", Grade.LIMITED, "/proc/cmdline cannot be read", "mount /proc");
            return;
        }
        try {
            NextKernel.check(commandLine);
            add("kernel options", Grade.OK, "booted with kho=on liveupdate=on", "");
        } catch (VmmException e) {
            add(
                    "kernel options",
                    Grade.LIMITED,
                    "not booted with kho=on liveupdate=on: such a kernel hands nothing on to the next, nor takes it",
                    "add them to the boot loader's command line, and to that of each kernel that luoctl load loads");
        }
    }

    private void checkKexec() {
        String loaded = read("sys/kernel/kexec_loaded");
        if (loaded == null) {
            add(
                    "kexec",
                    Grade.LIMITED,
                    "this kernel has no kexec: it cannot reboot into another without losing RAM",
                    "boot a kernel with CONFIG_KEXEC_FILE and CONFIG_KEXEC_HANDOVER");
        } else if (loaded.equals("1")) {
            add("kexec", Grade.OK, "the next kernel is loaded: ./vmm luoctl kexec boots it", "");
        } else if ("1".equals(read("proc/sys/kernel/kexec_load_disabled"))) {
            add(
                    "kexec",
                    Grade.LIMITED,
                    "no next kernel is loaded, and kernel.kexec_load_disabled=1 forbids it until a reboot",
                    "keep that sysctl 0 at the next boot");
        } else {
            add(
                    "kexec",
                    Grade.OK,
                    "no next kernel is loaded; before an update: ./vmm luoctl load KERNEL --reuse-cmdline",
                    "");
        }
    }

    private void checkHugePages() {
        String setting = read("sys/kernel/mm/transparent_hugepage/shmem_enabled");
        if (setting == null) {
            add(
                    "huge pages",
                    Grade.LIMITED,
                    "this kernel has no transparent huge pages for shared memory: preserving RAM over a live update"
                            + " takes some 140 ms a GiB instead of 1",
                    "boot a kernel with CONFIG_TRANSPARENT_HUGEPAGE");
            return;
        }
        int open = setting.indexOf('[');
        int close = setting.indexOf(']');
        String mode = open >= 0 && close > open ? setting.substring(open + 1, close) : setting;
        if (mode.equals("never") || mode.equals("deny")) {
            add(
                    "huge pages",
                    Grade.LIMITED,
                    "transparent huge pages for shared memory are off: preserving RAM over a live update takes some"
                            + " 140 ms a GiB instead of 1",
                    "echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled, before guests are started");
        } else {
            add("huge pages", Grade.OK, "transparent huge pages for shared memory: " + mode, "");
        }
    }

    private void checkMemfd() {
        String noexec = read("proc/sys/vm/memfd_noexec");
        switch (noexec == null ? "0" : noexec) {
            case "1" ->
                add(
                        "memfd_noexec",
                        Grade.LIMITED,
                        "vm.memfd_noexec=1: a memfd that another program makes and passes as RAM (--add-fd) is sealed"
                                + " F_SEAL_EXEC, which a live update gives back unwritable; VMMs' own are as they should be",
                        "make such memfds with MFD_EXEC, or sysctl vm.memfd_noexec=0");
            case "2" ->
                add(
                        "memfd_noexec",
                        Grade.LIMITED,
                        "vm.memfd_noexec=2: no memfd that a live update can keep; files without a name on /dev/shm take"
                                + " their place, and cannot be sealed against being cut",
                        "sysctl vm.memfd_noexec=1 or 0");
            default ->
                add(
                        "memfd_noexec",
                        Grade.OK,
                        noexec == null
                                ? "this kernel has no vm.memfd_noexec: memfds can be kept"
                                : "vm.memfd_noexec=" + noexec + ": memfds can be kept",
                        "");
        }
    }

    private void checkFiles() {
        String limits = read("proc/self/limits");
        String label = "Max open files";
        int at = limits == null ? -1 : limits.indexOf(label);
        String[] words = at < 0
                ? new String[0]
                : limits.substring(at + label.length()).strip().split("\\s+", 3);
        if (words.length < 2) {
            add(
                    "open files",
                    Grade.LIMITED,
                    "RLIMIT_NOFILE is unknown: /proc/self/limits does not tell",
                    "mount /proc");
            return;
        }
        // The JVM raises the soft limit to the hard one.
        String hard = words[1];
        if (!hard.equals("unlimited") && Long.parseLong(hard) < FEW_FILES) {
            add(
                    "open files",
                    Grade.LIMITED,
                    "RLIMIT_NOFILE is " + hard + ": luod takes two descriptors a guest, a VMM some twenty; beyond it"
                            + " clients are refused (EMFILE)",
                    "raise the hard limit: ulimit -Hn 4096, or LimitNOFILE=4096 in the unit");
        } else {
            add("open files", Grade.OK, "RLIMIT_NOFILE is " + hard, "");
        }
    }

    /** The least limit of this process's control group and those above it. */
    private void checkMemory() {
        long total = totalMemory();
        long limit = Long.MAX_VALUE;
        String where = "";
        String groups = read("proc/self/cgroup");
        for (String line : groups == null ? new String[0] : groups.split("\n", -1)) {
            String[] parts = line.split(":", 3);
            if (parts.length < 3) {
                continue;
            }
            boolean unified = parts[1].isEmpty();
            if (!unified && !parts[1].equals("memory")) {
                continue;
            }
            String tree = unified ? "sys/fs/cgroup" : "sys/fs/cgroup/memory";
            String file = unified ? "memory.max" : "memory.limit_in_bytes";
            Path group = Path.of(parts[2]).normalize();
            while (group != null) {
                String path = tree + (group.getNameCount() == 0 ? "" : group.toString()) + "/" + file;
                long bytes = limit(read(path));
                if (bytes < limit) {
                    limit = bytes;
                    where = "/" + path;
                }
                group = group.getParent();
            }
        }
        String host = total == 0 ? "" : " of the host's " + text(total);
        if (limit >= (total == 0 ? Long.MAX_VALUE : total)) {
            add(
                    "memory limit",
                    Grade.OK,
                    "no control group limits memory here" + (total == 0 ? "" : ": " + text(total)),
                    "");
        } else {
            add(
                    "memory limit",
                    Grade.LIMITED,
                    where + " allows " + text(limit) + host + ": guest RAM counts, and a live update touches all of it;"
                            + " beyond the limit the VMM is killed with its guest",
                    "raise it (MemoryMax= in a unit) above the RAM of all guests and 256 MiB for each VMM");
        }
    }

    private long totalMemory() {
        String info = read("proc/meminfo");
        String label = "MemTotal:";
        int at = info == null ? -1 : info.indexOf(label);
        if (at < 0) {
            return 0;
        }
        return limit(info.substring(at + label.length()).strip().split("\\s+", 2)[0]) << 10;
    }

    /** What no limit is said with is one that nobody reaches. */
    private static long limit(String text) {
        try {
            return text == null ? Long.MAX_VALUE : Long.parseLong(text);
        } catch (NumberFormatException e) {
            return Long.MAX_VALUE;
        }
    }

    private static String text(long bytes) {
        return ByteSize.text(bytes >> 20 << 20);
    }

    private String read(String path) {
        try {
            return Files.readString(root.resolve(path)).strip();
        } catch (IOException e) {
            return null;
        }
    }

    private void add(String subject, Grade grade, String text, String advice) {
        findings.add(new Finding(subject, grade, text, advice));
    }
}
