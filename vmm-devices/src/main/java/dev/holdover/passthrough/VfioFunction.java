package dev.holdover.passthrough;

import dev.holdover.kvm.KvmVm;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.VmmException;
import dev.holdover.pci.Msi;
import dev.holdover.pci.MsiRoutes;
import dev.holdover.pci.Msix;
import dev.holdover.pci.PciBar;
import dev.holdover.pci.PciConfig;
import dev.holdover.pci.PciFunction;
import dev.holdover.pci.PciId;
import dev.holdover.vfio.VfioDevice;
import dev.holdover.vfio.VfioIrqs;
import dev.holdover.vfio.VfioRegion;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * A device of the host as the guest sees it on its bus.
 *
 * <p>Its configuration space is emulated where the guest must not, or need not, reach the device: header, addresses, MSI,
 * MSI-X. The PCI Express capability and bytes that no capability claims are the device's own, which the kernel guards. Power
 * management is not shown: a device asleep takes its mapped registers from its guest. Nor are capabilities whose meaning is
 * not known here.
 *
 * <p>The device is left decoding its memory and ports, whatever the guest says: what the guest reaches is decided by where
 * the BARs are placed.
 */
public final class VfioFunction extends PciFunction implements AutoCloseable {
    static final String DEVICE = "vfio-device";
    static final String INTERRUPT = "vfio-interrupt";

    private static final int CAP_VENDOR = 0x09;
    private static final int CAP_EXPRESS = 0x10;

    private static final int EXPRESS_FLAGS = 2;
    private static final int EXPRESS_TYPE = 0xf0;
    /** An endpoint that is part of the root complex: there is no port above it here. */
    private static final int EXPRESS_INTEGRATED = 0x90;

    private static final int MSI_CONTROL = 2;
    private static final int MSI_64_BITS = 1 << 7;
    private static final int MSI_MASKS = 1 << 8;

    private static final int HEADER_TYPE = 0x0e;
    private static final int DECODING = PciConfig.COMMAND_PORTS | PciConfig.COMMAND_MEMORY;

    private final VfioDevice device;
    private final String name;
    private final VfioRegion registers;
    /** Bytes of configuration space that are the device's own. */
    private final BitSet own = new BitSet(PciConfig.SIZE);

    private final Msix msix;
    /** Those of MSI-X and of MSI, as far as the device has them. */
    private final List<VfioInterrupts> messages = new ArrayList<>();

    private final VfioIntx intx;
    private final VfioBars bars;
    private int express = -1;
    /** Its interrupts' VM. */
    private KvmVm vm;
    /** The guest that is here has it: until then it is another VMM's, which alone tells it what to do. */
    private boolean live;

    /**
     * Of a device that is bound to an iommufd.
     *
     * @param device taken over, if this does not fail
     * @param name what the user calls it
     * @param intxGsi the guest's interrupt for INTx, -1 for none
     */
    public VfioFunction(VfioDevice device, String name, MsiRoutes routes, int intxGsi) {
        this(device, name, routes, intxGsi, requireConfig(device, name));
    }

    private static VfioRegion requireConfig(VfioDevice device, String name) {
        if (!device.info().pci()) {
            throw new VmmException("can't pass " + name + " to the guest: it is no PCI device");
        }
        return device.region(VfioDevice.CONFIG_REGION);
    }

