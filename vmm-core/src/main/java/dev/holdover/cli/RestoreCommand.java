package dev.holdover.cli;

import dev.holdover.kvm.KvmUnavailable;
import dev.holdover.linux.Fd;
import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.Agent;
import dev.holdover.liveupdate.Session;
import dev.holdover.machine.Incoming;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineConfig;
import dev.holdover.memory.AddFd;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.RamConfig;
import dev.holdover.serial.SerialConfig;
import dev.holdover.virtio.DiskConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Stack;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "restore",
        description = "Takes a saved guest up again, where it stood.",
        sortOptions = false,
        customSynopsis = {
            "./vmm restore STATE [OPTION]...",
            "       ./vmm restore --live-update AGENT --name NAME [OPTION]..."
        },
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
            "  ./vmm restore --live-update luod --name vm0",
            "  ./vmm restore guest.state --ram mem-path=/dev/fdset/1 \\",
            "                --add-fd fd=9,set=1 9<>/dev/shm/ram"
        })
final class RestoreCommand implements Callable<Integer>, PlainArguments.Reader {
    @Mixin
    HelpOption help;

    @Parameters(
            paramLabel = "STATE",
            arity = "0..1",
            description = "The state: a file, or /dev/fdset/ID; unless --live-update is given.")
    private String state;

    @Option(
            names = "--live-update",
            paramLabel = "AGENT",
            description = {
                "Takes the guest from whoever holds it, and takes part in the next update:",
                LiveUpdateOption.SYNTAX
            })
    private String liveUpdate;

    @Option(names = "--name", paramLabel = "NAME", description = "The guest's name, with --live-update.")
    private String name;

    @Option(
            names = "--or-boot",
            arity = "1..*",
            paramLabel = "OPTION",
            parameterConsumer = TheRest.class,
            description = {
                "With --live-update, last: if the agent says that it holds no such guest, boot one",
                "with these options, as run does. Never after a restore that failed."
            })
    private List<String> orBoot;

    /** Takes all that is left of the command line. */
    static final class TheRest implements CommandLine.IParameterConsumer {
        @Override
        public void consumeParameters(
                Stack<String> arguments, CommandLine.Model.ArgSpec option, CommandLine.Model.CommandSpec command) {
            List<String> rest = new ArrayList<>();
            while (!arguments.isEmpty()) {
                rest.add(arguments.pop());
            }
            option.setValue(rest);
        }
    }

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
            paramLabel = "path=FILE[,KEY=VALUE...]",
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
                case "--live-update" -> liveUpdate = arguments.once(liveUpdate);
                case "--name" -> name = arguments.once(name);
                default -> throw new PlainArguments.NotPlain();
            }
        }
        if (state == null && liveUpdate == null) {
            throw new PlainArguments.NotPlain();
        }
    }

    @Override
    public Integer call() throws InterruptedException {
        if ((state == null) == (liveUpdate == null)) {
            throw new UsageException(
                    state == null
                            ? "nothing to restore: name a state, or an agent with --live-update"
                            : "a state and --live-update exclude each other: give one of them");
        }
        if (liveUpdate != null) {
            return restoreFromAgent();
        }
        if (name != null || orBoot != null) {
            throw new UsageException((name != null ? "--name" : "--or-boot") + " goes with --live-update only");
        }
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
            try (Fd file = FdSets.isFdSet(state) ? fdsets.open(state, Fd.O_RDWR) : null;
                    Incoming incoming = file == null ? new Incoming(state, force) : new Incoming(file, force)) {
                machine = Machine.restore(config(incoming.config()), fdsets, incoming);
            }
            return Running.untilEnd(machine, fdsets, control, null, "vmm restore");
        } catch (KvmUnavailable e) {
            throw Running.withoutKvm(e, control);
        }
    }

    private int restoreFromAgent() throws InterruptedException {
        NotEmpty.value("--name", name);
        NotEmpty.value("--serial", serial);
        NotEmpty.value("--control", control);
        if (ram != null || force || !addFds.isEmpty()) {
            throw new UsageException((ram != null ? "--ram" : force ? "--force" : "--add-fd")
                    + " goes with a state only: RAM that was preserved is where it was");
        }
        if (orBoot != null && orBoot.isEmpty()) {
            throw new UsageException("--or-boot needs options of run, say --or-boot -k bzImage");
        }
        Agent agent = LiveUpdateOption.agent(liveUpdate, name == null ? "" : name);
        if (agent == null) {
            throw new UsageException("--live-update none: nobody to restore a guest from");
        }
        Running.requireControl(control);
        Leaving leaving = Leaving.hook();
        if (Claimed.isAlone(agent)) {
            leaving.holdAlone(name); // before the claim: with this process the guest would end from then on
        }
        Session session;
        try {
            session = agent.claim(name);
        } catch (RuntimeException | Error e) {
            leaving.forget();
            throw e;
        }
        if (session == null) {
            leaving.forget();
            agent.close();
            if (orBoot == null) {
                throw new VmmException(agent.name() + " holds no guest named " + name
                        + ": nothing to restore; boot it with ./vmm run, or give --or-boot");
            }
            System.err.println("vmm restore: " + agent.name() + " holds no guest named " + name + ": it is booted");
            List<String> run = new ArrayList<>(List.of("run", "--live-update", liveUpdate, "--name", name));
            if (control != null) {
                run.addAll(List.of("--control", control));
            }
            run.addAll(orBoot);
            return Main.execute(run.toArray(new String[0]));
        }
        return new Claimed(agent, name, session, this::config, control, leaving).restore();
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
                saved.pci(),
                saved.vfio(),
                saved.debugExitPort(),
                saved.rebootOnReset());
    }
}
