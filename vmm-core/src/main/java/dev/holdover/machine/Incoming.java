package dev.holdover.machine;

import dev.holdover.boot.FlatFirmware;
import dev.holdover.kvm.state.Cpuid;
import dev.holdover.kvm.state.VmState;
import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.GuestMemory;
import dev.holdover.memory.IdentityPage;
import dev.holdover.memory.Ram;
import dev.holdover.memory.RamConfig;
import dev.holdover.memory.RamIdentity;
import dev.holdover.pci.MsixState;
import dev.holdover.pci.PciConfigState;
import dev.holdover.pci.PciHostBridgeState;
import dev.holdover.platform.AcpiPmState;
import dev.holdover.platform.CmosRtcState;
import dev.holdover.platform.I8042State;
import dev.holdover.platform.MemoryMap;
import dev.holdover.platform.Uart16550State;
import dev.holdover.virtio.VirtioBlkState;
import dev.holdover.virtio.VirtioConsoleState;
import dev.holdover.virtio.VirtioNetState;
import dev.holdover.virtio.VirtioPciState;
import dev.holdover.virtio.VirtioState;
import dev.holdover.vmstate.RamRegion;
import dev.holdover.vmstate.SectionEntry;
import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.SectionView;
import dev.holdover.vmstate.StateFile;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A state that is to be taken up: whole, known in all its parts and parsed, and what it asks of RAM and host. */
public final class Incoming implements AutoCloseable {
    static final SectionType FIRMWARE = new SectionType("firmware", 1);

    static final List<SectionType> KNOWN = List.of(
            FIRMWARE,
            VmSection.TYPE,
            VcpuSection.TYPE,
            RunStateSection.TYPE,
            Uart16550State.SECTION,
            AcpiPmState.SECTION,
            I8042State.SECTION,
            CmosRtcState.SECTION,
            VirtioState.MMIO_SECTION,
            VirtioBlkState.SECTION,
            VirtioNetState.SECTION,
            VirtioConsoleState.SECTION,
            VirtioPciState.SECTION,
            PciHostBridgeState.SECTION,
            PciConfigState.SECTION,
            MsixState.SECTION);

    /** By so much the rates of two hosts may differ: as much as NTP corrects in a guest (500 ppm), and half of it left. */
    private static final long TSC_TOLERANCE_PPM = 250;

    /** How RAM and disks are known to be the state's. */
    private enum Trust {
        /** By what stands with it. */
        IDENTITY,
        /** It is not: the user knows better. */
        FORCE,
        /** Its owner passes it on together with the state. */
        HANDED_OVER,
        /** By what stands in a page that came out of the same live-update session. */
        SESSION
    }

    private final StateFile state;
    private final Trust trust;
    private final RamIdentity ofSession;
    /** Where the RAM is, for sentences; null to name its path. */
    private final String place;

    private final MachineConfig config;
    private final List<VcpuSection.Contents> vcpus = new ArrayList<>();
    private final VmState vm;
    private final boolean paused;

    /**
     * Opens a state and reads all of it but the devices.
     *
     * @param force whether to restore it even if RAM is not, or no longer, what the state belongs to
     * @throws dev.holdover.vmstate.StateException if it is damaged, or not known in all its parts
     */
    public Incoming(String path, boolean force) {
        this(
                FlightPhases.begin(FlightPhases.Operation.RESTORE, ""),
                StateFile.open(path, KNOWN),
                force ? Trust.FORCE : Trust.IDENTITY,
                null,
                null);
    }

    /**
     * Reads a state that came out of a live-update session.
     *
     * @param state stays open as long as this is
     * @param page where the RAM's identity stands
     * @param session its name
     */
    static Incoming ofSession(Fd state, IdentityPage page, String session) {
        RamIdentity identity = page.read();
        return new Incoming(
                FlightPhases.OFF, StateFile.open(state, KNOWN), Trust.SESSION, identity, "session " + session);
    }

    /** Likewise, of a file or memfd that somebody else opened; it stays the caller's, and open. */
    public Incoming(Fd file, boolean force) {
        this(
                FlightPhases.begin(FlightPhases.Operation.RESTORE, ""),
                StateFile.open(file, KNOWN),
                force ? Trust.FORCE : Trust.IDENTITY,
                null,
                null);
    }

    /**
     * Reads a state that comes with its RAM from the VMM that has the guest.
     *
     * @param memory a copy that nobody changes
     */
    static Incoming handedOver(MemorySegment memory) {
        StateFile state = StateFile.parse(memory);
        state.requireKnown(KNOWN);
        return new Incoming(FlightPhases.OFF, state, Trust.HANDED_OVER, null, null);
    }

