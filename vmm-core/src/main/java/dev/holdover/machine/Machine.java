package dev.holdover.machine;

import dev.holdover.boot.Boot;
import dev.holdover.boot.CpuEntry;
import dev.holdover.boot.FlatFirmware;
import dev.holdover.boot.acpi.AcpiConfig;
import dev.holdover.boot.acpi.AcpiTables;
import dev.holdover.handover.HandOverConnection;
import dev.holdover.kvm.Kvm;
import dev.holdover.kvm.KvmCap;
import dev.holdover.kvm.KvmProblem;
import dev.holdover.kvm.KvmUnavailable;
import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.state.Cpuid;
import dev.holdover.kvm.state.Regs;
import dev.holdover.kvm.state.Sregs;
import dev.holdover.kvm.state.StructSizes;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.kvm.state.VmState;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.Signals;
import dev.holdover.linux.SocketFile;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.GuestMemory;
import dev.holdover.memory.IdentityPage;
import dev.holdover.memory.Ram;
import dev.holdover.memory.RamConfig;
import dev.holdover.memory.RamIdentity;
import dev.holdover.passthrough.Passthrough;
import dev.holdover.platform.Bus;
import dev.holdover.platform.GuestRequest;
import dev.holdover.platform.MemoryMap;
import dev.holdover.vmstate.FdTarget;
import dev.holdover.vmstate.FileTarget;
import dev.holdover.vmstate.PageWriter;
import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.StateImage;
import dev.holdover.vmstate.StateTarget;
import dev.holdover.vmstate.Timeline;
import dev.holdover.vmstate.TimelineEvent;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * A virtual machine: made parked, run, and waited for until it ends.
 *
 * <p>Order of making one, and why:
 *
 * <ol>
 *   <li>RAM, firmware or kernel, devices' files: what the user may have got wrong comes before anything costs time.
 *   <li>KVM: that this host has none is said of a machine that could be made elsewhere.
 *   <li>The VM, then all memslots: set after the interrupt controllers, each would wait milliseconds for the kernel.
 *   <li>Interrupt controllers and timer before the vCPUs, which get their LAPIC from them.
 *   <li>vCPUs with their CPUID, which decides what else may be set.
 *   <li>Interrupts and doorbells of the devices last: they need the controllers, and are cheap then.
 * </ol>
 */
public final class Machine implements AutoCloseable {
    /** One byte of APIC id, less the broadcast. */
    public static final int MAX_CPUS = 255;

    private static final int MOST_ADDRESS_BITS = 52;

    private static final KvmCap[] NEEDED = {
        KvmCap.USER_MEMORY, KvmCap.IRQCHIP, KvmCap.PIT2, KvmCap.IRQFD, KvmCap.IOEVENTFD, KvmCap.IMMEDIATE_EXIT
    };

    /** Made ahead: the guest may be another VMM's when no descriptor is left to load a class by. */
    private static final Event LEFT = new Event.Ended(new MachineEnd.HandedOver());

    final MachineConfig config;
    final Ram ram;
    final FlatFirmware firmware;
    final Devices devices;
    final KvmVm vm;
    final List<VcpuThread> vcpus = new ArrayList<>();
    final boolean sregs2;
    final List<Cpuid> cpuids = new ArrayList<>();
    final int[] msrs;
    /** What stands with the RAM now; null where none can stand, or before the first run. */
    RamIdentity ramIdentity;
    /** Why the RAM's generation is to be raised before the guest runs next; null if it need not. */
    RamIdentity.Cause raise = RamIdentity.Cause.BOOTED;
    /** The guest has asked for its end, or a user did, and nobody has seen to it yet. */
    private volatile boolean ending;

    /** Where the identity stands beside RAM whose descriptors take no attribute along; null if it need not. */
    private IdentityPage identityPage;

    private volatile List<TimelineEvent> timeline = List.of();
    private int tscKhz;
    private int guestTscKhz;
    private int hostTscKhz;
    private final MemorySegment clock = Arena.ofAuto().allocate(StructSizes.CLOCK_DATA, 8);
    private volatile PageWriter pageWriter;
    private final List<VcpuState> powerOn = new ArrayList<>();
    private final VmState powerOnVm = new VmState();
    /** Milliseconds without an exit before a vCPU is kicked. Scaled: a kick before the guest was entered would count. */
    private static final int ENTERED_MILLIS = 10;

    /** While the guest runs on, so that its stop is short. */
    private static final int REHEARSALS = 3;

    private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
    /** What was requested while the guest is {@link RunState#PRESERVED}. */
    private final List<Event.Requested> deferred = new ArrayList<>();

    private final List<MachineListener> listeners = new ArrayList<>();
    private final StartTimes startTimes;
    /** What it was made by: its first run ends that. */
    private final FlightPhases.Operation origin;

    private final boolean startsPaused;
    private boolean ranBefore;
    private RunState state = RunState.PRELAUNCH;
    /** The state that the listeners know of. */
    private RunState told = RunState.PRELAUNCH;

    private VmmException lostTo;
    private boolean closed;

    /** What the thread that waits for the machine's end is told. */
    private sealed interface Event {
        record Requested(GuestRequest request) implements Event {}

        record Ended(MachineEnd end) implements Event {}

        record Failed(VmmException sentence) implements Event {}
    }

