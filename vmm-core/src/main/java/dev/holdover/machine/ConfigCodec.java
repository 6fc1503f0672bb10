package dev.holdover.machine;

import dev.holdover.boot.BootConfig;
import dev.holdover.linux.UsageException;
import dev.holdover.memory.RamConfig;
import dev.holdover.passthrough.VfioConfig;
import dev.holdover.serial.SerialConfig;
import dev.holdover.virtio.ConsoleConfig;
import dev.holdover.virtio.DiskConfig;
import dev.holdover.virtio.MacAddress;
import dev.holdover.virtio.NetConfig;
import dev.holdover.vmstate.StateException;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The machine's configuration in a state's header, so that a restore needs the state alone. */
final class ConfigCodec {
    static final int VERSION = 2;

    /** Without what came later: written for machines that have none of it, so that older programs read them. */
    private static final int FIRST_VERSION = 1;

    private static final int MAX_TEXT = 4096;
    private static final int MAX_COMMAND_LINE = 0xffff;
    private static final int MAX_DEVICES = 64;
    /** More than all that is no text. */
    private static final int FIXED_FIELDS = 256;

    private static final int KERNEL = 1;
    private static final int FIRMWARE = 2;

    private ConfigCodec() {}

    /** The version in which {@link #encode} writes it. */
    static int version(MachineConfig config) {
        return config.hasPciBus() ? VERSION : FIRST_VERSION;
    }

    static MemorySegment encode(MachineConfig config) {
        StateOutput out = new StateOutput(MemorySegment.ofArray(new byte[encodedLimit(config)]));
        out.string(config.name());
        RamConfig ram = config.ram();
        out.string(ram.backend().name());
        out.i64(ram.size());
        out.string(ram.memPath() == null ? "" : absolute(ram.memPath()));
        out.bool(ram.share());
        out.i64(ram.offset());
        out.bool(ram.thp());
        out.bool(ram.prefault());
        out.i32(config.cpus());
        if (config.boot() instanceof BootSource.KernelImage image) {
            out.u8(KERNEL);
            out.string(absolute(image.config().kernel().toString()));
            Path initrd = image.config().initrd();
            out.string(initrd == null ? "" : absolute(initrd.toString()));
            out.string(image.config().commandLine());
        } else {
            out.u8(FIRMWARE);
            out.string(absolute(((BootSource.Firmware) config.boot()).image().toString()));
        }
        out.string(config.serial().text());
        out.string(config.console() == null ? "" : config.console().text());
        out.i32(config.disks().size());
        for (DiskConfig disk : config.disks()) {
            out.string(absolute(disk.path()));
            out.bool(disk.readOnly());
        }
        out.i32(config.nets().size());
        for (NetConfig net : config.nets()) {
            out.string(net.tap());
            out.i64(net.mac().bits());
        }
        out.bool(config.rng());
        out.i32(config.debugExitPort());
        out.bool(config.rebootOnReset());
        if (version(config) > FIRST_VERSION) {
            out.bool(config.pci());
            out.i32(config.vfio().size());
            for (VfioConfig device : config.vfio()) {
                out.string(device.text());
            }
        }
        return out.written();
    }

    /**
     * Refuses a machine whose guest could be started, but not restored: a state has limits.
     *
     * @throws UsageException that names the option
     */
    static void requireSavable(MachineConfig config) {
        requireText("--name", config.name(), MAX_TEXT);
        requirePath("--ram mem-path=", config.ram().memPath());
        if (config.boot() instanceof BootSource.KernelImage image) {
            requirePath("--kernel", image.config().kernel().toString());
            requirePath(
                    "--initrd",
                    image.config().initrd() == null
                            ? null
                            : image.config().initrd().toString());
            requireText("--append", image.config().commandLine(), MAX_COMMAND_LINE);
        } else if (config.boot() instanceof BootSource.Firmware firmware) {
            requirePath("--bios", firmware.image().toString());
        }
        requireText("--serial", config.serial().text(), MAX_TEXT);
        requireText(
                "--console", config.console() == null ? "" : config.console().text(), MAX_TEXT);
        requireCount("--disk", config.disks().size());
        config.disks().forEach(disk -> requirePath("--disk path=", disk.path()));
        requireCount("--net", config.nets().size());
        config.nets().forEach(net -> requireText("--net tap=", net.tap(), MAX_TEXT));
        requireCount("--vfio", config.vfio().size());
        config.vfio().forEach(device -> requireText("--vfio", device.text(), MAX_TEXT));
    }

    private static void requirePath(String option, String path) {
        if (path != null) {
            requireText(option, absolute(path), MAX_TEXT);
        }
    }

