package dev.holdover.passthrough;

import dev.holdover.linux.UsageException;
import dev.holdover.memory.ByteSize;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A PCI device of this host, as sysfs shows it (Documentation/ABI/testing/sysfs-bus-pci, -bus-vfio, sysfs-kernel-iommu_groups),
 * and whether a guest can have it. Reads files only and opens no device, so that it is also right about one in use.
 */
public final class HostPciDevice {
    private static final Pattern ADDRESS = Pattern.compile("(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[01][0-9a-f]\\.[0-7])");
    private static final Pattern VFIO_FILE = Pattern.compile("/dev/vfio/devices/(vfio[0-9]{1,7})");
    private static final int BASE_CLASS_SHIFT = 16;
    private static final int PCI_TO_PCI_BRIDGE = 0x0604;
    private static final int CAP_IPC_LOCK = 14;

    private static final String GIVE_ACCESS =
            "run as root, or give your user read and write access to it (a udev rule)";
    /** What to do about a low RLIMIT_MEMLOCK. */
    public static final String MORE_LOCKED = "ulimit -l unlimited, LimitMEMLOCK=infinity in a unit, or CAP_IPC_LOCK";

    private final Path root;
    private final String address;
    private final int vendor;
    private final int device;
    private final int classCode;
    private final String driver;
    private final String group;
    private final List<Member> members;
    private final String vfio;

    /**
     * Another device of the same IOMMU group, which can reach what this one reaches.
     *
     * @param address its name on its bus
     * @param driver the driver that it is bound to; null for none
     */
    public record Member(String address, String driver) {
        /**
         * Whether the host itself uses it, which keeps the rest of its group from guests. Drivers that leave DMA to others
         * do not count: the kernel's {@code driver_managed_dma}, which ports of bridges, pci-stub and VFIO's own have.
         */
        public boolean isHosts() {
            return driver != null && !driver.equals("pcieport") && !driver.equals("pci-stub") && !isVfio(driver);
        }

        @Override
        public String toString() {
            return address + (driver == null ? "" : " (" + driver + ")");
        }
    }

    /**
     * What keeps a device from guests.
     *
     * @param what what is so
     * @param advice what to do about it
     */
    public record Obstacle(String what, String advice) {
        @Override
        public String toString() {
            return what + ": " + advice;
        }
    }

    private HostPciDevice(Path root, Path directory) {
        this.root = root;
        this.address = directory.getFileName().toString();
        this.vendor = number(directory.resolve("vendor"));
        this.device = number(directory.resolve("device"));
        this.classCode = number(directory.resolve("class"));
        this.driver = linked(directory.resolve("driver"));
        this.group = linked(directory.resolve("iommu_group"));
        this.members = members(directory);
        List<String> names = names(directory.resolve("vfio-dev"));
        this.vfio = names.isEmpty() ? null : names.getFirst();
    }

    /**
     * Finds a device by its address, {@code 0000:00:04.0} or {@code 00:04.0}, or by /dev/vfio/devices/vfioN.
     *
     * @throws UsageException if there is none, or it is neither
     */
    public static HostPciDevice find(String name) {
        return find(Path.of("/"), name);
    }

    /** @param root below which dev, proc and sys are */
    static HostPciDevice find(Path root, String name) {
        Matcher file = VFIO_FILE.matcher(name);
        if (file.matches()) {
            return all(root).stream()
                    .filter(one -> file.group(1).equals(one.vfio))
                    .findFirst()
                    .orElseThrow(() -> new UsageException("no PCI device is behind " + name
                            + ": bind one to vfio-pci, and see /sys/bus/pci/devices/*/vfio-dev for its number"));
        }
        Matcher address = ADDRESS.matcher(name.toLowerCase(Locale.ROOT));
        if (!address.matches()) {
            throw new UsageException("'" + name
                    + "' names no PCI device: give its address, as 0000:00:04.0, or /dev/vfio/devices/vfioN");
        }
        String full = Objects.requireNonNullElse(address.group(1), "0000") + ":" + address.group(2);
        Path directory = devices(root).resolve(full);
        if (!Files.isDirectory(directory)) {
            throw new UsageException(
                    "this host has no PCI device " + full + ": /sys/bus/pci/devices lists those there are");
        }
        return new HostPciDevice(root, directory);
    }

    /** All of this host, by address. Empty if it has no PCI. */
    public static List<HostPciDevice> all() {
        return all(Path.of("/"));
    }