    /**
     * Makes a machine that boots, parked.
     *
     * @param fdsets where RAM may come from; its descriptors are duplicated
     */
    public Machine(MachineConfig config, FdSets fdsets) {
        this(config, fdsets, null, null, null, null);
    }

    /**
     * Makes a machine that goes on where a saved one stood, parked. Nothing of the state's RAM is changed before {@link
     * #resume}.
     *
     * @param config the state's own ({@link Incoming#config}), or as the user changed it
     * @throws RestoreRefused if the state and the RAM, the disks or this host do not fit
     */
    public static Machine restore(MachineConfig config, FdSets fdsets, Incoming incoming) {
        return new Machine(config, fdsets, incoming, null, null, null);
    }

    /** Likewise, of a state file, just as it is. */
    public static Machine restore(Path state) {
        try (FdSets none = new FdSets();
                Incoming incoming = new Incoming(state.toString(), false)) {
            return restore(incoming.config(), none, incoming);
        }
    }

    /**
     * Makes a machine that goes on where one stood that a live update preserved, parked.
     *
     * @param ram the guest's, taken over; closed if this fails
     * @param held the guest's devices of the host, taken over; null if it has none, or they are to be opened anew
     * @param identityPage where its identity stands; taken over if this does not fail
     */
    static Machine retrieve(
            MachineConfig config,
            FdSets fdsets,
            Incoming incoming,
            Ram ram,
            HeldDevices held,
            IdentityPage identityPage) {
        Machine machine = new Machine(config, fdsets, incoming, ram, null, held);
        machine.identityPage = identityPage;
        machine.noteTscKhz();
        return machine;
    }

    /**
     * Makes all of a machine that can be made before its guest is paused elsewhere: {@link #complete} gives it the
     * guest's state.
     *
     * @param draft a state in which only that counts which does not change
     * @param ram the guest's, taken over; closed if this fails
     * @param parts what its devices live on; taken from the list
     */
    static Machine prepare(MachineConfig config, Incoming draft, Ram ram, List<NamedFd> parts) {
        return new Machine(config, null, draft, ram, parts, null);
    }

    /** @param handedRam null to open it as the configuration says, and likewise {@code parts} */
    private Machine(
            MachineConfig config,
            FdSets fdsets,
            Incoming incoming,
            Ram handedRam,
            List<NamedFd> parts,
            HeldDevices held) {
        this.config = config;
        this.startsPaused = incoming != null && incoming.isPaused();
        boolean complete = parts == null;
        this.origin = !complete
                ? FlightPhases.Operation.HAND_OVER
                : incoming == null
                        ? FlightPhases.Operation.START
                        : incoming.isOfSession() ? FlightPhases.Operation.LIVE_UPDATE : FlightPhases.Operation.RESTORE;
        this.startTimes = new StartTimes(FlightPhases.begin(origin, config.name()));
        Ram openedRam = handedRam;
        FlatFirmware openedFirmware = null;
        Devices openedDevices = null;
        Kvm openedKvm = null;
        KvmVm openedVm = null;
        try {
            if (incoming != null) {
                incoming.requireRam(config.ram());
            } else {
                ConfigCodec.requireSavable(config);
            }
            if (openedRam == null) {
                openedRam = Ram.open(config.ram(), fdsets, MemoryMap.LOW_RAM_END, MemoryMap.HIGH_RAM);
            }
            this.ram = openedRam;
            if (incoming != null) {
                ramIdentity = incoming.checkRam(ram);
                openedFirmware = incoming.firmware();
            } else if (config.boot() instanceof BootSource.Firmware image) {
                openedFirmware = FlatFirmware.read(image.image());
            }
            this.firmware = openedFirmware;
            int addressBits = incoming == null
                    ? newGuestsAddressBits(config)
                    : GuestCpuid.addressBits(incoming.vcpu(0).cpuid());
            openedDevices = new Devices(
                    config, ram.memory(), parts, held, addressBits, this::request, this::quit, this::failed);
            this.devices = openedDevices;
            Devices.Saved savedDevices = incoming == null ? null : devices.read(incoming);
            CpuEntry entry = incoming == null ? loadGuest() : CpuEntry.reset();
            Kvm kvm = Kvm.open();
            openedKvm = kvm;
            checkHost(kvm, config.cpus());
            Cpuid supported = kvm.supportedCpuid();
            startTimes.done(StartTimes.Part.OPEN);

            openedVm = kvm.createVm();
            this.vm = openedVm;
            int slots = setMemorySlots(kvm.has(KvmCap.READONLY_MEM));
            if (kvm.has(KvmCap.SET_IDENTITY_MAP_ADDR)) {
                vm.setIdentityMapAddress(MemoryMap.KVM_IDENTITY_MAP);
            }
            if (kvm.has(KvmCap.SET_TSS_ADDR)) {
                vm.setTssAddress(MemoryMap.KVM_TSS);
            }
            if (incoming != null) {
                devices.placePci(savedDevices);
            }
            devices.connectMemory(vm, slots);
            startTimes.done(StartTimes.Part.MEMSLOTS);
            vm.createIrqchip();
            vm.createPit();
            startTimes.done(StartTimes.Part.IRQCHIP);

            Signals.installKick();
            createVcpus(kvm, supported, incoming);
            for (VcpuThread vcpu : vcpus) {
                vcpu.start();
            }
            this.sregs2 = kvm.has(KvmCap.SREGS2);
            this.msrs = incoming == null
                    ? KeptMsrs.of(kvm.msrIndexes(), vcpus.getFirst().vcpu())
                    : incoming.vcpu(0).state().msrs().indexes();
            if (config.rebootOnReset()) {
                keepPowerOnState();
            }
            EntryRegisters.set(vcpus.getFirst().vcpu(), entry);
            startTimes.done(StartTimes.Part.VCPUS);
            devices.connect(vm);
            if (incoming != null && complete) {
                boolean ofSession = incoming.isOfSession();
                apply(incoming, savedDevices, ofSession ? GuestTime.Passed.ON_THIS_MACHINE : GuestTime.Passed.NOT);
                devices.listen();
                raise = RamIdentity.Cause.RESTORED;
            }
            if (complete) {
                devices.startConsole();
            } else {
                devices.prepareConsole();
            }
            startTimes.done(StartTimes.Part.STATE);
        } catch (RuntimeException | Error e) {
            for (VcpuThread vcpu : vcpus) {
                vcpu.close();
            }
            close(openedVm);
            close(openedDevices);
            close(openedFirmware);
            String lost = openedRam == null ? null : openedRam.whyLost();
            if (openedRam != null) {
                openedRam.discard();
            }
            if (e instanceof InternalError && lost != null) {
                throw new VmmException(lost, e);
            }
            throw e;
        } finally {
            close(openedKvm);
        }
    }

