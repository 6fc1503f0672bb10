package dev.holdover.cli;

import dev.holdover.device.SerialConfig;
import dev.holdover.linux.UsageException;
import dev.holdover.machine.Incoming;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineConfig;
import dev.holdover.memory.AddFd;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.RamConfig;
import dev.holdover.virtio.DiskConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "restore",
        description = "Takes a saved guest up again, where it stood.",
        sortOptions = false,
        customSynopsis = "./vmm restore STATE [OPTION]...",
        footer = {
            "",
            "The machine and the paths of its files come from the state; options override",
            "them.",
            "",
            "Exit codes: as of run; 4 the state must not be restored: its RAM is foreign,",
            "zeroed or has moved on, the state was used or is damaged, or this host lacks",
            "what the guest needs.",
            "",
            "Examples:",
            "  ./vmm restore guest.state",
            "  ./vmm restore guest.state --ram mem-path=/dev/fdset/1 \\",
            "                --add-fd fd=9,set=1 9<>/dev/shm/ram"
        })
final class RestoreCommand implements Callable<Integer>, PlainArguments.Reader {
    @Mixin
    HelpOption help;

    @Parameters(paramLabel = "STATE", description = "The state file.")
    private String state;

    @Option(
            names = "--ram",
            paramLabel = "KEY=VALUE,...",
            description = "Where RAM is now, as for run; its size comes from the state.")
    private String ram;

    @Option(
            names = "--add-fd",
            paramLabel = "fd=N,set=ID[,opaque=TEXT]",
            description = "Adds an inherited file descriptor to a set, as for run.")
    private List<String> addFds = new ArrayList<>();

    @Option(
            names = "--disk",
            paramLabel = "path=FILE[,readonly=on]",
            description = "Where a disk is now; given once for each disk, in their order.")
    private List<String> disks = new ArrayList<>();

    @Option(names = "--serial", paramLabel = "WHERE", description = "Where the first serial port goes, as for run.")
    private String serial;

    @Option(names = "--control", paramLabel = "PATH", description = "Listens there for control clients (QMP).")
    private String control;

    @Option(
            names = "--force",
            description = "Restore although the RAM is not, or no longer, the state's. The guest may break.")
    private boolean force;

    @Override
    public void read(PlainArguments arguments) {
        while (arguments.hasNext()) {
            switch (arguments.option()) {
                case "" -> state = arguments.once(state);
                case "--ram" -> ram = arguments.once(ram);
                case "--add-fd" -> addFds.add(arguments.value());
                case "--disk" -> disks.add(arguments.value());
                case "--serial" -> serial = arguments.once(serial);
                case "--control" -> control = arguments.once(control);
                case "--force" -> force = arguments.flag(force);
                default -> throw new PlainArguments.NotPlain();
            }
        }
        if (state == null) {
            throw new PlainArguments.NotPlain();
        }
    }

    @Override
    public Integer call() throws InterruptedException {
        NotEmpty.argument("STATE", state);
        NotEmpty.value("--ram", ram);
        NotEmpty.value("--serial", serial);
        NotEmpty.value("--control", control);
        try (FdSets fdsets = FdSets.ofInherited(System.getProperty("dev.holdover.inherited-fds", ""))) {
            for (String addFd : addFds) {
                fdsets.add(AddFd.parse(NotEmpty.value("--add-fd", addFd)));
            }
            fdsets.closeOriginals();
            Machine machine;
            try (Incoming incoming = new Incoming(state, force)) {
                machine = Machine.restore(config(incoming.config()), fdsets, incoming);
            }
            return Running.untilEnd(machine, fdsets, control, "vmm restore");
        }
    }

    private MachineConfig config(MachineConfig saved) {
        RamConfig ramConfig =
                ram == null ? saved.ram() : RamConfig.parse((saved.ram().size() >> 10) + "K", ram);
        List<DiskConfig> diskConfigs = saved.disks();
        if (!disks.isEmpty()) {
            if (disks.size() != saved.disks().size()) {
                throw new UsageException("--disk is given " + disks.size() + " times, the saved guest has "
                        + saved.disks().size() + " disks: name each in its order");
            }
            diskConfigs = new ArrayList<>();
            for (String disk : disks) {
                diskConfigs.add(DiskConfig.parse(NotEmpty.value("--disk", disk)));
            }
        }
        return new MachineConfig(
                saved.name(),
                ramConfig,
                saved.cpus(),
                saved.boot(),
                serial == null ? saved.serial() : SerialConfig.parse(serial),
                saved.console(),
                diskConfigs,
                saved.nets(),
                saved.rng(),
                saved.debugExitPort(),
                saved.rebootOnReset());
    }
}
