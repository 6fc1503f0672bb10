package dev.holdover.cli;

import dev.holdover.boot.BootConfig;
import dev.holdover.kvm.KvmUnavailable;
import dev.holdover.linux.UsageException;
import dev.holdover.liveupdate.Agent;
import dev.holdover.machine.BootSource;
import dev.holdover.machine.LiveUpdate;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineConfig;
import dev.holdover.memory.AddFd;
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
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "run",
        description = "Boots a guest.",
        sortOptions = false,
        customSynopsis = "./vmm run (-k FILE | --bios FILE) [OPTION]...",
        footer = {
            "",
            "On the console: Ctrl-A x ends the VMM, Ctrl-A h shows what else there is.",
            "",
            "Exit codes: 0 the guest powered off or reset, or the user left; 1 the VMM",
            "failed; 2 bad usage; 3 the guest crashed; with --debug-exit: (v<<1)|1.",
            "",
            "Examples:",
            "  ./vmm run -k bzImage -i initrd.img -a \"console=ttyS0\"",
            "  ./vmm run -k bzImage -a \"console=ttyS0 root=/dev/vda\" -m 1G --cpus 2 \\",
            "            --disk path=root.img --net tap=tap0",
            "  ./vmm run --bios firmware.bin -m 256M",
            "  ./vmm run -k bzImage -m 1G --ram mem-path=/dev/fdset/1 \\",
            "            --add-fd fd=9,set=1 9<>/dev/shm/ram"
        })
final class RunCommand implements Callable<Integer>, PlainArguments.Reader {
    private static final String DEBUG_EXIT_PORT = "0xf4";

    @Mixin
    HelpOption help;

    @Option(
            names = {"-k", "--kernel"},
            paramLabel = "FILE",
            description = "Kernel: a bzImage, ELF vmlinux, PVH or multiboot 1 image, told apart by its content.")
    private Path kernel;

    @Option(
            names = {"-i", "--initrd"},
            paramLabel = "FILE",
            description = "Initial RAM disk; of a multiboot kernel the module.")
    private Path initrd;

    @Option(
            names = {"-a", "--append"},
            paramLabel = "TEXT",
            description = "Kernel command line.")
    private String commandLine;

    @Option(
            names = "--bios",
            paramLabel = "FILE",
            description =
                    "Instead of a kernel: a firmware image that ends at 4 GiB and is entered at the reset vector.")
    private Path bios;

    @Option(
            names = {"-m", "--memory"},
            paramLabel = "SIZE",
            description = "Guest RAM, with unit K, M, G or T, else in MiB. Default: 256M.")
    private String memory;

    @Option(
            names = "--ram",
            paramLabel = "KEY=VALUE,...",
            description = {
                "Where RAM comes from, and how:",
                "backend=memfd|file|anonymous",
                "  default: memfd, or file with mem-path",
                "mem-path=PATH",
                "  a file, a directory or /dev/fdset/ID",
                "share=on|off  the guest's stores reach the file;",
                "  default: on",
                "offset=SIZE   where in the file RAM begins",
                "thp=on|off    huge pages; default: on",
                "prefault=on|off",
                "  give all pages at the start; default: off"
            })
    private String ram;

    @Option(
            names = "--add-fd",
            paramLabel = "fd=N,set=ID[,opaque=TEXT]",
            description = "Adds an inherited file descriptor to a set, which --ram names as /dev/fdset/ID."
                    + " May be given several times.")
    private List<String> addFds = new ArrayList<>();

    @Option(names = "--cpus", paramLabel = "N", description = "Number of vCPUs, 1 to 255. Default: 1.")
    private String cpus;

    @Option(
            names = "--serial",
            paramLabel = "WHERE",
            description = "The first serial port: stdio, null, pty, file:PATH or unix:PATH (a socket it listens on)."
                    + " Default: stdio.")
    private String serial;

    @Option(names = "--console", paramLabel = "WHERE", description = "A virtio console, too: pty or file:PATH.")
    private String console;

    @Option(
            names = "--disk",
            paramLabel = "path=FILE[,KEY=VALUE...]",
            description = {
                "A virtio disk on a raw image or a block device; may be given several times.",
                DiskConfig.SYNTAX
            })
    private List<String> disks = new ArrayList<>();