    /**
     * How many bits of a GPA the CPUs of a guest have that boots: only a PCI bus needs it. On a host without KVM, which is
     * not said before the rest is checked, as many as there can be.
     */
    private static int newGuestsAddressBits(MachineConfig config) {
        if (!config.hasPciBus()) {
            return MOST_ADDRESS_BITS;
        }
        try (Kvm kvm = Kvm.open()) {
            return GuestCpuid.addressBits(kvm.supportedCpuid());
        } catch (KvmUnavailable e) {
            return MOST_ADDRESS_BITS;
        }
    }

    private static void close(AutoCloseable resource) {
        if (resource != null) {
            try {
                resource.close();
            } catch (Exception e) {
                throw new AssertionError("close of ours throws nothing checked", e);
            }
        }
    }

    /**
     * Tries whether this host's KVM can run a guest, by making a VM, which takes milliseconds.
     *
     * @throws KvmUnavailable why it cannot, and what to do
     */
    public static void requireKvm() {
        try (Kvm kvm = Kvm.open()) {
            checkHost(kvm, 1);
            kvm.createVm().close();
        }
    }

    private static void checkHost(Kvm kvm, int cpus) {
        for (KvmCap cap : NEEDED) {
            if (!kvm.has(cap)) {
                throw new KvmUnavailable(new KvmProblem.LacksCapability(cap));
            }
        }
        int most = kvm.check(KvmCap.MAX_VCPUS);
        if (cpus > most) {
            throw new VmmException("--cpus " + cpus + ": this host's KVM makes at most " + most + " vCPUs a guest");
        }
    }

    /** Puts what the boot CPU starts with into guest RAM. */
    private CpuEntry loadGuest() {
        if (!(config.boot() instanceof BootSource.KernelImage image)) {
            return CpuEntry.reset();
        }
        return Boot.load(image.config(), ram.memory(), this::writeTables);
    }

    /** States of the RAM that were saved before are of the past before anything in it changes. */
    private long writeTables() {
        if (isMarked()) {
            raiseGeneration();
        }
        return AcpiTables.write(ram.memory(), new AcpiConfig(config.cpus(), devices.virtioSlots(), devices.pciRoot()));
    }

    /** RAM, with a hole where firmware's tail lies over it, and the firmware; returns the first slot that is free. */
    private int setMemorySlots(boolean readOnly) {
        int slot = 0;
        for (GuestMemory.Region region : ram.memory().regions()) {
            if (firmware == null || region.gpa() >= MemoryMap.HIGH_MEMORY) {
                vm.setMemorySlot(slot++, region.gpa(), region.segment(), false);
                continue;
            }
            long below = Math.min(firmware.isaGpa() - region.gpa(), region.size());
            vm.setMemorySlot(slot++, region.gpa(), region.segment().asSlice(0, below), false);
            long above = MemoryMap.HIGH_MEMORY - region.gpa();
            if (region.size() > above) {
                MemorySegment rest = region.segment().asSlice(above);
                vm.setMemorySlot(slot++, MemoryMap.HIGH_MEMORY, rest, false);
            }
        }
        if (firmware != null) {
            vm.setMemorySlot(slot++, firmware.isaGpa(), firmware.isaRom(), readOnly);
            vm.setMemorySlot(slot++, firmware.gpa(), firmware.rom(), readOnly);
        }
        return slot;
    }

    private void createVcpus(Kvm kvm, Cpuid supported, Incoming incoming) {
        boolean deadline = kvm.has(KvmCap.TSC_DEADLINE_TIMER);
        for (int id = 0; id < config.cpus(); id++) {
            KvmVcpu vcpu = vm.createVcpu(id);
            vcpus.add(new VcpuThread(vcpu, devices.ports(), devices.mmio(), new VcpuEvents()));
            Cpuid cpuid = incoming == null
                    ? GuestCpuid.of(supported, id, config.cpus(), deadline)
                    : incoming.requireCpu(id, supported, deadline, vcpu.xsaveSize());
            vcpu.setCpuid(cpuid);
            cpuids.add(cpuid);
            setTscRate(kvm, vcpu, incoming);
            EntryRegisters.setMemoryTypes(vcpu);
        }
    }