    private static void requireText(String option, String text, int most) {
        int length = utf8Length(text);
        if (length > most) {
            throw new UsageException(option + ": its text has " + length + " bytes in UTF-8, a saved guest's may have "
                    + most + " at most");
        }
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new UsageException(option + ": its text cannot be written in UTF-8, as a saved guest's has to be");
        }
    }

    private static int utf8Length(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }

    private static void requireCount(String option, int count) {
        if (count > MAX_DEVICES) {
            throw new UsageException(option + " is given " + count + " times, a guest may have " + MAX_DEVICES);
        }
    }

    /** At least the bytes that a machine takes; of any that {@link #requireSavable} lets pass less than a header may have. */
    private static int encodedLimit(MachineConfig config) {
        int texts =
                8 + config.disks().size() + config.nets().size() + config.vfio().size();
        int commandLine = config.boot() instanceof BootSource.KernelImage image
                ? utf8Length(image.config().commandLine())
                : 0;
        return FIXED_FIELDS + commandLine + texts * (MAX_TEXT + 16);
    }

    /** The state may be restored from another directory. */
    private static String absolute(String path) {
        return Path.of(path).toAbsolutePath().toString();
    }

    /** What a state says; whatever no VMM would have written is refused as {@link StateException}. */
    static MachineConfig decode(int version, StateInput in) {
        try {
            return read(version, in);
        } catch (UsageException | InvalidPathException e) {
            throw in.refuse("a text in it is none that belongs there: " + e.getMessage());
        }
    }

    private static MachineConfig read(int version, StateInput in) {
        if (version < FIRST_VERSION || version > VERSION) {
            throw in.refuse("it has version " + version + ", this VMM reads up to " + VERSION);
        }
        String name = in.string(MAX_TEXT);
        RamConfig ram = ram(in);
        int cpus = in.i32();
        if (cpus < 1 || cpus > Machine.MAX_CPUS) {
            throw in.refuse("it has " + cpus + " vCPUs");
        }
        BootSource boot = boot(in);
        SerialConfig serial = SerialConfig.parse(in.string(MAX_TEXT));
        String console = in.string(MAX_TEXT);
        List<DiskConfig> disks = new ArrayList<>();
        for (int i = in.count(MAX_DEVICES); i > 0; i--) {
            disks.add(DiskConfig.raw(in.string(MAX_TEXT), in.bool()));
        }
        List<NetConfig> nets = new ArrayList<>();
        for (int i = in.count(MAX_DEVICES); i > 0; i--) {
            nets.add(new NetConfig(in.string(MAX_TEXT), new MacAddress(in.i64())));
        }
        boolean rng = in.bool();
        int debugExitPort = in.i32();
        boolean rebootOnReset = in.bool();
        boolean pci = version > FIRST_VERSION && in.bool();
        List<VfioConfig> vfio = new ArrayList<>();
        for (int i = version > FIRST_VERSION ? in.count(MAX_DEVICES) : 0; i > 0; i--) {
            vfio.add(VfioConfig.parse(in.string(MAX_TEXT)));
        }
        in.end();
        return new MachineConfig(
                name,
                ram,
                cpus,
                boot,
                serial,
                console.isEmpty() ? null : ConsoleConfig.parse(console),
                disks,
                nets,
                rng,
                pci,
                vfio,
                debugExitPort,
                rebootOnReset);
    }

    private static RamConfig ram(StateInput in) {
        RamConfig.Backend backend = backend(in);
        long size = in.i64();
        String path = in.string(MAX_TEXT);
        return new RamConfig(backend, size, path.isEmpty() ? null : path, in.bool(), in.i64(), in.bool(), in.bool());
    }

    private static RamConfig.Backend backend(StateInput in) {
        String name = in.string(MAX_TEXT);
        for (RamConfig.Backend backend : RamConfig.Backend.values()) {
            if (backend.name().equals(name)) {
                return backend;
            }
        }
        throw in.refuse("RAM backend " + name + " is unknown");
    }

    private static BootSource boot(StateInput in) {
        int kind = in.u8();
        if (kind == FIRMWARE) {
            return new BootSource.Firmware(Path.of(in.string(MAX_TEXT)));
        }
        if (kind != KERNEL) {
            throw in.refuse("boot source " + kind + " is unknown");
        }
        Path kernel = Path.of(in.string(MAX_TEXT));
        String initrd = in.string(MAX_TEXT);
        return new BootSource.KernelImage(
                new BootConfig(kernel, initrd.isEmpty() ? null : Path.of(initrd), in.string(MAX_COMMAND_LINE)));
    }
}