    /**
     * As {@link #all()}, of a host elsewhere.
     *
     * @param root below which dev, proc and sys are
     */
    public static List<HostPciDevice> all(Path root) {
        return names(devices(root)).stream()
                .map(name -> new HostPciDevice(root, devices(root).resolve(name)))
                .toList();
    }

    private static Path devices(Path root) {
        return root.resolve("sys/bus/pci/devices");
    }

    private List<Member> members(Path directory) {
        Path devices = directory.resolve("iommu_group/devices");
        List<Member> all = new ArrayList<>();
        for (String name : names(devices)) {
            if (!name.equals(address)) {
                all.add(new Member(name, linked(devices.resolve(name).resolve("driver"))));
            }
        }
        return List.copyOf(all);
    }

    /** Its address with the domain: 0000:00:04.0. */
    public String address() {
        return address;
    }

    public int vendor() {
        return vendor;
    }

    public int device() {
        return device;
    }

    /** Class, subclass and programming interface, 24 bits; -1 if sysfs does not tell. */
    public int classCode() {
        return classCode;
    }

    /** The driver that it is bound to; null for none. */
    public String driver() {
        return driver;
    }

    /** The number of its IOMMU group; null if it has none, since no IOMMU stands between it and the host's memory. */
    public String group() {
        return group;
    }

    /** The others in its group. */
    public List<Member> members() {
        return members;
    }

    /** Whether a driver of VFIO has it, vfio-pci or one made for its kind. */
    public boolean isBoundToVfio() {
        return driver != null && isVfio(driver);
    }

    /** The file that VFIO gives it, /dev/vfio/devices/vfioN; null if VFIO does not drive it. */
    public String vfioPath() {
        return vfio == null ? null : "/dev/vfio/devices/" + vfio;
    }

    /** Whether it only connects a further bus, which no guest can have. */
    public boolean isBridge() {
        return classCode >>> 8 == PCI_TO_PCI_BRIDGE;
    }

    private static boolean isVfio(String driver) {
        return driver.contains("vfio");
    }

    /** What kind of device it is, in a word: network, storage. */
    public String kind() {
        return switch (classCode >>> BASE_CLASS_SHIFT) {
            case 0x01 -> "storage";
            case 0x02 -> "network";
            case 0x03 -> "display";
            case 0x04 -> "multimedia";
            case 0x05 -> "memory";
            case 0x06 -> "bridge";
            case 0x07 -> "communication";
            case 0x08 -> "system";
            case 0x09 -> "input";
            case 0x0b -> "processor";
            case 0x0c -> "serial bus";
            case 0x0d -> "wireless";
            case 0x10 -> "encryption";
            case 0x11 -> "signal processing";
            case 0x12 -> "accelerator";
            default -> "other";
        };
    }

    /** What keeps it from a guest whose RAM is small, as {@link #whyNotPassable(long)}. */
    public String whyNotPassable() {
        return whyNotPassable(0);
    }

    /**
     * The first thing that keeps it from a guest, as a sentence that says what to do about it; null if nothing does.
     *
     * @param ram bytes of guest RAM, all of which gets pinned
     */
    public String whyNotPassable(long ram) {
        Obstacle obstacle = obstacle(ram);
        return obstacle == null ? null : address + " cannot be passed to a guest: " + obstacle;
    }

    /**
     * The first thing that keeps it from a guest; null if nothing does. What only VFIO itself can tell is found when it is
     * opened: that another process has it, that interrupts are not remapped.
     *
     * @param ram bytes of guest RAM, all of which gets pinned
     */
    public Obstacle obstacle(long ram) {
        if (isBridge()) {
            return new Obstacle("it is a bridge", "pass the devices behind it instead");
        }
        if (group == null) {
            return new Obstacle(
                    "it is in no IOMMU group, so nothing would keep it from the host's own memory",
                    "switch the IOMMU on (VT-d or AMD-Vi) in the firmware, on Intel also with intel_iommu=on on the"
                            + " kernel's command line");
        }
        if (!isBoundToVfio()) {
            return new Obstacle(
                    driver == null ? "it is bound to no driver" : "it is bound to the host's driver " + driver,
                    bindCommands());
        }
        List<Member> hosts = members.stream().filter(Member::isHosts).toList();
        if (!hosts.isEmpty()) {
            return new Obstacle(
                    "it shares IOMMU group " + group + " with what the host uses, " + listed(hosts),
                    "bind those to vfio-pci, too, or to no driver (echo ADDRESS > /sys/bus/pci/devices/ADDRESS/driver/unbind)");
        }
        Obstacle obstacle = iommufdObstacle(root);
        if (obstacle == null) {
            obstacle = fileObstacle();
        }
        return obstacle == null ? memoryObstacle(ram) : obstacle;
    }