    /** Before the vCPU's state is set: its TSC counts at that rate from then on. */
    private void setTscRate(Kvm kvm, KvmVcpu vcpu, Incoming incoming) {
        if (vcpu.id() == 0) {
            guestTscKhz = kvm.has(KvmCap.GET_TSC_KHZ) ? vcpu.tryTscKhz() : 0;
            hostTscKhz = guestTscKhz;
        }
        int khz = incoming == null ? 0 : incoming.tscKhz(vcpu.id(), hostTscKhz, kvm.has(KvmCap.TSC_CONTROL));
        if (khz != 0) {
            vcpu.setTscKhz(khz);
            guestTscKhz = khz;
        }
    }

    /** The rate of the guest's TSC in kHz; 0 if KVM does not tell. */
    int guestTscKhz() {
        return guestTscKhz;
    }

    private void keepPowerOnState() {
        for (VcpuThread thread : vcpus) {
            VcpuState state = new VcpuState(thread.vcpu().xsaveSize(), msrs);
            Save.vcpu(thread.vcpu(), state, sregs2);
            powerOn.add(state);
        }
        Save.interruptControllers(vm, powerOnVm);
    }

    /**
     * Gives KVM and the devices a saved state; see {@link Restore} for the order.
     *
     * @param passed how time has passed for the guest meanwhile
     */
    private void apply(Incoming incoming, Devices.Saved savedDevices, GuestTime.Passed passed) {
        if (incoming.hasPages() && isMarked()) {
            raiseGeneration(); // as before a boot: what the file held before is written over
        }
        incoming.loadPages(ram.memory());
        for (int i = 0; i < vcpus.size(); i++) {
            Restore.vcpu(vcpus.get(i).vcpu(), incoming.vcpu(i).state(), sregs2);
        }
        GuestTime guestTime = GuestTime.of(
                // Another rate than the host's: how far the TSC has come meanwhile is not known by the host's.
                guestTscKhz == hostTscKhz ? passed : GuestTime.Passed.NOT,
                vcpus.getFirst().vcpu(),
                incoming.vcpu(0).state(),
                incoming.vm());
        for (int i = 0; i < vcpus.size(); i++) {
            guestTime.setTsc(vcpus.get(i).vcpu(), incoming.vcpu(i).state());
        }
        Restore.interruptControllers(vm, incoming.vm());
        devices.restore(savedDevices);
        guestTime.setClock(vm, incoming.vm());
        for (VcpuThread vcpu : vcpus) {
            vcpu.vcpu().notePaused();
        }
    }

    /** Gives a {@link #prepare prepared} machine its guest's state; it is parked then. Its console stays the other VMM's. */
    synchronized void complete(Incoming incoming, RamIdentity.Cause why) {
        apply(incoming, devices.read(incoming), GuestTime.Passed.UNDER_THIS_KERNEL);
        raise = why;
    }

    /** The guest is this VMM's: so is what its console lives on, with the output that is pending there. */
    void takeConsole(MemorySegment output) {
        devices.serial().taken(output);
    }

    /** Lets the console's input come, what the other VMM had read of it first; the guest may run already. */
    void takeInput(MemorySegment input) {
        devices.serial().takenInput(input);
    }

    /** Reads all that {@link #complete} will, and uses of it what it may: where PCI functions are, which messages they send. */
    void rehearse(Incoming incoming) {
        devices.rehearse(devices.read(incoming));
    }

    /** Waits until every vCPU of a machine that was let run has run; false if one has ended instead. */
    boolean awaitEntered() {
        for (VcpuThread vcpu : vcpus) {
            if (vcpu.awaitEntered(Patience.host().millis(ENTERED_MILLIS)) == 0) {
                return false;
            }
        }
        return true;
    }

    /** When the first vCPU was seen to have run, CLOCK_MONOTONIC; after {@link #awaitEntered}. */
    long enteredNanos() {
        return vcpus.getFirst().awaitEntered(Patience.host().millis(ENTERED_MILLIS));
    }

    /** Whether it has the state of a guest that was paused when that was taken, and that nobody has let run since. */
    public boolean startsPaused() {
        return startsPaused;
    }

    /** Whether somebody has paused its guest, or never let it run; not if it only has not run yet since it was restored. */
    private boolean isPaused() {
        boolean restoredRunning = origin != FlightPhases.Operation.START && !startsPaused;
        return state != RunState.RUNNING && !(state == RunState.PRELAUNCH && restoredRunning);
    }

    /**
     * Makes the guest this machine's, paused: the state that it has is one of the past from then on. As {@link #resume},
     * but nothing runs.
     */
    synchronized void take() {
        if (state == RunState.PRELAUNCH && !closed) {
            raiseGeneration();
            change(RunState.PAUSED);
        }
    }

    /** Where the machine is in its life. Any thread. */
    public synchronized RunState state() {
        return state;
    }

    /** Adds someone who is told of changes; before the guest runs. */
    public synchronized void addListener(MachineListener listener) {
        listeners.add(listener);
    }

    private void change(RunState to) {
        state = to;
        tell();
    }