    @Option(
            names = "--net",
            paramLabel = "tap=NAME[,mac=MAC]",
            description = "A virtio network card on a tap. May be given several times.")
    private List<String> nets = new ArrayList<>();

    @Option(names = "--rng", description = "A virtio entropy source.")
    private boolean rng;

    @Option(names = "--pci", description = "Puts the virtio devices on a PCI bus, with MSI-X. Default: on virtio-mmio.")
    private boolean pci;

    @Option(
            names = "--vfio",
            paramLabel = "BDF|PATH[,on-kexec=reset]",
            description = "Gives the guest a PCI device of the host, by its address or /dev/vfio/devices/vfioN; see"
                    + " docs/passthrough.md. May be given several times.")
    private List<String> vfio = new ArrayList<>();

    @Option(
            names = "--debug-exit",
            paramLabel = "PORT",
            arity = "0..1",
            fallbackValue = DEBUG_EXIT_PORT,
            description = "Lets the guest end the VMM: its write of v to PORT (default ${FALLBACK-VALUE}) gives"
                    + " exit code (v<<1)|1.")
    private String debugExit;

    @Option(
            names = "--on-reset",
            paramLabel = "exit|reboot",
            description = "What happens when the guest resets itself. Default: exit.")
    private String onReset;

    @Option(
            names = "--control",
            paramLabel = "PATH",
            description = "A control socket at PATH, which speaks QMP; see ./vmm ctl --help.")
    private String control;

    @Option(
            names = "--machine",
            paramLabel = "none",
            description = "No guest: only the control socket, for fdsets and memory backends.")
    private String machine;

    @Option(names = "--name", paramLabel = "NAME", description = "The guest's name in messages.")
    private String name;

    @Option(
            names = "--live-update",
            paramLabel = "AGENT",
            description = {
                "The guest outlives its VMM, and a kexec of the host; AGENT holds it meanwhile:",
                LiveUpdateOption.SYNTAX,
                "Needs --name. See docs/live-update.md."
            })
    private String liveUpdate;

    // Fields are null where nothing is given, whoever reads the command line; defaults are applied where they are used.
    @Override
    public void read(PlainArguments arguments) {
        while (arguments.hasNext()) {
            switch (arguments.option()) {
                case "-k", "--kernel" -> kernel = Path.of(arguments.once(kernel));
                case "-i", "--initrd" -> initrd = Path.of(arguments.once(initrd));
                case "-a", "--append" -> commandLine = arguments.once(commandLine);
                case "--bios" -> bios = Path.of(arguments.once(bios));
                case "-m", "--memory" -> memory = arguments.once(memory);
                case "--ram" -> ram = arguments.once(ram);
                case "--add-fd" -> addFds.add(arguments.value());
                case "--cpus" -> cpus = arguments.once(cpus);
                case "--serial" -> serial = arguments.once(serial);
                case "--console" -> console = arguments.once(console);
                case "--disk" -> disks.add(arguments.value());
                case "--net" -> nets.add(arguments.value());
                case "--rng" -> rng = arguments.flag(rng);
                case "--vfio" -> vfio.add(arguments.value());
                case "--pci" -> pci = arguments.flag(pci);
                case "--debug-exit" -> debugExit = arguments.once(debugExit, DEBUG_EXIT_PORT);
                case "--on-reset" -> onReset = arguments.once(onReset);
                case "--control" -> control = arguments.once(control);
                case "--machine" -> machine = arguments.once(machine);
                case "--name" -> name = arguments.once(name);
                case "--live-update" -> liveUpdate = arguments.once(liveUpdate);
                default -> throw new PlainArguments.NotPlain();
            }
        }
    }

    @Override
    public Integer call() throws InterruptedException {
        NotEmpty.value("--control", control);
        if (machine != null) {
            return runWithoutMachine();
        }
        MachineConfig config = config();
        Agent agent = liveUpdate == null ? null : LiveUpdateOption.agentOfNewGuest(liveUpdate, config.name());
        try (FdSets fdsets = fdsets()) {
            Machine guest;
            try {
                guest = new Machine(config, fdsets);
            } catch (KvmUnavailable e) {
                if (agent != null) {
                    LiveUpdate.requirePreservable(config, fdsets);
                }
                throw Running.withoutKvm(e, control);
            }
            return Running.untilEnd(guest, fdsets, control, agent, "vmm run");
        }
    }

