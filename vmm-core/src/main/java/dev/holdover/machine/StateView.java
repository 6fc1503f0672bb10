package dev.holdover.machine;

import dev.holdover.boot.BootConfig;
import dev.holdover.memory.RamConfig;
import dev.holdover.virtio.DiskConfig;
import dev.holdover.virtio.NetConfig;
import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.RamRegion;
import dev.holdover.vmstate.SectionEntry;
import dev.holdover.vmstate.StateException;
import dev.holdover.vmstate.StateHeader;
import dev.holdover.vmstate.StateInspection;
import dev.holdover.vmstate.TimelineEvent;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A state as it is shown: decoded part by part, so that damage in one does not hide the others. It needs no KVM and
 * opens none of the files that the state names.
 */
public final class StateView {
    private final StateInspection inspection;
    private final StateGroup header;
    private final StateGroup machine;
    private final StateValue.Items ram;
    private final StateGroup sections = new StateGroup();
    private final StateGroup vcpus = new StateGroup();
    private final StateGroup devices = new StateGroup();
    private final StateValue.Items timeline;
    private final List<String> damages;

    /** The inspection is used here only, and stays the caller's. Reads what is in memory already. */
    public StateView(StateInspection inspection) {
        this.inspection = inspection;
        this.damages = new ArrayList<>(inspection.damages());
        this.header = header(inspection);
        this.machine = machine(inspection.header());
        this.ram = ram(inspection);
        for (StateInspection.Section section : inspection.sections()) {
            add(section);
        }
        this.timeline = timeline(inspection);
    }

    private static StateGroup header(StateInspection inspection) {
        StateHeader header = inspection.header();
        boolean x86 = header.architecture() == StateHeader.X86_64;
        return new StateGroup()
                .text("writer", header.writer())
                .number("format", header.version())
                .text("architecture", x86 ? "x86-64" : "ELF machine " + Integer.toUnsignedString(header.architecture()))
                .size("length", inspection.size())
                .size("header", header.length())
                .size("image", header.imageLength());
    }

    private StateGroup machine(StateHeader header) {
        MachineConfig config;
        try {
            config = ConfigCodec.decode(header.configVersion(), header.configInput());
        } catch (StateException e) {
            damages.add(withoutName(e));
            return null;
        }
        StateGroup group = new StateGroup();
        if (!config.name().isEmpty()) {
            group.text("name", config.name());
        }
        group.number("vcpus", config.cpus()).add("ram", ram(config.ram()));
        if (config.boot() instanceof BootSource.KernelImage image) {
            BootConfig boot = image.config();
            group.text("kernel", boot.kernel().toString());
            if (boot.initrd() != null) {
                group.text("initrd", boot.initrd().toString());
            }
            if (!boot.commandLine().isEmpty()) {
                group.text("command-line", boot.commandLine());
            }
        } else {
            group.text("firmware", ((BootSource.Firmware) config.boot()).image().toString());
        }
        group.text("serial", config.serial().text());
        if (config.console() != null) {
            group.text("console", config.console().text());
        }
        if (!config.disks().isEmpty()) {
            List<StateValue> disks = new ArrayList<>();
            for (DiskConfig disk : config.disks()) {
                disks.add(new StateGroup().text("path", disk.path()).flag("read-only", disk.readOnly()));
            }
            group.add("disks", new StateValue.Items(disks));
        }
        if (!config.nets().isEmpty()) {
            List<StateValue> nets = new ArrayList<>();
            for (NetConfig net : config.nets()) {
                nets.add(new StateGroup().text("tap", net.tap()).text("mac", DeviceView.text(net.mac())));
            }
            group.add("nets", new StateValue.Items(nets));
        }
        group.flag("rng", config.rng());
        if (config.pci()) {
            group.flag("pci", true);
        }
        if (config.debugExitPort() >= 0) {
            group.hex16("debug-exit", config.debugExitPort());
        }
        return group.text("on-reset", config.rebootOnReset() ? "reboot" : "exit");
    }

    private static StateGroup ram(RamConfig ram) {
        StateGroup group = new StateGroup()
                .size("size", ram.size())
                .text("backend", ram.backend().name().toLowerCase(Locale.ROOT));
        if (ram.memPath() != null) {
            group.text("mem-path", ram.memPath());
        }
        if (ram.offset() != 0) {
            group.size("offset", ram.offset());
        }
        return group.flag("share", ram.share()).flag("thp", ram.thp());
    }

