package dev.holdover.machine;

import dev.holdover.boot.BootConfig;
import dev.holdover.linux.UsageException;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.RamConfig;
import dev.holdover.passthrough.VfioConfig;
import dev.holdover.serial.SerialConfig;
import dev.holdover.virtio.ConsoleConfig;
import dev.holdover.virtio.DiskConfig;
import dev.holdover.virtio.NetConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A machine, described piece by piece, for programs that make one.
 *
 * <p>The pieces, how they are written and what is taken where there are none are those of {@code ./vmm run}; what is written
 * wrongly throws {@link UsageException} at once. One thread.
 */
public final class MachineBuilder {
    private final Path firmware;
    private final Path kernel;
    private Path initrd;
    private String commandLine = "";
    private String name = "";
    private String memory;
    private String ram;
    private RamConfig ramConfig = RamConfig.parse(null, null);
    private int cpus = 1;
    private SerialConfig serial = SerialConfig.parse("stdio");
    private ConsoleConfig console;
    private final List<DiskConfig> disks = new ArrayList<>();
    private final List<NetConfig> nets = new ArrayList<>();
    private final List<VfioConfig> vfio = new ArrayList<>();
    private boolean rng;
    private boolean pci;
    private int debugExitPort = -1;
    private boolean rebootOnReset;

    private MachineBuilder(Path firmware, Path kernel) {
        this.firmware = firmware;
        this.kernel = kernel;
    }

    /** A machine that is entered at the reset vector of a firmware image, as with {@code --bios}. */
    public static MachineBuilder firmware(Path image) {
        return new MachineBuilder(image, null);
    }

    /** A machine whose kernel the VMM loads: bzImage, vmlinux, any ELF with a PVH or multiboot entry; as with {@code -k}. */
    public static MachineBuilder kernel(Path image) {
        return new MachineBuilder(null, image);
    }

    /** The initial RAM disk; only of a {@link #kernel}. */
    public MachineBuilder initrd(Path image) {
        requireKernel("an initial RAM disk");
        initrd = image;
        return this;
    }

    /** The kernel's command line; only of a {@link #kernel}. */
    public MachineBuilder append(String text) {
        requireKernel("a command line");
        commandLine = text;
        return this;
    }

    private void requireKernel(String what) {
        if (kernel == null) {
            throw new UsageException(what + " needs a kernel; firmware gets none");
        }
    }

    /** For messages and the names of threads. */
    public MachineBuilder name(String text) {
        name = text;
        return this;
    }

    /** How much RAM, as {@code -m}: 256M, 1.5G. */
    public MachineBuilder memory(String size) {
        ramConfig = RamConfig.parse(size, ram);
        memory = size;
        return this;
    }

    /** Where RAM is, as {@code --ram}: mem-path=/dev/shm/ram, backend=anonymous. In a memfd if this is not called. */
    public MachineBuilder ram(String where) {
        ramConfig = RamConfig.parse(memory, where);
        ram = where;
        return this;
    }

    /** How many vCPUs, 1 to {@link Machine#MAX_CPUS}. */
    public MachineBuilder cpus(int count) {
        if (count < 1 || count > Machine.MAX_CPUS) {
            throw new UsageException(count + " vCPUs: expected a number from 1 to " + Machine.MAX_CPUS);
        }
        cpus = count;
        return this;
    }

    /** Where COM1 goes, as {@code --serial}: stdio, null, file:PATH, unix:PATH, pty. */
    public MachineBuilder serial(String where) {
        serial = SerialConfig.parse(where);
        return this;
    }

    /** Where a virtio console goes, as {@code --console}; there is none if this is not called. */
    public MachineBuilder console(String where) {
        console = ConsoleConfig.parse(where);
        return this;
    }

    /** One more disk, as {@code --disk}: path=FILE,readonly=on. */
    public MachineBuilder disk(String disk) {
        disks.add(DiskConfig.parse(disk));
        return this;
    }

    /** One more network card, as {@code --net}: tap=NAME. */
    public MachineBuilder net(String net) {
        nets.add(NetConfig.parse(net));
        return this;
    }

    /** One more device of the host, as {@code --vfio}: 0000:00:05.0. */
    public MachineBuilder vfio(String device) {
        vfio.add(VfioConfig.parse(device));
        return this;
    }

    /** An entropy source. */
    public MachineBuilder rng() {
        rng = true;
        return this;
    }

    /** The virtio devices are on a PCI bus. */
    public MachineBuilder pci() {
        pci = true;
        return this;
    }

    /** The port whose write ends the machine, 0 to 0xffff. */
    public MachineBuilder debugExit(int port) {
        if (port < 0 || port > 0xffff) {
            throw new UsageException("debug exit at " + port + ": expected a port from 0 to 65535");
        }
        debugExitPort = port;
        return this;
    }

    /** A reset by the guest starts it again instead of ending the machine. */
    public MachineBuilder rebootOnReset() {
        rebootOnReset = true;
        return this;
    }

    /** What was described so far. */
    public MachineConfig config() {
        return new MachineConfig(
                name,
                ramConfig,
                cpus,
                firmware != null
                        ? new BootSource.Firmware(firmware)
                        : new BootSource.KernelImage(new BootConfig(kernel, initrd, commandLine)),
                serial,
                console,
                List.copyOf(disks),
                List.copyOf(nets),
                rng,
                pci,
                List.copyOf(vfio),
                debugExitPort,
                rebootOnReset);
    }

    /**
     * Makes the machine, parked; the caller's to close.
     *
     * @throws dev.holdover.linux.VmmException what is missing or wrong, in a sentence
     */
    public Machine build() {
        try (FdSets none = new FdSets()) {
            return new Machine(config(), none);
        }
    }
}
