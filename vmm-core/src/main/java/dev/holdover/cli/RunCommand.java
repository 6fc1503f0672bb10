package dev.holdover.cli;

import dev.holdover.boot.BootConfig;
import dev.holdover.device.SerialConfig;
import dev.holdover.linux.UsageException;
import dev.holdover.machine.BootSource;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineConfig;
import dev.holdover.memory.AddFd;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.RamConfig;
import dev.holdover.virtio.ConsoleConfig;
import dev.holdover.virtio.DiskConfig;
import dev.holdover.virtio.NetConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "run",
        description = "Boots a guest.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        usageHelpAutoWidth = true,
        footer = {
            "",
            "On the console: Ctrl-A x ends the VMM, Ctrl-A h shows what else there is.",
            "",
            "Examples:",
            "  ./vmm run -k bzImage -i initrd.img -a \"console=ttyS0\"",
            "  ./vmm run -k bzImage -a \"console=ttyS0 root=/dev/vda\" -m 1G --cpus 2 --disk path=root.img",
            "  ./vmm run --bios firmware.bin -m 256M",
            "  ./vmm run -k bzImage -m 1G --ram mem-path=/dev/fdset/1 --add-fd fd=9,set=1 9<>/dev/shm/ram"
        })
final class RunCommand implements Callable<Integer> {
    @Option(
            names = {"-k", "--kernel"},
            paramLabel = "FILE",
            description = "Kernel: bzImage, ELF vmlinux, PVH or multiboot 1 image; told apart by content.")
    private Path kernel;

    @Option(
            names = {"-i", "--initrd"},
            paramLabel = "FILE",
            description = "Initial RAM disk; for a multiboot kernel its module.")
    private Path initrd;

    @Option(
            names = {"-a", "--append"},
            paramLabel = "TEXT",
            description = "Kernel command line.")
    private String commandLine;

    @Option(
            names = "--bios",
            paramLabel = "FILE",
            description = "Firmware image that ends at 4 GiB, entered at the reset vector; instead of a kernel.")
    private Path bios;

    @Option(
            names = {"-m", "--memory"},
            paramLabel = "SIZE",
            description = "Guest RAM, with K, M, G or T; MiB without. Default: 256M.")
    private String memory;

    @Option(
            names = "--ram",
            paramLabel = "KEY=VALUE,…",
            description = {
                "Where RAM comes from:",
                "  backend=memfd|file|anonymous  (default memfd)",
                "  mem-path=PATH  a file, a directory, or /dev/fdset/N",
                "  share=on|off   stores reach the file (default on)",
                "  offset=SIZE    where in the file it starts",
                "  thp=on|off     huge pages (default on)",
                "  prefault=on|off  all pages at once (default off)"
            })
    private String ram;

    @Option(
            names = "--add-fd",
            paramLabel = "fd=N,set=ID[,opaque=TEXT]",
            description = "Adds an inherited file descriptor to a set, which --ram names as /dev/fdset/ID.")
    private List<String> addFds = new ArrayList<>();

    @Option(names = "--cpus", paramLabel = "N", defaultValue = "1", description = "vCPUs. Default: ${DEFAULT-VALUE}.")
    private String cpus;

    @Option(
            names = "--serial",
            paramLabel = "WHERE",
            defaultValue = "stdio",
            description = "First serial port: stdio, null, file:PATH, unix:PATH (listens) or pty."
                    + " Default: ${DEFAULT-VALUE}.")
    private String serial;

    @Option(names = "--console", paramLabel = "WHERE", description = "A virtio console: pty or file:PATH.")
    private String console;

    @Option(
            names = "--disk",
            paramLabel = "path=FILE[,readonly=on]",
            description = "A virtio disk: a raw image or a block device. May be given several times.")
    private List<String> disks = new ArrayList<>();

    @Option(
            names = "--net",
            paramLabel = "tap=NAME[,mac=…]",
            description = "A virtio network card on a tap. May be given several times.")
    private List<String> nets = new ArrayList<>();

    @Option(names = "--rng", description = "A virtio entropy source.")
    private boolean rng;

    @Option(
            names = "--debug-exit",
            paramLabel = "PORT",
            arity = "0..1",
            fallbackValue = "0xf4",
            description = "A guest's write of v to PORT (default ${FALLBACK-VALUE}) ends the VMM with code (v<<1)|1.")
    private String debugExit;

    @Option(
            names = "--on-reset",
            paramLabel = "exit|reboot",
            defaultValue = "exit",
            description = "What a reset by the guest does. Default: ${DEFAULT-VALUE}.")
    private String onReset;

    @Option(names = "--name", paramLabel = "NAME", defaultValue = "", description = "The guest's name in messages.")
    private String name;

    @Override
    public Integer call() throws InterruptedException {
        MachineConfig config = config();
        try (FdSets fdsets = FdSets.ofInherited(System.getProperty("dev.holdover.inherited-fds", ""))) {
            for (String addFd : addFds) {
                fdsets.add(AddFd.parse(addFd));
            }
            fdsets.closeOriginals();
            return Running.untilEnd(new Machine(config, fdsets), "vmm run");
        }
    }

    private MachineConfig config() {
        return new MachineConfig(
                name,
                RamConfig.parse(memory, ram),
                cpuCount(),
                bootSource(),
                SerialConfig.parse(serial),
                console == null ? null : ConsoleConfig.parse(console),
                diskConfigs(),
                netConfigs(),
                rng,
                debugExit == null ? -1 : port(debugExit),
                rebootOnReset());
    }

    private BootSource bootSource() {
        if ((kernel == null) == (bios == null)) {
            throw new UsageException(
                    kernel == null
                            ? "nothing to boot: give a kernel with -k or a firmware image with --bios"
                            : "-k and --bios exclude each other: give one of them");
        }
        if (bios != null) {
            if (initrd != null || commandLine != null) {
                throw new UsageException(
                        (initrd != null ? "--initrd" : "--append") + " needs a kernel (-k); firmware takes neither");
            }
            return new BootSource.Firmware(bios);
        }
        return new BootSource.KernelImage(new BootConfig(kernel, initrd, commandLine == null ? "" : commandLine));
    }

    private int cpuCount() {
        return number("--cpus", cpus, 1, Machine.MAX_CPUS);
    }

    private static int port(String text) {
        return number("--debug-exit", text, 0, 0xffff);
    }

    private static int number(String option, String text, int least, int most) {
        try {
            int value = Integer.decode(text);
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException e) {
            // The sentence below says it.
        }
        throw new UsageException(option + " " + text + ": expected a number from " + least + " to " + most);
    }

    private boolean rebootOnReset() {
        return switch (onReset) {
            case "exit" -> false;
            case "reboot" -> true;
            default -> throw new UsageException("--on-reset " + onReset + ": expected exit or reboot");
        };
    }

    private List<DiskConfig> diskConfigs() {
        List<DiskConfig> configs = new ArrayList<>();
        for (String disk : disks) {
            configs.add(DiskConfig.parse(disk));
        }
        return configs;
    }

    private List<NetConfig> netConfigs() {
        List<NetConfig> configs = new ArrayList<>();
        for (String net : nets) {
            configs.add(NetConfig.parse(net));
        }
        return configs;
    }
}
