package dev.holdover.machine;

import dev.holdover.boot.acpi.PciRoot;
import dev.holdover.boot.acpi.VirtioSlot;
import dev.holdover.kvm.KvmVm;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import dev.holdover.passthrough.Passthrough;
import dev.holdover.passthrough.VfioConfig;
import dev.holdover.pci.MsiRoutes;
import dev.holdover.pci.PciHostBridge;
import dev.holdover.platform.AcpiPm;
import dev.holdover.platform.AcpiPmState;
import dev.holdover.platform.Bus;
import dev.holdover.platform.CmosRtc;
import dev.holdover.platform.CmosRtcState;
import dev.holdover.platform.DebugExit;
import dev.holdover.platform.GuestRequest;
import dev.holdover.platform.I8042;
import dev.holdover.platform.I8042State;
import dev.holdover.platform.MemoryMap;
import dev.holdover.platform.Uart16550;
import dev.holdover.platform.Uart16550State;
import dev.holdover.serial.SerialBackend;
import dev.holdover.virtio.Disk;
import dev.holdover.virtio.DiskConfig;
import dev.holdover.virtio.NetConfig;
import dev.holdover.virtio.Tap;
import dev.holdover.virtio.VirtioBlk;
import dev.holdover.virtio.VirtioBlkState;
import dev.holdover.virtio.VirtioConsole;
import dev.holdover.virtio.VirtioConsoleState;
import dev.holdover.virtio.VirtioDevice;
import dev.holdover.virtio.VirtioMmio;
import dev.holdover.virtio.VirtioNet;
import dev.holdover.virtio.VirtioNetState;
import dev.holdover.virtio.VirtioPci;
import dev.holdover.virtio.VirtioPciState;
import dev.holdover.virtio.VirtioRng;
import dev.holdover.virtio.VirtioState;
import dev.holdover.virtio.VirtioTransport;
import dev.holdover.vmstate.StateFile;
import dev.holdover.vmstate.StateImage;
import dev.holdover.vmstate.StateLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** The devices of a machine and what they hang on: the two buses, interrupt lines, host files. */
final class Devices implements AutoCloseable {
    /**
     * A virtio device with its transport.
     *
     * @param interrupt of one that is on virtio-mmio; null for PCI
     */
    private record Slot(VirtioDevice device, VirtioTransport transport, EventFd interrupt, int number) {
        void close() {
            device.close();
            if (interrupt != null) {
                interrupt.close();
            }
        }
    }

    /** What KVM does for virtio devices on PCI. */
    private record Wiring(KvmVm vm) implements VirtioPci.Wiring {
        @Override
        public void bindDoorbell(EventFd doorbell, long gpa) {
            vm.bindShortDoorbell(doorbell, gpa);
        }

        @Override
        public void unbindDoorbell(EventFd doorbell, long gpa) {
            vm.unbindShortDoorbell(doorbell, gpa);
        }

        @Override
        public void send(long address, int data) {
            if (MsiRoutes.isMessage(address)) {
                vm.signalMsi(address, data);
            }
        }
    }

    /** Text of a tap's part: the host may leave checksums and segmentation to the guest. */
    private static final String OFFLOADS = "offloads";

    /** How long the guest may be paused for its devices to come to rest: longer, and it runs on instead. */
    private static final int MOST_MILLIS = 5000;

    /** The serial port's and the three behind it. */
    private static final int PLATFORM_SECTIONS = 4;

    private final Bus ports = new Bus();
    private final Bus mmio = new Bus();
    private final GsiLine com1Line = new GsiLine(MemoryMap.GSI_COM1);
    private final GsiLine rtcLine = new GsiLine(MemoryMap.GSI_RTC);
    private final GsiLine sciLine = new GsiLine(MemoryMap.GSI_SCI);
    private final EventLoop loop;
    private final List<Slot> slots = new ArrayList<>();
    /** Null if the machine has no PCI functions. */
    private PciBus pci;

    /** Null if the guest has no device of the host. */
    private Passthrough passthrough;