    private VfioFunction(VfioDevice device, String name, MsiRoutes routes, int intxGsi, VfioRegion registers) {
        super(new PciConfig(PciConfig.SIZE, identify(device, name, registers)));
        this.device = device;
        this.name = name;
        this.registers = registers;
        VfioRegion[] regions = addBars();
        own.set(PciConfig.HEADER_SIZE, PciConfig.SIZE);

        VfioIrqs intxIrqs = device.irqs(VfioDevice.INTX);
        boolean hasIntx = intxIrqs.count() > 0 && intxGsi >= 0;
        intx = hasIntx ? new VfioIntx(device, intxGsi) : null;
        if (hasIntx) {
            config().set(PciConfig.INTERRUPT_PIN, 1, 1);
        }
        Msix table = null;
        VfioIrqs msixIrqs = device.irqs(VfioDevice.MSIX);
        VfioIrqs msiIrqs = device.irqs(VfioDevice.MSI);
        for (Capability capability : capabilities()) {
            int at = capability.offset();
            int length = capability.length();
            boolean silent = (capability.id() == Msix.CAPABILITY && msixIrqs.count() == 0)
                    || (capability.id() == Msi.CAPABILITY && msiIrqs.count() == 0);
            switch (silent ? 0 : capability.id()) {
                case Msix.CAPABILITY -> {
                    config().addCapabilityAt(at, Msix.CAPABILITY, Msix.LENGTH);
                    own.clear(at, at + Msix.LENGTH);
                    table = new Msix(config(), at, msixPlace(at, msixIrqs.count()), addMessages(msixIrqs, routes));
                }
                case Msi.CAPABILITY -> {
                    int control = raw(at + MSI_CONTROL, 2);
                    boolean masks = (control & MSI_MASKS) != 0;
                    own.clear(at, at + length);
                    if ((control & MSI_64_BITS) != 0) { // as all PCI Express has
                        config().addCapabilityAt(at, Msi.CAPABILITY, Msi.length(masks));
                        new Msi(config(), at, msiIrqs.count(), masks, addMessages(msiIrqs, routes));
                    }
                }
                case CAP_EXPRESS -> {
                    config().addCapabilityAt(at, CAP_EXPRESS, length);
                    own.clear(at, at + 2);
                    express = at;
                }
                case CAP_VENDOR -> {
                    config().addCapabilityAt(at, CAP_VENDOR, length);
                    own.clear(at, at + 2);
                }
                default -> own.clear(at, at + length);
            }
        }
        msix = table;
        config().watch(PciConfig.COMMAND, 2, this::commandWritten);
        bars = new VfioBars(device, regions, msix);
    }

    private VfioInterrupts addMessages(VfioIrqs irqs, MsiRoutes routes) {
        VfioInterrupts interrupts = new VfioInterrupts(device, irqs, routes, () -> setIntx(false), () -> setIntx(true));
        messages.add(interrupts);
        return interrupts;
    }

    /** A capability of the device's. {@code length} reaches to the next one at most. */
    private record Capability(int id, int offset, int length) {}

    private static PciId identify(VfioDevice device, String name, VfioRegion registers) {
        long at = registers.offset();
        if ((device.read(at, HEADER_TYPE, 1) & 0x7f) != 0) {
            throw new VmmException("can't pass " + name + " to the guest: it is a bridge");
        }
        int revision = (int) device.read(at, PciConfig.REVISION, 4);
        return new PciId(
                (int) device.read(at, PciConfig.VENDOR_ID, 2),
                (int) device.read(at, PciConfig.VENDOR_ID + 2, 2),
                revision >>> 8,
                revision & 0xff,
                (int) device.read(at, PciConfig.SUBSYSTEM, 2),
                (int) device.read(at, PciConfig.SUBSYSTEM + 2, 2));
    }

    private int raw(int offset, int width) {
        return (int) device.read(registers.offset(), offset, width);
    }

    private VfioRegion[] addBars() {
        VfioRegion[] regions = new VfioRegion[PciBar.COUNT];
        for (int i = 0; i < PciBar.COUNT; i++) {
            VfioRegion region = device.region(i);
            if (region.size() == 0) {
                continue;
            }
            int bits = raw(PciConfig.BAR_0 + 4 * i, 4);
            boolean ports = (bits & 1) != 0;
            boolean wide = !ports && (bits & 6) == 4;
            PciBar.Kind kind = ports ? PciBar.Kind.PORTS : wide ? PciBar.Kind.MEMORY_64 : PciBar.Kind.MEMORY_32;
            try {
                config().addBar(new PciBar(i, kind, region.size(), !ports && (bits & 8) != 0));
            } catch (IllegalArgumentException e) {
                throw new VmmException(
                        "can't pass " + name + " to the guest: its BAR " + i + " of " + region.size()
                                + " bytes is larger than a guest here can have",
                        e);
            }
            regions[i] = region;
            if (wide) {
                i++;
            }
        }
        return regions;
    }