    /** The commands, for a shell of root's, that give it to vfio-pci until the next boot. */
    public String bindCommands() {
        String directory = "/sys/bus/pci/devices/" + address;
        return "modprobe vfio-pci; echo vfio-pci > " + directory + "/driver_override; "
                + (driver == null ? "" : "echo " + address + " > " + directory + "/driver/unbind; ")
                + "echo " + address + " > /sys/bus/pci/drivers_probe";
    }

    /**
     * Why /dev/iommu cannot be used; null if it can.
     *
     * @param root below which dev is
     */
    public static Obstacle iommufdObstacle(Path root) {
        Path file = root.resolve("dev/iommu");
        if (!Files.exists(file)) {
            return new Obstacle(
                    "there is no /dev/iommu",
                    "modprobe iommufd; a kernel without that module was built without CONFIG_IOMMUFD");
        }
        return isOpenable(file) ? null : new Obstacle("you may not open /dev/iommu", GIVE_ACCESS);
    }

    private Obstacle fileObstacle() {
        if (vfio == null || !Files.exists(root.resolve(vfioPath().substring(1)))) {
            return new Obstacle(
                    "it has no file in /dev/vfio/devices",
                    "use a kernel with CONFIG_VFIO_DEVICE_CDEV (6.6 or newer); in a container, have it given the file");
        }
        return isOpenable(root.resolve(vfioPath().substring(1)))
                ? null
                : new Obstacle("you may not open its " + vfioPath(), GIVE_ACCESS);
    }

    private Obstacle memoryObstacle(long ram) {
        long limit = lockedMemory(root);
        return limit >= ram
                ? null
                : new Obstacle(
                        "RLIMIT_MEMLOCK is " + ByteSize.text(limit) + ", but all guest RAM, " + ByteSize.text(ram)
                                + ", gets pinned",
                        MORE_LOCKED);
    }

    private static boolean isOpenable(Path file) {
        return Files.isReadable(file) && Files.isWritable(file);
    }

    /**
     * How many bytes this process may pin: RLIMIT_MEMLOCK's soft limit, which CAP_IPC_LOCK lifts; the largest for any.
     *
     * @param root below which proc is
     */
    public static long lockedMemory(Path root) {
        String capabilities = word(root.resolve("proc/self/status"), "CapEff:");
        String limit = word(root.resolve("proc/self/limits"), "Max locked memory");
        try {
            boolean exempt =
                    capabilities != null && (Long.parseUnsignedLong(capabilities, 16) >>> CAP_IPC_LOCK & 1) != 0;
            return exempt || limit == null || limit.equals("unlimited") ? Long.MAX_VALUE : Long.parseLong(limit);
        } catch (NumberFormatException e) {
            return Long.MAX_VALUE;
        }
    }

    private static String listed(List<Member> some) {
        int shown = 4;
        StringBuilder text = new StringBuilder();
        for (Member member : some.subList(0, Math.min(shown, some.size()))) {
            text.append(text.isEmpty() ? "" : ", ").append(member);
        }
        return some.size() <= shown ? text.toString() : text + " and " + (some.size() - shown) + " more";
    }

    /** The word behind a label in a file of lines; null if there is none. */
    private static String word(Path file, String label) {
        String text = read(file);
        int at = text == null ? -1 : text.indexOf(label);
        if (at < 0) {
            return null;
        }
        String word = text.substring(at + label.length()).strip().split("\\s+", 2)[0];
        return word.isEmpty() ? null : word;
    }

    private static int number(Path file) {
        try {
            return Integer.decode(Objects.requireNonNullElse(read(file), "-1"));
        } catch (NumberFormatException e) {
            return -1;
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file).strip();
        } catch (IOException e) {
            return null;
        }
    }

    /** The last name of what a link leads to; null if there is none. */
    private static String linked(Path link) {
        try {
            return Files.readSymbolicLink(link).getFileName().toString();
        } catch (IOException e) {
            return null;
        }
    }

    private static List<String> names(Path directory) {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            entries.forEach(entry -> names.add(entry.getFileName().toString()));
        } catch (IOException e) {
            return List.of();
        }
        names.sort(null);
        return names;
    }

    /** Address, vendor and device as lspci -n shows them. */
    @Override
    public String toString() {
        return String.format("%s (%04x:%04x, %s)", address, vendor, device, kind());
    }
}