    /** Tells the listeners of a change that {@link #stand} has made. The machine is locked. */
    void tell() {
        RunState from = told;
        told = state;
        if (from != told) {
            for (MachineListener listener : listeners) {
                try {
                    listener.changed(from, told);
                } catch (RuntimeException | Error e) {
                    System.err.println("vmm: a client may not know that the guest is " + told + " now: " + e);
                }
            }
        }
    }

    /** Lets the guest run; a running one is left as it is. Any thread but the machine's own. */
    public synchronized void resume() {
        if (state == RunState.RUNNING || state == RunState.HANDED_OVER || closed) {
            return;
        }
        requireNotPreserved();
        raiseGeneration();
        state = RunState.RUNNING;
        FlightPhases phases = ranBefore ? FlightPhases.OFF : FlightPhases.begin(origin, config.name());
        ranBefore = true;
        devices.resume();
        for (VcpuThread vcpu : vcpus) {
            vcpu.run(phases);
            phases = FlightPhases.OFF;
        }
        tell();
    }

    /**
     * Parks all vCPUs, then lets the devices finish what is under way, and waits until both are done. Accesses of the
     * vCPUs are completed then. Any thread but the machine's own.
     *
     * @throws VmmException if a device hangs; the guest runs on then
     */
    public synchronized void pause() {
        stand();
        tell();
    }

    /**
     * As {@link #pause}, but the listeners are not told: what they do for the first time would take as long as the rest.
     * {@link #tell} is to follow. The machine is locked.
     */
    void stand() {
        if (state != RunState.RUNNING || closed) {
            return;
        }
        boolean parked = false;
        try {
            parkSoon();
            devices.pause();
            parked = true;
        } finally {
            if (!parked) {
                unpark();
            }
        }
        state = RunState.PAUSED;
    }

    /** Parks all vCPUs; throws if one waits for a device that hangs. */
    private void parkSoon() {
        int most = Devices.mostMillis(); // may measure the host, so before the first vCPU is stopped
        for (VcpuThread vcpu : vcpus) {
            vcpu.askToPark();
        }
        long deadline = System.nanoTime() + most * 1_000_000L;
        for (VcpuThread vcpu : vcpus) {
            if (!vcpu.awaitParkedUntil(deadline)) {
                throw new VmmException("vCPU " + vcpu.vcpu().id() + " has waited for a device for "
                        + Patience.text(most) + ", so the guest cannot be stopped and runs on: see what"
                        + " its disks and its console wait for");
            }
        }
    }

    private void unpark() {
        for (VcpuThread vcpu : vcpus) {
            vcpu.run(FlightPhases.OFF);
        }
    }

    private void park() {
        for (VcpuThread vcpu : vcpus) {
            vcpu.askToPark();
        }
        for (VcpuThread vcpu : vcpus) {
            vcpu.awaitParked();
        }
    }

    private boolean isInSharedFile() {
        return config.ram().backend() == RamConfig.Backend.FILE && config.ram().share();
    }

    /** Whether something stands with the RAM, or is to, that a state of it names. */
    private boolean isMarked() {
        return isInSharedFile() || identityPage != null;
    }

    /** Makes states of this RAM that were saved before states of the past, before the guest changes it. */
    private void raiseGeneration() {
        if (raise == null) {
            return;
        }
        boolean inFile = isInSharedFile();
        if (isMarked()) {
            boolean known = raise != RamIdentity.Cause.BOOTED && ramIdentity != null;
            RamIdentity next = known ? ramIdentity.next(raise) : RamIdentity.fresh();
            if (identityPage != null) {
                raisePage(known ? ramIdentity : null, next);
            }
            boolean kept = identityPage != null;
            try {
                kept |= inFile && ram.writeIdentity(next);
            } catch (RuntimeException | Error e) {
                if (known && identityPage != null) {
                    identityPage.replace(next, ramIdentity); // the guest has not run
                }
                throw e;
            }
            ramIdentity = kept ? next : null;
        }
        raise = null;
    }

    /** Whoever changes the page has the guest; others may have come by the same session. */
    private void raisePage(RamIdentity from, RamIdentity to) {
        if (from == null) {
            identityPage.write(to);
        } else if (!identityPage.replace(from, to)) {
            RamIdentity there = identityPage.read();
            String elsewhere = "another VMM has the guest: its RAM has moved on (generation "
                    + (there == null ? "unknown" : there.generation()) + ", the state is of " + from.generation() + ")";
            throw raise == RamIdentity.Cause.RESTORED
                    ? new RestoreRefused("won't restore the guest: " + elsewhere)
                    : new VmmException("the guest does not run here any more: " + elsewhere);
        }
    }

    /** From now on the identity of this RAM stands in a page, too, which a live update takes along. */
    synchronized void keepIdentity() {
        if (identityPage == null) {
            identityPage = IdentityPage.create();
            if (ramIdentity != null) {
                identityPage.write(ramIdentity);
            }
        }
    }

    Fd identityPage() {
        return identityPage.fd();
    }

    /** What is in a session must stay as it is, as long as somebody may take it out. */
    private void requireNotPreserved() {
        if (state == RunState.PRESERVED) {
            throw new VmmException("the guest is preserved for a live update, and may be taken up by the next VMM any"
                    + " moment: give the update up first (./vmm luoctl abort, or live-update-abort)");
        }
    }