    /** In ascending order of their offsets, whatever the device's; a list that leads in a circle ends there. */
    private List<Capability> capabilities() {
        int[] ids = new int[PciConfig.SIZE];
        int[] offsets = new int[PciConfig.SIZE];
        int count = 0;
        int at = raw(PciConfig.CAPABILITIES, 1) & 0xfc;
        while (at >= PciConfig.HEADER_SIZE && count < PciConfig.SIZE / 4) {
            ids[at] = raw(at, 1);
            offsets[count++] = at;
            at = raw(at + 1, 1) & 0xfc;
        }
        Arrays.sort(offsets, 0, count);
        List<Capability> found = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int offset = offsets[i];
            if (i > 0 && offset == offsets[i - 1]) {
                continue;
            }
            int next = i + 1 < count ? offsets[i + 1] : PciConfig.SIZE;
            int length = Math.min(length(ids[offset], offset), next - offset);
            found.add(new Capability(ids[offset], offset, length));
        }
        return found;
    }

    /** Of those whose length is known; else the room that there is, of which nothing is shown. */
    private int length(int id, int offset) {
        return switch (id) {
            case Msix.CAPABILITY -> Msix.LENGTH;
            case Msi.CAPABILITY -> {
                int control = raw(offset + MSI_CONTROL, 2);
                int wide = (control & MSI_64_BITS) != 0 ? 14 : 10;
                yield (control & MSI_MASKS) != 0 ? wide + 10 : wide;
            }
            case CAP_EXPRESS -> (raw(offset + EXPRESS_FLAGS, 1) & 0xf) > 1 ? 60 : 20;
            case CAP_VENDOR -> Math.max(3, raw(offset + 2, 1));
            default -> PciConfig.SIZE - offset;
        };
    }

    private Msix.Place msixPlace(int at, int vectors) {
        int table = raw(at + 4, 4);
        int pending = raw(at + 8, 4);
        return new Msix.Place(
                vectors,
                table & 7,
                Integer.toUnsignedLong(table & ~7),
                pending & 7,
                Integer.toUnsignedLong(pending & ~7));
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Msix msix() {
        return msix;
    }

    /** To pass on; stays this object's. */
    public VfioDevice device() {
        return device;
    }

    /**
     * Connects it to a VM, in which the machine's interrupt controllers need not be yet: memslots are cheaper before.
     *
     * @param firstSlot the first of {@link VfioBars#MAX_SLOTS} memslots that nobody else uses
     */
    public void connectMemory(KvmVm vm, int firstSlot) {
        bars.connect(vm, firstSlot);
    }

    /**
     * Connects its interrupts, once the machine has its controllers.
     *
     * @param now whether the device is this VMM's already; if not, {@link #listenAgain} makes it so
     */
    public void connectInterrupts(KvmVm to, boolean now) {
        vm = to;
        if (now) {
            goLive();
        }
    }

    private void goLive() {
        live = true;
        commandWritten();
        for (VfioInterrupts interrupts : messages) {
            interrupts.connect(vm);
        }
        if (intx != null) {
            intx.connect(vm);
        }
    }

    private int command() {
        return (config().get(PciConfig.COMMAND, 2) & PciConfig.COMMAND_MASTER) | DECODING;
    }

    private void commandWritten() {
        if (!live) {
            return;
        }
        device.write(registers.offset(), PciConfig.COMMAND, 2, command());
    }

    private void setIntx(boolean on) {
        if (intx != null) {
            intx.set(on);
        }
    }

    @Override
    public int readConfig(int offset, int width) {
        if (!isOwn(offset, width)) {
            return super.readConfig(offset, width);
        }
        int value = raw(offset, width);
        int flags = express + EXPRESS_FLAGS;
        if (express >= 0 && offset <= flags && flags < offset + width) {
            int shift = 8 * (flags - offset);
            value = (value & ~(EXPRESS_TYPE << shift)) | (EXPRESS_INTEGRATED << shift);
        }
        return value;
    }

    @Override
    public void writeConfig(int offset, int width, int value) {
        if (isOwn(offset, width)) {
            device.write(registers.offset(), offset, width, Integer.toUnsignedLong(value));
        } else {
            super.writeConfig(offset, width, value);
        }
    }

    /** An access that meets both kinds of bytes goes to those emulated here: the capability's id and its link. */
    private boolean isOwn(int offset, int width) {
        return offset < PciConfig.SIZE && own.nextClearBit(offset) >= offset + width;
    }

    @Override
    public long readBar(int bar, long offset, int width) {
        return bars.read(bar, offset, width);
    }

    @Override
    public void writeBar(int bar, long offset, int width, long value) {
        bars.write(bar, offset, width, value);
    }

    @Override
    public void placed(int bar, long address) {
        bars.placed(bar, address);
    }

    @Override
    public void removed(int bar, long address) {
        bars.removed(bar);
    }

    /** Resets the device, too: by its own reset, or its bus' if only its guest has devices there. */
    @Override
    public void reset() {
        resetDevice();
        super.reset();
    }

    /**
     * Resets the device and leaves what the guest knows of it. The guest's driver sees that it forgot what it was doing.
     * Blocks for up to a second.
     */
    public void resetDevice() {
        try {
            if (device.info().resets()) {
                device.reset();
            } else {
                device.hotReset();
            }
        } catch (ErrnoException e) {
            System.err.println("vmm: " + name + " could not be reset and goes on as it was: " + e.getMessage());
        }
        commandWritten();
    }

    // Handing it over

    /** Its descriptor and the eventfds that it signals, as another VMM of this host needs them; they stay open here. */
    public void parts(int number, List<NamedFd> to) {
        to.add(new NamedFd(DEVICE, name, device.fd()));
        for (VfioInterrupts interrupts : messages) {
            for (int vector = 0; vector < interrupts.count(); vector++) {
                EventFd eventFd = interrupts.attached(vector);
                if (eventFd != null) {
                    to.add(new NamedFd(INTERRUPT, place(number, interrupts.index(), vector), eventFd.fd()));
                }
            }
        }
        if (intx != null && intx.isAttached()) {
            to.add(new NamedFd(
                    INTERRUPT, place(number, VfioDevice.INTX, 0), intx.trigger().fd()));
            to.add(new NamedFd(
                    INTERRUPT, place(number, VfioDevice.INTX, 1), intx.unmask().fd()));
        }
    }

    private static String place(int number, int index, int vector) {
        return number + " " + index + " " + vector;
    }

    /** Takes its eventfds out of what another VMM hands over. */
    public void inherit(int number, List<NamedFd> parts) {
        for (VfioInterrupts interrupts : messages) {
            for (int vector = 0; vector < interrupts.count(); vector++) {
                EventFd eventFd = take(parts, place(number, interrupts.index(), vector));
                if (eventFd != null) {
                    interrupts.inherit(vector, eventFd);
                }
            }
        }
        if (intx != null) {
            EventFd trigger = take(parts, place(number, VfioDevice.INTX, 0));
            EventFd unmask = take(parts, place(number, VfioDevice.INTX, 1));
            intx.inherit(trigger, unmask);
        }
    }

    private static EventFd take(List<NamedFd> parts, String place) {
        Fd fd = NamedFd.take(parts, INTERRUPT, place);
        return fd == null ? null : EventFd.adopt(fd);
    }

    /** Lets another VM listen to its interrupts. The vCPUs are parked; the device goes on, and its eventfds count. */
    public void release() {
        for (VfioInterrupts interrupts : messages) {
            interrupts.release();
        }
        if (intx != null) {
            intx.release();
        }
    }

    /** Listens to its interrupts, and interrupts the guest once by each: none that came meanwhile is missed. */
    public void listenAgain() {
        if (!live) {
            goLive();
        }
        for (VfioInterrupts interrupts : messages) {
            interrupts.listenAgain();
        }
        if (intx != null) {
            intx.listenAgain();
        }
    }

    /**
     * Makes it ready for a live update, which keeps the device but not its interrupts: none comes until {@link
     * #listenAgain}. The vCPUs are parked.
     */
    public void silence() {
        for (VfioInterrupts interrupts : messages) {
            interrupts.silence();
        }
        if (intx != null) {
            intx.silence();
        }
    }

    /** Releases the device, which the kernel resets with its last descriptor. */
    @Override
    public void close() {
        bars.close();
        device.close();
        for (VfioInterrupts interrupts : messages) {
            interrupts.close();
        }
        if (intx != null) {
            intx.close();
        }
    }
}
