package dev.holdover.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A host's /sys, /dev and /proc in a directory, with the PCI devices that a test puts in. */
public final class FakeHost {
    private final Path root;

    /** One with /dev/iommu and without limits, but no devices yet. */
    public FakeHost(Path root) throws IOException {
        this.root = root;
        write("dev/iommu", "");
        lockedMemory("unlimited", 0);
    }

    public Path root() {
        return root;
    }

    public void write(String path, String text) throws IOException {
        Path file = root.resolve(path);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    public void delete(String path) throws IOException {
        Files.delete(root.resolve(path));
    }

    /** RLIMIT_MEMLOCK's soft limit, and the effective capabilities. */
    public void lockedMemory(String limit, long capabilities) throws IOException {
        write(
                "proc/self/limits",
                "Limit      Soft Limit  Hard Limit  Units\nMax locked memory  " + limit + "  1  bytes\n");
        write("proc/self/status", String.format("Name:\tjava%nCapEff:\t%016x%n", capabilities));
    }

    /**
     * Puts a device in.
     *
     * @param classCode as sysfs shows it, 0x010802
     * @param driver null for none
     * @param group null for none
     */
    public void device(String address, String classCode, String driver, String group) throws IOException {
        String directory = "sys/bus/pci/devices/" + address;
        write(directory + "/vendor", "0x8086\n");
        write(directory + "/device", "0x5845\n");
        write(directory + "/class", classCode + "\n");
        bind(address, driver);
        if (group != null) {
            link(directory + "/iommu_group", "sys/kernel/iommu_groups/" + group);
            link("sys/kernel/iommu_groups/" + group + "/devices/" + address, directory);
        }
    }

    /** Binds a device to another driver, or to none. */
    public void bind(String address, String driver) throws IOException {
        Path link = root.resolve("sys/bus/pci/devices/" + address + "/driver");
        Files.deleteIfExists(link);
        if (driver != null) {
            link("sys/bus/pci/devices/" + address + "/driver", "sys/bus/pci/drivers/" + driver);
        }
    }

    /** Binds a device to vfio-pci, which makes a file for it. */
    public void vfio(String address, String name) throws IOException {
        bind(address, "vfio-pci");
        Files.createDirectories(root.resolve("sys/bus/pci/devices/" + address + "/vfio-dev/" + name));
        write("dev/vfio/devices/" + name, "");
    }

    private void link(String from, String to) throws IOException {
        Files.createDirectories(root.resolve(from).getParent());
        Files.createDirectories(root.resolve(to));
        Files.createSymbolicLink(root.resolve(from), root.resolve(to));
    }
}