    /** Gives RAM an identity in which no guest has run yet. */
    void requireIdentity() {
        if (ramIdentity == null) {
            raise = RamIdentity.Cause.BOOTED;
            raiseGeneration();
        }
    }

    /**
     * Saves the machine's state; blocks until it is on storage. The guest is stopped for it, and stays so if it
     * succeeds ({@link RunState#SAVED}); {@link #resume} then makes the state one of the past first. If it fails the
     * guest goes on, if it ran before. Any thread but the machine's own.
     *
     * @param path a file, which is replaced whole or not at all
     */
    public SaveReport save(String path, SaveOptions options) {
        return save(path, null, options);
    }

    /**
     * Likewise, into a file or memfd that somebody else opened, read-write; an older state in it is gone when the writing
     * begins. It stays the caller's.
     */
    public SaveReport save(Fd file, SaveOptions options) {
        return save(file.name(), file, options);
    }

    private synchronized SaveReport save(String path, Fd file, SaveOptions options) {
        if (state == RunState.SAVED) {
            throw new VmmException("Can't migrate the vm that was paused due to previous migration");
        }
        if (closed || state == RunState.HANDED_OVER) {
            throw new VmmException("can't save to " + path + ": the guest has "
                    + (closed ? "ended" : "been handed over to another VMM"));
        }
        requireNotPreserved();
        SavePlan.requireNoPassthrough(config);
        boolean ran = state == RunState.RUNNING;
        long start = System.nanoTime();
        FlightPhases phases = FlightPhases.begin(FlightPhases.Operation.SAVE, config.name());
        if (options.ignoreShared()) {
            requireIdentity(); // of a guest that has not run yet
        }
        SavePlan plan = new SavePlan(config, ram, ramIdentity, options);
        StateDraft draft = new StateDraft(this, plan, isPaused());
        StateImage image = draft.build();
        try (StateTarget target = file == null ? FileTarget.create(path, image.size()) : FdTarget.of(file);
                PageWriter pages = new PageWriter(target, image)) {
            pageWriter = pages;
            // Written ahead, to shorten the pause.
            devices.prepareSave();
            phases.done("PREPARED");
            long stopped = System.nanoTime();
            if (ran) {
                stand();
            }
            try {
                requireNotEnding();
                phases.done("PAUSED");
                stamp(image.timeline(), Phase.PAUSED);
                draft.complete();
                phases.done("STATE_TAKEN");
                devices.syncDisks();
                devices.flushOutput();
                phases.done("OUTPUT_SYNCED");
                if (plan.copiedBytes() > 0) {
                    tell(); // it will take its time
                }
                plan.saveRam(ram, image, pages);
                phases.done("RAM_WRITTEN");
                if (raise == null) {
                    raise = RamIdentity.Cause.WENT_ON;
                }
                stamp(image.timeline(), Phase.STATE_WRITTEN);
                target.publish(image);
                phases.done("STATE_DURABLE");
            } catch (RuntimeException | Error e) {
                tell();
                if (ran) {
                    resumeAfter(e);
                }
                throw e;
            }
            long end = System.nanoTime();
            change(RunState.SAVED);
            long transferred = image.fileLength();
            return new SaveReport(plan.copiedBytes(), transferred, end - start, end - stopped, plan.lines());
        } finally {
            pageWriter = null;
        }
    }

    /** Lets the guest run after a save that failed, the machine is locked; what keeps it from that is told together with what failed. */
    void resumeAfter(Throwable failure) {
        try {
            resume();
        } catch (VmmException e) {
            e.addSuppressed(failure);
            throw new VmmException(failure.getMessage() + "; and the guest stays paused: " + e.getMessage(), e);
        }
    }

    /**
     * Hands the guest to a VMM that stands by on this host. Blocks until the guest runs there; then {@link #leave} is to
     * end this machine. Not from the machine's own threads.
     *
     * @param path where the other VMM listens
     * @param control the control socket, whose listener goes along; null for none
     * @throws VmmException why it was not done; the guest goes on here, or the sentence says that it does not
     */
    public HandOverReport handOver(String path, SocketFile control) {
        SavePlan.requireShared(config.ram());
        requirePassable();
        try (HandOverConnection peer = HandOverConnection.connect(path)) {
            Rehearsal.upTo(REHEARSALS, Rehearsal.Side.OUTGOING);
            return new HandOver(this, peer).run(control);
        }
    }

    /** Refuses devices of the host that no other process could be given. */
    void requirePassable() {
        String why = devices.passthrough() == null ? null : Passthrough.whyNotHandedOver(ram.memory());
        if (why != null) {
            throw new VmmException("can't hand the guest over: " + why);
        }
    }

    /** A guest that has just asked to be switched off or reset would forget it in another machine. */
    void requireNotEnding() {
        if (ending) {
            throw new VmmException("the guest is about to end or to be reset: try again if it goes on");
        }
    }

    boolean isClosed() {
        return closed;
    }

    /**
     * The guest is another VMM's: it never runs here again. {@link #leave} ends this machine, when all is told that is to
     * be told.
     *
     * @param lost why nobody knows whether the guest runs there; null if it does
     */
    synchronized void handedOver(VmmException lost) {
        change(RunState.HANDED_OVER);
        lostTo = lost;
        noteTscKhz();
    }