    private int runWithoutMachine() throws InterruptedException {
        if (!machine.equals("none")) {
            throw new UsageException("--machine " + machine + ": expected none; a guest's machine has no name");
        }
        if (control == null) {
            throw new UsageException("--machine none needs a control socket, or nobody can do anything with it:"
                    + " give --control PATH");
        }
        if (kernel != null || bios != null) {
            throw new UsageException(
                    "--machine none boots nothing: leave " + (kernel != null ? "-k" : "--bios") + " out");
        }
        try (FdSets fdsets = fdsets()) {
            return Running.withoutMachine(fdsets, control);
        }
    }

    private FdSets fdsets() {
        FdSets fdsets = FdSets.ofInherited(System.getProperty("dev.holdover.inherited-fds", ""));
        for (String addFd : addFds) {
            fdsets.add(AddFd.parse(NotEmpty.value("--add-fd", addFd)));
        }
        fdsets.closeOriginals();
        return fdsets;
    }

    private MachineConfig config() {
        return new MachineConfig(
                name(),
                RamConfig.parse(NotEmpty.value("--memory", memory), NotEmpty.value("--ram", ram)),
                cpus == null ? 1 : number("--cpus", NotEmpty.value("--cpus", cpus), 1, Machine.MAX_CPUS),
                bootSource(),
                SerialConfig.parse(serial == null ? "stdio" : NotEmpty.value("--serial", serial)),
                console == null ? null : ConsoleConfig.parse(NotEmpty.value("--console", console)),
                diskConfigs(),
                netConfigs(),
                rng,
                pci,
                vfioConfigs(),
                debugExit == null ? -1 : number("--debug-exit", NotEmpty.value("--debug-exit", debugExit), 0, 0xffff),
                rebootOnReset());
    }

    private String name() {
        if (name == null) {
            return "";
        }
        for (int i = 0; i < name.length(); i++) {
            if (Character.isISOControl(name.charAt(i))) {
                throw new UsageException("--name has a control character in it: use others");
            }
        }
        return name;
    }

    private static void requireName(String option, Path path) {
        if (path != null) {
            NotEmpty.value(option, path.toString());
        }
    }

    private BootSource bootSource() {
        requireName("--kernel", kernel);
        requireName("--initrd", initrd);
        requireName("--bios", bios);
        if ((kernel == null) == (bios == null)) {
            throw new UsageException(
                    kernel == null
                            ? "nothing to boot: give a kernel with -k or a firmware image with --bios"
                            : "-k and --bios exclude each other: give one of them");
        }
        if (bios != null) {
            if (initrd != null || commandLine != null) {
                throw new UsageException(
                        (initrd != null ? "--initrd" : "--append") + " needs a kernel (-k); firmware gets none");
            }
            return new BootSource.Firmware(bios);
        }
        return new BootSource.KernelImage(new BootConfig(kernel, initrd, commandLine == null ? "" : commandLine));
    }

    /** Decimal, or hexadecimal after 0x; a leading 0 means nothing. */
    private static int number(String option, String text, int least, int most) {
        try {
            int value = text.startsWith("0x") ? Integer.parseInt(text, 2, text.length(), 16) : Integer.parseInt(text);
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException e) {
            // The sentence below says it.
        }
        throw new UsageException(option + " " + text + ": expected a number from " + least + " to " + most);
    }

    private boolean rebootOnReset() {
        if (onReset == null) {
            return false;
        }
        return switch (NotEmpty.value("--on-reset", onReset)) {
            case "exit" -> false;
            case "reboot" -> true;
            default -> throw new UsageException("--on-reset " + onReset + ": expected exit or reboot");
        };
    }

    private List<DiskConfig> diskConfigs() {
        List<DiskConfig> configs = new ArrayList<>();
        for (String disk : disks) {
            configs.add(DiskConfig.parse(NotEmpty.value("--disk", disk)));
        }
        return configs;
    }

    private List<VfioConfig> vfioConfigs() {
        List<VfioConfig> configs = new ArrayList<>();
        for (String device : vfio) {
            configs.add(VfioConfig.parse(NotEmpty.value("--vfio", device)));
        }
        return configs;
    }

    private List<NetConfig> netConfigs() {
        List<NetConfig> configs = new ArrayList<>();
        for (String net : nets) {
            configs.add(NetConfig.parse(NotEmpty.value("--net", net)));
        }
        return configs;
    }
}