    private SerialBackend serial;
    private Uart16550 com1;
    private Uart16550State com1PowerOn;
    private AcpiPm pm;
    private I8042 keyboard;
    private CmosRtc rtc;

    /**
     * Opens all that the devices need of the host, or takes over what another VMM had open.
     *
     * @param parts what is handed over, of which it takes its own; null to open by name
     * @param held devices of the host that a live update kept; null to open them by name
     * @param addressBits how many bits of a GPA the guest's CPUs have
     * @param requests is told what the guest asks, on a vCPU's thread
     * @param quit is run when the user leaves the console, on the loop's thread
     * @param onFailure is told when a device's thread ends by a failure
     */
    Devices(
            MachineConfig config,
            GuestMemory memory,
            List<NamedFd> parts,
            HeldDevices held,
            int addressBits,
            Consumer<GuestRequest> requests,
            Runnable quit,
            EventLoop.FailureHandler onFailure) {
        int count = config.disks().size()
                + config.nets().size()
                + (config.rng() ? 1 : 0)
                + (config.console() != null ? 1 : 0);
        int room = config.pci() ? PciHostBridge.SLOTS : MemoryMap.MAX_VIRTIO_DEVICES;
        if (count > room) {
            throw new UsageException(count + " virtio devices: this machine has room for " + room
                    + " (--disk, --net, --rng, --console together)");
        }
        this.loop = new EventLoop("console", onFailure);
        try {
            if (config.hasPciBus()) {
                int windows = config.pci() ? 0 : count;
                pci = new PciBus(ports, mmio, memory.regions().getLast().end(), addressBits, windows);
            }
            for (DiskConfig disk : config.disks()) {
                Disk image = parts == null ? Disk.open(disk) : Disk.adopt(NamedFd.require(parts, Disk.NAME), disk);
                plug(memory, new VirtioBlk(image, onFailure));
            }
            for (NetConfig net : config.nets()) {
                plug(
                        memory,
                        new VirtioNet(parts == null ? Tap.open(net.tap()) : tap(parts, net), net.mac(), onFailure));
            }
            if (config.rng()) {
                plug(memory, new VirtioRng(onFailure));
            }
            if (config.console() != null) {
                plug(memory, parts == null ? config.console().open(onFailure) : console(parts, onFailure));
            }
            serial = parts == null
                    ? SerialBackend.open(config.serial(), loop, quit)
                    : SerialBackend.adopt(config.serial(), parts, loop, quit);
            addPlatform(config, memory, requests);
            if (pci != null) {
                if (!config.vfio().isEmpty()) {
                    passthrough = passthrough(config.vfio(), memory, parts, held);
                }
                pci.powerOn();
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private Passthrough passthrough(
            List<VfioConfig> configs, GuestMemory memory, List<NamedFd> parts, HeldDevices held) {
        if (parts != null) {
            return Passthrough.take(configs, parts, pci.bridge(), pci.routes());
        }
        return held == null
                ? Passthrough.open(configs, memory, pci.bridge(), pci.routes())
                : Passthrough.adopt(configs, held.iommufd(), held.devices(), pci.bridge(), pci.routes());
    }

    /** The devices of the host that the guest has; null if it has none. */
    Passthrough passthrough() {
        return passthrough;
    }

    private static Tap tap(List<NamedFd> parts, NetConfig net) {
        boolean offloads = NamedFd.id(parts, Tap.NAME).equals(OFFLOADS);
        return Tap.adopt(NamedFd.require(parts, Tap.NAME), net.tap(), offloads);
    }

    private static VirtioConsole console(List<NamedFd> parts, EventLoop.FailureHandler onFailure) {
        Fd input = NamedFd.take(parts, VirtioConsole.INPUT);
        Fd output = NamedFd.require(parts, VirtioConsole.OUTPUT);
        return VirtioConsole.adopt(input, output, NamedFd.take(parts, VirtioConsole.TERMINAL), onFailure);
    }

    /** The descriptors the devices live on, to be handed to another VMM; they stay open here. */
    void parts(List<NamedFd> to) {
        for (Slot slot : slots) {
            if (slot.device() instanceof VirtioBlk blk) {
                to.add(new NamedFd(Disk.NAME, "", blk.descriptor()));
            } else if (slot.device() instanceof VirtioNet net) {
                to.add(new NamedFd(Tap.NAME, net.hasOffloads() ? OFFLOADS : "", net.descriptor()));
            } else if (slot.device() instanceof VirtioConsole console) {
                console.parts(to);
            }
        }
        serial.parts(to);
        if (passthrough != null) {
            passthrough.parts(to);
        }
    }

    /** What the first serial port is wired to. */
    SerialBackend serial() {
        return serial;
    }

    private void plug(GuestMemory memory, VirtioDevice device) {
        int number = slots.size();
        if (pci != null) {
            VirtioPci function = new VirtioPci(memory, device, pci.nextLine());
            slots.add(new Slot(device, function, null, number));
            pci.plug(function);
            return;
        }
        EventFd interrupt = new EventFd();
        VirtioMmio transport = new VirtioMmio(memory, device, interrupt);
        slots.add(new Slot(device, transport, interrupt, number));
        mmio.add(MemoryMap.virtioMmio(number), MemoryMap.VIRTIO_MMIO_SIZE, transport);
    }

    private void addPlatform(MachineConfig config, GuestMemory memory, Consumer<GuestRequest> requests) {
        com1 = new Uart16550(com1Line, serial);
        com1PowerOn = com1.state();
        ports.add(MemoryMap.PORT_COM1, Uart16550.PORTS, com1);
        pm = new AcpiPm(sciLine, requests);
        ports.add(MemoryMap.PORT_ACPI_PM, AcpiPm.PORTS, pm);
        keyboard = new I8042(requests);
        ports.add(MemoryMap.PORT_I8042_DATA, 1, keyboard.data());
        ports.add(MemoryMap.PORT_I8042_COMMAND, 1, keyboard.command());
        rtc = new CmosRtc(memory.size(), rtcLine);
        ports.add(MemoryMap.PORT_CMOS, CmosRtc.PORTS, rtc);
        if (config.debugExitPort() >= 0) {
            addDebugExit(config.debugExitPort(), new DebugExit(requests));
        }
    }

    private void addDebugExit(int port, DebugExit device) {
        try {
            ports.add(port, DebugExit.PORTS, device);
        } catch (IllegalArgumentException e) {
            throw new UsageException("--debug-exit 0x" + Integer.toHexString(port)
                    + ": another device has that port or one of the three behind it; use 0xf4");
        }
    }

    Bus ports() {
        return ports;
    }

    Bus mmio() {
        return mmio;
    }

    /** Where the virtio devices are, for the ACPI tables. */
    List<VirtioSlot> virtioSlots() {
        List<VirtioSlot> places = new ArrayList<>();
        for (Slot slot : slots) {
            if (slot.transport() instanceof VirtioMmio) {
                places.add(new VirtioSlot(
                        MemoryMap.virtioMmio(slot.number()),
                        MemoryMap.VIRTIO_MMIO_SIZE,
                        MemoryMap.virtioGsi(slot.number())));
            }
        }
        return places;
    }

    /** The PCI bus, for the ACPI tables; null if there is none. */
    PciRoot pciRoot() {
        return pci == null ? null : pci.root();
    }

    /** Puts the PCI functions where a saved guest has them: before the VM has its interrupt controllers, which costs least. */
    void placePci(Saved saved) {
        if (pci != null) {
            pci.place(saved.pci());
        }
    }

    /** Shows the registers of the host's devices, where they are placed: before the VM has its interrupt controllers. */
    void connectMemory(KvmVm vm, int firstSlot) {
        if (passthrough != null) {
            passthrough.connectMemory(vm, firstSlot);
        }
    }

    /**
     * Lets another VM have the interrupts of the host's devices, which go on with what they do. The vCPUs are parked; {@link
     * #listen} takes it back.
     */
    void release() {
        if (passthrough != null) {
            passthrough.release();
        }
    }

    /** The guest is this VM's: so are the host's devices, and their interrupts, of which none is missed. */
    void listen() {
        if (passthrough != null) {
            passthrough.listenAgain();
        }
    }

    /** What took time that a guest should not wait for, after another VMM had it: it runs here. */
    void settle() {
        if (passthrough != null) {
            passthrough.settle();
        }
    }

    /** Connects interrupts and doorbells to a VM that has its interrupt controllers and all its memslots. */
    void connect(KvmVm vm) {
        com1Line.connect(vm);
        rtcLine.connect(vm);
        sciLine.connect(vm);
        if (pci != null) {
            pci.connect(vm);
        }
        if (passthrough != null) {
            passthrough.connectInterrupts(vm);
        }
        for (Slot slot : slots) {
            if (slot.transport() instanceof VirtioPci function) {
                function.connect(new Wiring(vm));
            } else if (slot.transport() instanceof VirtioMmio window) {
                connect(vm, slot, window);
            }
        }
    }

    private static void connect(KvmVm vm, Slot slot, VirtioMmio window) {
        vm.bindInterrupt(slot.interrupt(), MemoryMap.virtioGsi(slot.number()));
        List<EventFd> doorbells = window.notifiers();
        long doorbell = MemoryMap.virtioMmio(slot.number()) + VirtioMmio.QUEUE_NOTIFY;
        for (int queue = 0; queue < doorbells.size(); queue++) {
            vm.bindDoorbell(doorbells.get(queue), doorbell, queue);
        }
    }

    /** Lets the console's input come; after a restore, which would throw away what came before. */
    void startConsole() {
        for (int i = 0; i < slots.size(); i++) {
            if (slots.get(i).device() instanceof VirtioConsole console) {
                console.startOutput();
            }
        }
        serial.start(com1);
    }

    /** Makes all that brings a console's input, of a console that is another VMM's yet. */
    void prepareConsole() {
        serial.start(com1);
    }

    /** Puts every device into its state after power-on. The vCPUs are parked. */
    void reset() {
        for (Slot slot : slots) {
            slot.transport().reset();
        }
        if (pci != null) {
            pci.reset(); // its functions once more: now they lose their places
        }
        com1.restore(com1PowerOn);
        pm.reset();
        keyboard.reset();
        rtc.reset();
    }

    /** Declares the devices' sections in a state, in the order in which {@link #write} fills them; the first's index. */
    int declare(StateLayout layout) {
        int first = layout.section(Uart16550State.SECTION, 0, Uart16550State.SIZE);
        layout.section(AcpiPmState.SECTION, 0, AcpiPmState.SIZE);
        layout.section(I8042State.SECTION, 0, I8042State.SIZE);
        layout.section(CmosRtcState.SECTION, 0, CmosRtcState.SIZE);
        if (pci != null) {
            pci.declare(layout);
        }
        for (Slot slot : slots) {
            if (slot.transport() instanceof VirtioPci function) {
                layout.section(VirtioPciState.SECTION, slot.number(), VirtioPciState.size(function.queueCount()));
            } else if (slot.transport() instanceof VirtioMmio window) {
                int queues = window.notifiers().size();
                layout.section(VirtioState.MMIO_SECTION, slot.number(), VirtioState.size(queues));
            }
            if (slot.device() instanceof VirtioBlk) {
                layout.section(VirtioBlkState.SECTION, slot.number(), VirtioBlkState.SIZE);
            } else if (slot.device() instanceof VirtioNet) {
                layout.section(VirtioNetState.SECTION, slot.number(), VirtioNetState.SIZE);
            } else if (slot.device() instanceof VirtioConsole) {
                layout.section(VirtioConsoleState.SECTION, slot.number(), VirtioConsoleState.SIZE);
            }
        }
        return first;
    }

    /**
     * Fills, in a draft, the sections of which the other side makes something before it has the rest, and those that it
     * refuses if they do not fit: which disks they are. The guest may run.
     */
    void writeDraft(StateImage image, int first) {
        int index = first + PLATFORM_SECTIONS;
        if (pci != null) {
            index = pci.write(image, index);
        }
        for (Slot slot : slots) {
            index++; // the transport's
            if (slot.device() instanceof VirtioBlk blk) {
                blk.state().write(image.output(index++));
            } else if (slot.device() instanceof VirtioNet || slot.device() instanceof VirtioConsole) {
                index++;
            }
        }
    }

    /** Fills the devices' sections. The devices rest. */
    void write(StateImage image, int first) {
        int index = first;
        com1.state().write(image.output(index++));
        pm.state().write(image.output(index++));
        keyboard.state().write(image.output(index++));
        rtc.state().write(image.output(index++));
        if (pci != null) {
            index = pci.write(image, index);
        }
        for (Slot slot : slots) {
            if (slot.transport() instanceof VirtioPci function) {
                function.state().write(image.output(index++));
            } else if (slot.transport() instanceof VirtioMmio window) {
                window.state().write(image.output(index++));
            }
            if (slot.device() instanceof VirtioBlk blk) {
                blk.state().write(image.output(index++));
            } else if (slot.device() instanceof VirtioNet net) {
                net.state().write(image.output(index++));
            } else if (slot.device() instanceof VirtioConsole console) {
                console.state().write(image.output(index++));
            }
        }
    }

    /** The devices' saved state, read whole before any of it is applied. */
    record Saved(
            Uart16550State com1,
            AcpiPmState pm,
            I8042State keyboard,
            CmosRtcState rtc,
            PciBus.Saved pci,
            List<VirtioState> windows,
            List<VirtioPciState> functions,
            List<VirtioNetState> nets,
            List<VirtioConsoleState> consoles) {}

    /**
     * Reads the devices' sections of a state; changes nothing.
     *
     * @throws RestoreRefused if a disk is not the saved guest's
     */
    Saved read(Incoming incoming) {
        StateFile state = incoming.state();
        List<VirtioState> windows = new ArrayList<>();
        List<VirtioPciState> functions = new ArrayList<>();
        List<VirtioNetState> nets = new ArrayList<>();
        List<VirtioConsoleState> consoles = new ArrayList<>();
        for (Slot slot : slots) {
            int number = slot.number();
            if (slot.transport() instanceof VirtioPci) {
                functions.add(VirtioPciState.read(
                        state.section(VirtioPciState.SECTION, number).input()));
            } else {
                windows.add(VirtioState.read(
                        state.section(VirtioState.MMIO_SECTION, number).input()));
            }
            if (slot.device() instanceof VirtioBlk blk) {
                VirtioBlkState saved = VirtioBlkState.read(state.section(VirtioBlkState.SECTION, number));
                String mismatch = blk.mismatch(saved, incoming.requiresIdentity());
                if (mismatch != null) {
                    throw incoming.refused(mismatch);
                }
            } else if (slot.device() instanceof VirtioNet) {
                nets.add(VirtioNetState.read(
                        state.section(VirtioNetState.SECTION, number).input()));
            } else if (slot.device() instanceof VirtioConsole) {
                consoles.add(VirtioConsoleState.read(
                        state.section(VirtioConsoleState.SECTION, number).input()));
            }
        }
        return new Saved(
                Uart16550State.read(state.section(Uart16550State.SECTION, 0).input()),
                AcpiPmState.read(state.section(AcpiPmState.SECTION, 0).input()),
                I8042State.read(state.section(I8042State.SECTION, 0).input()),
                CmosRtcState.read(state.section(CmosRtcState.SECTION, 0).input()),
                pci == null ? null : pci.read(incoming),
                windows,
                functions,
                nets,
                consoles);
    }

    /**
     * Applies of a draft what is in it: the PCI bus. Its functions are not this guest's yet, so that no device of the host
     * learns of it; the message routes are set, and need be set again only if they change.
     */
    void rehearse(Saved draft) {
        if (pci != null) {
            pci.restore(draft.pci());
        }
    }

    /** Applies a saved state, after the interrupt controllers have theirs: a line that is high rises now. */
    void restore(Saved saved) {
        serial.goOn();
        // The controllers may have been saved a moment later, when input had come: a line that is high there and low
        // at its device would swallow the next edge, and the guest would wait for its interrupt for ever.
        com1Line.set(false);
        rtcLine.set(false);
        sciLine.set(false);
        if (pci != null) {
            pci.restore(saved.pci());
        }
        int window = 0;
        int function = 0;
        int net = 0;
        int console = 0;
        for (int i = 0; i < slots.size(); i++) {
            VirtioDevice device = slots.get(i).device();
            if (device instanceof VirtioNet card) {
                card.restore(saved.nets().get(net++));
            } else if (device instanceof VirtioConsole port) {
                port.restore(saved.consoles().get(console++));
            }
            if (slots.get(i).transport() instanceof VirtioPci onPci) {
                onPci.restore(saved.functions().get(function++));
            } else if (slots.get(i).transport() instanceof VirtioMmio onMmio) {
                onMmio.restore(saved.windows().get(window++));
            }
        }
        com1.restore(saved.com1());
        pm.restore(saved.pm());
        keyboard.restore(saved.keyboard());
        rtc.restore(saved.rtc());
    }

    /**
     * Does what of a save can be done while the guest runs: writes to storage what the guest wrote to its disks. Blocks
     * as long as that takes; a failure is thrown.
     */
    void prepareSave() {
        for (int i = 0; i < slots.size(); i++) {
            if (slots.get(i).device() instanceof VirtioBlk blk) {
                blk.sync();
                blk.prepareState();
            }
        }
    }

    /** Writes to storage what the guest wrote to its disks, while it is paused. A failure is thrown, as is a disk that hangs. */
    void syncDisks() {
        List<EventLoop.AwaitedTask> tasks = new ArrayList<>();
        for (int i = 0; i < slots.size(); i++) {
            tasks.add(slots.get(i).device() instanceof VirtioBlk blk ? blk.beginSync() : null);
        }
        await(tasks, "is not written to storage");
    }

    /** Brings the guest's output to where it goes, while it is paused: a VMM that goes on has none of it. */
    void flushOutput() {
        serial.flush();
    }

    /**
     * Lets no virtio device touch guest RAM until {@link #resume}; waits for the requests under way. If one hangs, all
     * go on and it throws.
     */
    void pause() {
        List<EventLoop.AwaitedTask> tasks = new ArrayList<>();
        for (int i = 0; i < slots.size(); i++) {
            tasks.add(slots.get(i).device().beginPause());
        }
        try {
            await(tasks, "has not answered the request under way");
        } catch (RuntimeException | Error e) {
            resume();
            throw e;
        }
    }

    /** That limit on this host, milliseconds. */
    static int mostMillis() {
        return Patience.host().millis(MOST_MILLIS);
    }

    /** Waits for a task of each slot, {@link #mostMillis} in all. */
    private void await(List<EventLoop.AwaitedTask> tasks, String failure) {
        int most = mostMillis();
        long deadline = System.nanoTime() + most * 1_000_000L;
        for (int i = 0; i < tasks.size(); i++) {
            if (tasks.get(i) != null && !tasks.get(i).awaitUntil(deadline)) {
                throw new VmmException(slots.get(i).device().name() + " " + failure + " after "
                        + Patience.text(most) + ", so the guest cannot be stopped and runs on: see what its"
                        + " storage waits for");
            }
        }
    }

    /** Lets the virtio devices go on. */
    void resume() {
        for (Slot slot : slots) {
            slot.device().resume();
        }
    }

    /** Presses the power button. */
    void pressPowerButton() {
        pm.press();
    }

    @Override
    public void close() {
        if (passthrough != null) {
            passthrough.close();
        }
        for (Slot slot : slots) {
            slot.close();
        }
        if (serial != null) {
            serial.close();
        }
        if (rtc != null) {
            rtc.close();
        }
        loop.close();
    }
}