    /** Ends a machine whose guest another VMM has; {@link #await} returns. */
    public synchronized void leave() {
        if (state == RunState.HANDED_OVER) {
            events.add(lostTo == null ? LEFT : new Event.Failed(lostTo));
        }
    }

    /** All of the guest is in a live-update session. */
    synchronized void preserved() {
        change(RunState.PRESERVED);
    }

    /** The session is closed: the guest is this machine's again, paused. */
    synchronized void unpreserved() {
        if (state == RunState.PRESERVED) {
            change(RunState.PAUSED);
            events.addAll(deferred);
            deferred.clear();
        }
    }

    /** A phase is reached now. vCPUs are parked, or have run at least once. */
    TimelineEvent stamp(Phase phase) {
        return new TimelineEvent(phase.code(), System.nanoTime(), TimelineEvent.realtimeNow(), hostTsc());
    }

    void stamp(Timeline to, Phase phase) {
        TimelineEvent event = stamp(phase);
        to.stamp(phase.code(), event.monotonic(), event.realtime(), event.tsc());
    }

    /** The host's TSC: of the VM's clock, which knows it once a guest has run; before, by way of the first vCPU's. */
    private long hostTsc() {
        vm.getClock(clock);
        long tsc = GuestTime.hostTsc(clock);
        return tsc != 0 || state == RunState.RUNNING
                ? tsc
                : GuestTime.hostTsc(vcpus.getFirst().vcpu());
    }

    /** When its guest's last live update reached which phase; empty if there was none. Any thread. */
    public List<TimelineEvent> timeline() {
        return timeline;
    }

    void setTimeline(List<TimelineEvent> events) {
        timeline = List.copyOf(events);
    }

    /** While the vCPUs are parked: one that runs answers when it comes out. */
    private void noteTscKhz() {
        KvmVcpu first = vcpus.getFirst().vcpu();
        tscKhz = first.hasTscOffset() ? first.tscKhz() : 0;
    }

    /**
     * The host's TSC in kHz, to tell how long a span of it is; 0 if KVM does not know, or nothing that is timed has
     * happened yet.
     */
    public int tscKhz() {
        return tscKhz;
    }

    /** Bytes of RAM that a save under way has looked at so far, 0 if none is. Any thread. */
    public long saveProgressBytes() {
        PageWriter pages = pageWriter;
        return pages == null ? 0 : pages.scanned();
    }

    /** Presses the power button: the guest is asked to switch itself off. */
    public void pressPowerButton() {
        devices.pressPowerButton();
    }

    /** Resets the guest as its own reset would; {@link #await} then goes by the configuration. Any thread. */
    public void requestReset() {
        request(new GuestRequest.Reset());
    }

    public MachineConfig config() {
        return config;
    }

    /** How long the parts of making it took. */
    public StartTimes startTimes() {
        return startTimes;
    }

    /** The kernel's thread ids of the vCPUs, by vCPU. */
    public int[] vcpuThreadIds() {
        int[] ids = new int[vcpus.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = vcpus.get(i).threadId();
        }
        return ids;
    }

    /**
     * Waits until the machine ends, and says how. The vCPUs are parked then. One thread.
     *
     * @throws VmmException if the VMM failed: guest RAM is gone, a device's thread died
     */
    public MachineEnd await() throws InterruptedException {
        while (true) {
            Event event = events.take();
            if (event instanceof Event.Failed failed) {
                throw failed.sentence();
            }
            if (event instanceof Event.Requested requested && isDeferred(requested)) {
                continue;
            }
            MachineEnd end =
                    event instanceof Event.Ended ended ? ended.end() : end(((Event.Requested) event).request());
            if (end != null) {
                finish(end);
                return end;
            }
            try {
                reset();
            } catch (InternalError e) { // the JVM's word for SIGBUS
                throw sentence("the reset", e);
            }
        }
    }

    /** What is in a session is not changed, nor its VMM ended by a reset: that is seen to if the update is aborted. */
    private synchronized boolean isDeferred(Event.Requested requested) {
        if (state != RunState.PRESERVED) {
            return false;
        }
        deferred.add(requested);
        return true;
    }

    /** How the guest's request ends the machine; null if it does not. */
    private MachineEnd end(GuestRequest request) {
        if (request instanceof GuestRequest.PowerOff) {
            return new MachineEnd.PoweredOff();
        }
        if (request instanceof GuestRequest.DebugExit exit) {
            return new MachineEnd.DebugExit(exit.value());
        }
        return config.rebootOnReset() ? null : new MachineEnd.Reset();
    }

    private synchronized void finish(MachineEnd end) {
        park();
        for (MachineListener listener : listeners) {
            listener.ended(end);
        }
    }