    /** @param phases one begins before the state is opened, and ends here */
    private Incoming(FlightPhases phases, StateFile state, Trust trust, RamIdentity ofSession, String place) {
        this.state = state;
        this.trust = trust;
        this.ofSession = ofSession;
        this.place = place;
        try {
            this.config = ConfigCodec.decode(
                    state.header().configVersion(), state.header().configInput());
            for (int i = 0; i < config.cpus(); i++) {
                vcpus.add(VcpuSection.read(state.section(VcpuSection.TYPE, i)));
            }
            int sections = 0;
            for (SectionEntry entry : state.header().sections()) {
                sections += entry.name().equals(VcpuSection.TYPE.name()) ? 1 : 0;
            }
            if (sections != config.cpus()) {
                throw refused("it has " + sections + " vCPU sections for " + config.cpus() + " vCPUs");
            }
            this.vm = VmSection.read(state.section(VmSection.TYPE, 0).input());
            SectionView runState = state.findSection(RunStateSection.TYPE, 0);
            this.paused = runState != null;
            if (paused) {
                RunStateSection.read(runState.input());
            }
        } catch (RuntimeException e) {
            state.close();
            throw e;
        }
        phases.named(config.name());
        phases.done("READ");
    }

    /** Whether a section is of a kind and version that can be restored. */
    static boolean knows(SectionEntry entry) {
        for (int i = 0; i < KNOWN.size(); i++) {
            if (KNOWN.get(i).name().equals(entry.name())) {
                return entry.version() <= KNOWN.get(i).version();
            }
        }
        return false;
    }

    RestoreRefused refused(String why) {
        return new RestoreRefused("won't restore " + state.name() + ": " + why);
    }

    /** The machine that was saved; private RAM, which is in the state whole, needs no file any more. */
    public MachineConfig config() {
        RamConfig ram = config.ram();
        if (ram.share()) {
            return config;
        }
        return config.withRam(
                new RamConfig(RamConfig.Backend.ANONYMOUS, ram.size(), null, false, 0, ram.thp(), ram.prefault()));
    }

    /** Whether its guest was paused, by a user and not by the save alone: it stays so until somebody lets it run. */
    boolean isPaused() {
        return paused;
    }

    boolean isOfSession() {
        return trust == Trust.SESSION;
    }

    StateFile state() {
        return state;
    }

    /** Whether RAM and disks have to be shown to be the state's: its owner does not pass them on, the user does not force it. */
    boolean requiresIdentity() {
        return trust == Trust.IDENTITY || trust == Trust.SESSION;
    }

    VcpuSection.Contents vcpu(int id) {
        return vcpus.get(id);
    }

    VmState vm() {
        return vm;
    }

    /** Its firmware, null if it was started from a kernel. */
    FlatFirmware firmware() {
        SectionView section = state.findSection(FIRMWARE, 0);
        if (section == null) {
            return null;
        }
        long size = section.bytes().byteSize();
        if (size == 0 || size % MemoryMap.PAGE != 0 || size > MemoryMap.BIOS_MAX_SIZE) {
            throw refused("its firmware has " + size + " bytes");
        }
        return FlatFirmware.of(section.bytes());
    }

    /** Refuses RAM, before it is opened, that cannot be what the state belongs to. */
    void requireRam(RamConfig ram) {
        long size = 0;
        boolean kept = false;
        for (RamRegion region : state.header().regions()) {
            size += region.size();
            kept |= !region.copied();
        }
        if (ram.size() != size) {
            throw refused("it belongs to " + size + " bytes of RAM, the machine has " + ram.size());
        }
        if (!kept || trust == Trust.HANDED_OVER || trust == Trust.SESSION) {
            return;
        }
        if (ram.backend() != RamConfig.Backend.FILE || !ram.share()) {
            throw refused("its RAM was left in place and this RAM is new; name where it is with --ram mem-path=PATH");
        }
        if (FdSets.isFdSet(ram.memPath())) {
            return;
        }
        // Here and not when it is opened, which would make a file. What else is no RAM is told there: it may be a
        // device.
        Path path = Path.of(ram.memPath());
        boolean gone = !Files.exists(path);
        if (gone || Files.isDirectory(path)) {
            throw refused("its RAM was left in " + path + ", which is "
                    + (gone ? Errno.ENOENT.name() + " (" + Errno.ENOENT.text() + ")" : "a directory")
                    + "; name where it is now with --ram mem-path=PATH");
        }
    }