    private static StateValue.Items ram(StateInspection inspection) {
        List<StateValue> items = new ArrayList<>();
        List<RamRegion> regions = inspection.header().regions();
        for (int i = 0; i < regions.size(); i++) {
            RamRegion region = regions.get(i);
            StateGroup one = new StateGroup()
                    .text("name", region.name())
                    .text("where", region.copied() ? "copied" : "kept in place")
                    .size("size", region.size())
                    .add("gpa", new StateValue.Hex(region.gpa(), 0))
                    .add("file-offset", new StateValue.Hex(region.fileOffset(), 0))
                    .flag("share", region.shared());
            if (region.copied()) {
                if (inspection.pages() != null) {
                    one.size("pages", inspection.pages().size(i));
                }
            } else if (region.id().getMostSignificantBits() == 0 && region.id().getLeastSignificantBits() == 0) {
                one.text("id", "none");
            } else {
                // A sample is a page's number and its CRC32C.
                one.text("id", region.id().toString())
                        .number("generation", region.generation())
                        .number("proof-samples", region.proof().byteSize() / 8);
            }
            items.add(one);
        }
        return new StateValue.Items(items);
    }

    private void add(StateInspection.Section section) {
        SectionEntry entry = section.entry();
        String verdict = section.damage() == null ? decode(section) : "damaged";
        sections.add(
                entry.id(),
                new StateGroup()
                        .number("version", entry.version())
                        .number("offset", entry.offset())
                        .size("length", entry.length())
                        .text("verdict", verdict));
    }

    /** Shows a section that is whole; says what is to be thought of it. */
    private String decode(StateInspection.Section section) {
        SectionEntry entry = section.entry();
        boolean vcpu = entry.name().equals(VcpuSection.TYPE.name());
        if (inspection.header().architecture() != StateHeader.X86_64 || !Incoming.knows(entry)) {
            return "unknown to this VMM";
        }
        try {
            if (vcpu && entry.instance() < Machine.MAX_CPUS) {
                vcpus.add(Integer.toString(entry.instance()), VcpuView.of(VcpuSection.read(section.view())));
            } else if (!vcpu) {
                devices.add(entry.id(), DeviceView.of(section.view()));
            }
            return "ok";
        } catch (StateException e) {
            damages.add(withoutName(e));
            return "malformed";
        }
    }

    /** The sentence without the state's name, as {@link StateInspection#damages} has them. */
    private String withoutName(StateException e) {
        String name = "state " + inspection.header().state() + ": ";
        return e.getMessage().startsWith(name) ? e.getMessage().substring(name.length()) : e.getMessage();
    }

    private static StateValue.Items timeline(StateInspection inspection) {
        List<StateValue> events = new ArrayList<>();
        if (inspection.timeline() != null) {
            for (TimelineEvent event : inspection.timeline().events()) {
                Phase phase = Phase.of(event.phase());
                events.add(new StateGroup()
                        .number("phase", event.phase())
                        .text("what", phase == null ? "unknown to this VMM" : phase.text())
                        .text("at", at(event.realtime()))
                        .number("monotonic-ns", event.monotonic())
                        .hex64("host-tsc", event.tsc()));
            }
        }
        return new StateValue.Items(events);
    }

    private static String at(long nanos) {
        return Instant.ofEpochSecond(Math.floorDiv(nanos, 1_000_000_000L), Math.floorMod(nanos, 1_000_000_000L))
                .toString();
    }

    /** Format version, writer, architecture, lengths. */
    public StateGroup header() {
        return header;
    }

    /** The machine's configuration; null if it is malformed. */
    public StateGroup machine() {
        return machine;
    }

    /** A group for each RAM region, its name first. */
    public StateValue.Items ram() {
        return ram;
    }

    /** A group for each section: version, offset, length, and whether it is whole. */
    public StateGroup sections() {
        return sections;
    }

    /** A group for each vCPU whose section is whole, by its number. */
    public StateGroup vcpus() {
        return vcpus;
    }

    /** A group for each device whose section is whole, by its section. */
    public StateGroup devices() {
        return devices;
    }

    /** A group for each phase that was reached, its number first. */
    public StateValue.Items timeline() {
        return timeline;
    }

    /** All that is damaged or makes no sense, a sentence each; empty for a state that is whole. */
    public List<String> damages() {
        return damages;
    }
}