    /**
     * Starts the guest again as after power-on. RAM keeps its contents, as on a real machine, except where the kernel and
     * its tables are loaded anew. A machine that is paused stays so.
     *
     * <p>Order: vCPUs parked; devices first, for they may hold interrupts; then each vCPU, the interrupt controllers,
     * the guest's image and the boot CPU's entry.
     */
    private synchronized void reset() {
        if (closed || state == RunState.HANDED_OVER) {
            return;
        }
        park();
        // A guest may ask twice before it is parked.
        events.removeIf(event -> event instanceof Event.Requested r && r.request() instanceof GuestRequest.Reset);
        ending = false;
        try {
            supersede();
        } catch (VmmException | ErrnoException e) {
            // Only a guest that does not run has something to be superseded, so it stays as it is.
            System.err.println("vmm: the guest is not reset: " + e.getMessage());
            return;
        }
        devices.reset();
        for (int i = 0; i < vcpus.size(); i++) {
            Restore.vcpu(vcpus.get(i).vcpu(), powerOn.get(i), sregs2);
        }
        Restore.interruptControllers(vm, powerOnVm);
        EntryRegisters.set(vcpus.getFirst().vcpu(), loadGuest());
        for (MachineListener listener : listeners) {
            listener.reset();
        }
        if (state == RunState.RUNNING) {
            unpark();
        }
    }

    /** A state of the guest that was saved is of the past before the kernel is loaded anew over it. */
    private void supersede() {
        if (config.boot() instanceof BootSource.KernelImage && isMarked()) {
            raiseGeneration();
            if (state == RunState.SAVED) {
                change(RunState.PAUSED);
            }
        }
    }

    /** A device passes on what the guest asks; on a vCPU's thread, which is not to run on. */
    private void request(GuestRequest request) {
        ending = true;
        for (VcpuThread vcpu : vcpus) {
            vcpu.askToPark();
        }
        events.add(new Event.Requested(request));
    }

    /** Ends the machine, as when the user leaves its console. Any thread; {@link #await} returns. */
    public void quit() {
        ending = true;
        events.add(new Event.Ended(new MachineEnd.Quit()));
    }

    /** Something on a device's thread failed for good. */
    private void failed(Throwable cause) {
        events.add(new Event.Failed(sentence("a device's thread", cause)));
    }

    private VmmException sentence(String where, Throwable cause) {
        String lost = ram.whyLost();
        if (lost != null) {
            return new VmmException(lost, cause);
        }
        if (cause instanceof VmmException sentence) {
            return sentence;
        }
        return new VmmException(where + " failed: " + cause, cause);
    }

    private final class VcpuEvents implements VcpuThread.Events {
        @Override
        public void crashed(int vcpu, String why) {
            // A guest whose code or tables are gone crashes as well.
            String lost = ram.whyLost();
            if (lost != null) {
                events.add(new Event.Failed(new VmmException(lost)));
                return;
            }
            events.add(new Event.Ended(new MachineEnd.Crashed("the guest crashed on vCPU " + vcpu + ": " + why)));
        }

        @Override
        public void failed(int vcpu, Throwable cause) {
            events.add(new Event.Failed(sentence("vCPU " + vcpu, cause)));
        }

        @Override
        public void memoryFault(int vcpu, long gpa) {
            String lost = ram.whyLost();
            events.add(new Event.Failed(new VmmException(
                    lost != null
                            ? lost
                            : "KVM cannot reach guest RAM" + (gpa < 0 ? "" : " at 0x" + Long.toHexString(gpa))
                                    + " on vCPU " + vcpu
                                    + ": EFAULT (the host may be out of memory or huge pages; see its kernel log)")));
        }

        @Override
        public boolean isRam(long gpa) {
            boolean rom = firmware != null && gpa >= firmware.isaGpa() && gpa < MemoryMap.HIGH_MEMORY;
            return !rom && ram.memory().contains(gpa, 1);
        }
    }

    /** Its I/O ports; what accesses to nothing there were, for the curious. */
    public Bus ports() {
        return devices.ports();
    }

    /** The same for memory that is not RAM. */
    public Bus mmio() {
        return devices.mmio();
    }

    /** Guest RAM. Any thread; the guest changes it as it runs. */
    public GuestMemory memory() {
        return ram.memory();
    }

    /**
     * A copy of a vCPU's general registers, RIP and RFLAGS.
     *
     * @throws VmmException if the guest is not paused
     */
    public synchronized Regs registers(int vcpu) {
        Regs registers = new Regs();
        stopped(vcpu).getRegs(registers);
        return registers;
    }

    /** Sets what {@link #registers} has read; likewise. */
    public synchronized void setRegisters(int vcpu, Regs registers) {
        requireNotPreserved();
        stopped(vcpu).setRegs(registers);
    }

    /** A copy of a vCPU's segments and control registers; as {@link #registers}. */
    public synchronized Sregs systemRegisters(int vcpu) {
        Sregs registers = new Sregs();
        stopped(vcpu).getSregs(registers);
        return registers;
    }

    private KvmVcpu stopped(int vcpu) {
        Objects.checkIndex(vcpu, vcpus.size());
        if (closed || state == RunState.RUNNING || state == RunState.HANDED_OVER) {
            throw new VmmException("the registers of vCPU " + vcpu + " can't be seen: the guest "
                    + (closed ? "has ended" : state == RunState.RUNNING ? "runs, pause it first" : "is another VMM's"));
        }
        return vcpus.get(vcpu).vcpu();
    }

    /** Parks and ends the vCPUs, then takes everything apart. Not from a vCPU's or device's thread. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        boolean neverRan = state == RunState.PRELAUNCH;
        for (VcpuThread vcpu : vcpus) {
            vcpu.close();
        }
        devices.close();
        vm.close();
        if (firmware != null) {
            firmware.close();
        }
        if (identityPage != null) {
            identityPage.close();
        }
        if (neverRan) {
            ram.discard();
        } else {
            ram.close();
        }
    }
}