    /**
     * Checks that the RAM which was left in place is this, in the generation that the state is of.
     *
     * @return what stands with the RAM; null if it was copied
     */
    RamIdentity checkRam(Ram ram) {
        List<RamRegion> saved = state.header().regions();
        List<GuestMemory.Region> regions = ram.memory().regions();
        if (saved.size() != regions.size()) {
            throw refused("its RAM has " + saved.size() + " regions, the machine's has " + regions.size());
        }
        RamIdentity identity = null;
        for (int i = 0; i < saved.size(); i++) {
            if (saved.get(i).gpa() != regions.get(i).gpa()
                    || saved.get(i).size() != regions.get(i).size()) {
                throw refused("its RAM region " + saved.get(i).name() + " lies elsewhere in this machine");
            }
            if (saved.get(i).copied()) {
                requireEmpty(regions.get(i), ram);
            } else {
                identity = trust == Trust.SESSION ? ofSession : ram.identity();
                if (requiresIdentity()) {
                    requireSame(saved.get(i), regions.get(i), identity, ram);
                }
            }
        }
        return identity;
    }

    private void requireSame(RamRegion saved, GuestMemory.Region region, RamIdentity identity, Ram ram) {
        String path = place == null ? ram.config().memPath() : place;
        if (identity == null) {
            throw refused("the RAM in " + path + " is not marked as any guest's (foreign, a copy, or made anew)");
        }
        if (!identity.id().equals(saved.id())) {
            throw refused("the RAM in " + path + " is another guest's (foreign): the state belongs to RAM " + saved.id()
                    + ", this is " + identity.id());
        }
        if (identity.generation() != saved.generation()) {
            throw refused(
                    "the RAM in " + path + " has moved on: " + identity.cause().text() + " (generation "
                            + identity.generation() + ", the state is of " + saved.generation() + ")");
        }
        if (!RamIdentity.matches(region, saved.proof())) {
            throw refused("the RAM in " + path + " does not hold what it held when the state was saved (zeroed, or"
                    + " written over)");
        }
    }

    /**
     * Pages that were zero are not in the state, so RAM that it is loaded into has to be zero; in a private mapping, too,
     * where the file shows through.
     */
    private void requireEmpty(GuestMemory.Region region, Ram ram) {
        if (region.fd() != null && !region.isZero()) {
            throw refused("its RAM is in the state itself, and " + ram.config().memPath()
                    + " is not empty; remove it, or name a new file with --ram mem-path=PATH");
        }
    }

    /** Whether it has RAM in itself, which is written to the machine's. */
    boolean hasPages() {
        for (RamRegion region : state.header().regions()) {
            if (region.copied()) {
                return true;
            }
        }
        return false;
    }

    /** Copies what RAM the state has into the machine's. */
    void loadPages(GuestMemory memory) {
        List<RamRegion> saved = state.header().regions();
        for (int i = 0; i < saved.size(); i++) {
            if (saved.get(i).copied()) {
                state.pages().load(i, memory.regions().get(i).segment());
            }
        }
    }

    /** The vCPU's CPUID as it was set; refused, by the features' names, if this host lacks some. */
    Cpuid requireCpu(int id, Cpuid supported, boolean tscDeadline, int xsaveSize) {
        Cpuid cpuid = vcpus.get(id).cpuid();
        String lacking = CpuFeatures.lacking(cpuid, supported, tscDeadline);
        if (!lacking.isEmpty()) {
            throw refused("this host's CPU lacks " + lacking + ", which the guest has");
        }
        int saved = (int) vcpus.get(id).state().xsave().byteSize();
        if (saved > xsaveSize) {
            throw refused("its vector state has " + saved + " bytes, this host's KVM takes " + xsaveSize);
        }
        return cpuid;
    }

    /**
     * The rate in kHz to which a vCPU's TSC is to be set; 0 if it is to stay as it is: the host's. A guest that stays on its
     * machine is not refused for a rate: a kernel that calibrates the TSC anew gets another within some hundred ppm.
     *
     * @param hostKhz the rate that the vCPU has; 0 if it is not known
     * @param scales whether KVM of this host can give a vCPU another rate
     */
    int tscKhz(int id, int hostKhz, boolean scales) {
        int saved = vcpus.get(id).state().tscKhz();
        long most = hostKhz * TSC_TOLERANCE_PPM / 1_000_000;
        if (saved == 0 || hostKhz == 0 || Math.abs((long) saved - hostKhz) <= most) {
            return 0;
        }
        if (!scales && trust == Trust.IDENTITY) {
            throw refused("the guest's TSC runs at " + saved + " kHz, this host's at " + hostKhz
                    + " kHz, and its KVM cannot scale it: the guest's clock would run wrong; use a host with the same"
                    + " rate or with TSC scaling, or --force");
        }
        return scales ? saved : 0;
    }

    @Override
    public void close() {
        state.close();
    }
}
