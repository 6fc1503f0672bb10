package dev.holdover.virtio;

import dev.holdover.linux.EventFd;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import dev.holdover.pci.Intx;
import dev.holdover.pci.MsiListener;
import dev.holdover.pci.Msix;
import dev.holdover.pci.PciBar;
import dev.holdover.pci.PciConfig;
import dev.holdover.pci.PciFunction;
import dev.holdover.pci.PciId;
import dev.holdover.platform.InterruptLine;
import dev.holdover.virtio.VirtioRegisters.Ring;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The PCI transport of one virtio device, without its legacy interface: virtio 1.2, section 4.1. All that its driver
 * reaches is in one BAR:
 *
 * <pre>
 * 0x0000  common configuration
 * 0x1000  ISR status
 * 0x2000  the device's configuration
 * 0x3000  notifications, 4 bytes a queue
 * 0x4000  MSI-X table
 * 0x5000  MSI-X pending bits
 * </pre>
 *
 * <p>Saved guests know this layout and that of the capabilities, so both stay as they are.
 *
 * <p>A vector for each queue and one for the configuration, sent as messages by the device's own thread: a route with an
 * irqfd would cost KVM's grace period at each change, and save nothing. Without MSI-X it is the INTx pin and the ISR
 * status. Bus mastering is not looked at: a device works as soon as its driver says so, as it does on virtio-mmio.
 */
public final class VirtioPci extends PciFunction implements VirtioTransport {
    private static final int VENDOR = 0x1af4;
    /** Device ids of virtio 1 begin here: the kind of device is added. */
    private static final int FIRST_DEVICE = 0x1040;
    /** Of a device without a legacy interface. */
    private static final int REVISION = 1;

    private static final int BAR = 0;
    private static final int BAR_SIZE = 0x8000;
    private static final int COMMON = 0x0000;
    private static final int COMMON_SIZE = 0x3c;
    private static final int ISR = 0x1000;
    private static final int DEVICE = 0x2000;
    private static final int NOTIFY = 0x3000;
    private static final int MSIX_TABLE = 0x4000;
    private static final int MSIX_PENDING = 0x5000;
    private static final int PAGE = 0x1000;
    private static final int NOTIFY_MULTIPLIER = 4;

    // Vendor capabilities: virtio 1.2, section 4.1.4
    private static final int CAPABILITY_VENDOR = 0x09;
    private static final int CAPABILITY_SIZE = 16;
    private static final int TYPE_COMMON = 1;
    private static final int TYPE_NOTIFY = 2;
    private static final int TYPE_ISR = 3;
    private static final int TYPE_DEVICE = 4;
    private static final int TYPE_PCI = 5;
    /** Within the capability: its length, what it is, which BAR, where in it, how much. */
    private static final int CAPABILITY_LENGTH = 2;

    private static final int CAPABILITY_TYPE = 3;
    private static final int CAPABILITY_BAR = 4;
    private static final int CAPABILITY_OFFSET = 8;
    private static final int CAPABILITY_EXTENT = 12;

    // Common configuration: section 4.1.4.3
    private static final int DEVICE_FEATURE_SELECT = 0x00;
    private static final int DEVICE_FEATURE = 0x04;
    private static final int DRIVER_FEATURE_SELECT = 0x08;
    private static final int DRIVER_FEATURE = 0x0c;
    private static final int CONFIG_VECTOR = 0x10;
    private static final int NUM_QUEUES = 0x12;
    private static final int DEVICE_STATUS = 0x14;
    private static final int CONFIG_GENERATION = 0x15;
    private static final int QUEUE_SELECT = 0x16;
    private static final int QUEUE_SIZE = 0x18;
    private static final int QUEUE_VECTOR = 0x1a;
    private static final int QUEUE_ENABLE = 0x1c;
    private static final int QUEUE_NOTIFY_OFF = 0x1e;
    private static final int QUEUE_DESC = 0x20;
    private static final int QUEUE_DRIVER = 0x28;
    private static final int QUEUE_DEVICE = 0x30;
    private static final int QUEUE_NOTIFY_DATA = 0x38;
    private static final int QUEUE_RESET = 0x3a;

    /** No vector: VIRTIO_MSI_NO_VECTOR. */
    static final int NO_VECTOR = 0xffff;

    /** What the machine does for it. */
    public interface Wiring {
        /** Has a 2-byte write to {@code gpa} signal {@code doorbell}, without leaving KVM_RUN. */
        void bindDoorbell(EventFd doorbell, long gpa);

        /** Takes that back. */
        void unbindDoorbell(EventFd doorbell, long gpa);

        /** Sends a message; one that names no interrupt is dropped. Does not block. */
        void send(long address, int data);
    }

    private final VirtioDevice device;
    private final VirtioRegisters registers;
    private final Signals signals;
    private final int queues;
    private final Msix msix;
    private final int pciAccess;
    /** Null until there is a VM. */
    private volatile Wiring wiring;
    /** Where the BAR is, under the bridge's lock. */
    private long base = PciConfig.NOWHERE;

    /**
     * A transport in its reset state.
     *
     * @param pin the INTx of its slot; null for none
     */
    public VirtioPci(GuestMemory memory, VirtioDevice device, InterruptLine pin) {
        super(new PciConfig(
                PciConfig.SIZE,
                new PciId(
                        VENDOR,
                        FIRST_DEVICE + device.deviceId(),
                        classCode(device.deviceId()),
                        REVISION,
                        VENDOR,
                        FIRST_DEVICE + device.deviceId())));
        this.device = device;
        PciConfig config = config();
        config.addBar(new PciBar(BAR, PciBar.Kind.MEMORY_32, BAR_SIZE, false));
        queues = device.queueCount();
        addCapability(TYPE_COMMON, CAPABILITY_SIZE, COMMON, COMMON_SIZE);
        int notify = addCapability(TYPE_NOTIFY, CAPABILITY_SIZE + 4, NOTIFY, NOTIFY_MULTIPLIER * queues);
        config.set(notify + CAPABILITY_SIZE, 4, NOTIFY_MULTIPLIER);
        addCapability(TYPE_ISR, CAPABILITY_SIZE, ISR, 1);
        addCapability(TYPE_DEVICE, CAPABILITY_SIZE, DEVICE, PAGE);
        pciAccess = addCapability(TYPE_PCI, CAPABILITY_SIZE + 4, 0, 0);
        config.allowWrites(pciAccess + CAPABILITY_BAR, 1, 0xff);
        config.allowWrites(pciAccess + CAPABILITY_OFFSET, 4, -1);
        config.allowWrites(pciAccess + CAPABILITY_EXTENT, 4, -1);
        Msix.Place place = new Msix.Place(1 + queues, BAR, MSIX_TABLE, BAR, MSIX_PENDING);
        msix = new Msix(config, config.addCapability(Msix.CAPABILITY, Msix.LENGTH), place, new Vectors());
        signals = new Signals(queues, pin == null ? null : new Intx(config, pin));
        registers = new VirtioRegisters(memory, device, signals);
    }

    /** Class, subclass and interface: what PCI has for such a device. */
    private static int classCode(int deviceId) {
        return switch (deviceId) {
            case 1 -> 0x020000; // Ethernet
            case 2 -> 0x018000; // mass storage
            case 3 -> 0x078000; // communication
            default -> 0xff0000;
        };
    }

    private int addCapability(int type, int length, int offset, int extent) {
        PciConfig config = config();
        int at = config.addCapability(CAPABILITY_VENDOR, length);
        config.set(at + CAPABILITY_LENGTH, 1, length);
        config.set(at + CAPABILITY_TYPE, 1, type);
        config.set(at + CAPABILITY_BAR, 1, BAR);
        config.set(at + CAPABILITY_OFFSET, 4, offset);
        config.set(at + CAPABILITY_EXTENT, 4, extent);
        return at;
    }

    @Override
    public String name() {
        return device.name();
    }

    @Override
    public Msix msix() {
        return msix;
    }

    /** How many queues its state is of. */
    public int queueCount() {
        return queues;
    }

    /** What the driver did wrong since the last reset, for people; null if nothing. Any thread. */
    public String trouble() {
        return signals.trouble();
    }

    // Interrupts

    /** Sends what vectors are to send. */
    private final class Vectors implements MsiListener {
        @Override
        public void deliver(int vector, long address, int data) {
            Wiring connected = wiring;
            if (connected != null) {
                connected.send(address, data);
            }
        }
    }

    /** The interrupt of a queue or of the configuration: its vector, or INTx as long as MSI-X is off. */
    private final class Signals extends DriverSignals {
        private final int[] queueVectors;
        private final Intx intx;
        private int configVector = NO_VECTOR;

        Signals(int queues, Intx intx) {
            queueVectors = new int[queues];
            Arrays.fill(queueVectors, NO_VECTOR);
            this.intx = intx;
        }

        @Override
        void interrupt(int queue) {
            boolean messages = msix.isEnabled();
            if (queue == CONFIG || !messages) {
                note(queue);
            }
            if (messages) {
                msix.raise(queue == CONFIG ? configVector : queueVectors[queue]);
            } else {
                setIntx(true);
            }
        }

        private void setIntx(boolean on) {
            if (intx != null) {
                intx.set(on);
            }
        }

        /** MSI-X has been switched, or what is pending was set: the pin follows. */
        synchronized void update() {
            setIntx(pending() != 0 && !msix.isEnabled());
        }

        /** The driver reads the ISR status, which clears it. */
        synchronized int take() {
            int causes = pending();
            acknowledge(causes);
            setIntx(false);
            return causes;
        }

        synchronized int configVector() {
            return configVector;
        }

        synchronized int queueVector(int queue) {
            return queue < queueVectors.length ? queueVectors[queue] : NO_VECTOR;
        }

        /** One that is not there reads back as none. */
        synchronized void setConfigVector(int vector) {
            configVector = known(vector);
        }

        synchronized void setQueueVector(int queue, int vector) {
            if (queue < queueVectors.length) {
                queueVectors[queue] = known(vector);
            }
        }

        private int known(int vector) {
            return vector < msix.place().vectors() ? vector : NO_VECTOR;
        }

        synchronized void reset() {
            configVector = NO_VECTOR;
            Arrays.fill(queueVectors, NO_VECTOR);
            update();
        }
    }

    // The BAR

    @Override
    public long readBar(int bar, long offset, int width) {
        if (msix.covers(bar, offset)) {
            return msix.read(bar, offset, width);
        }
        if (offset < COMMON + COMMON_SIZE) {
            return readCommon((int) offset, width);
        }
        if (offset == ISR) {
            return signals.take();
        }
        if (offset >= DEVICE && offset < DEVICE + PAGE) {
            return device.config().read(offset - DEVICE, width);
        }
        return -1;
    }

    @Override
    public void writeBar(int bar, long offset, int width, long value) {
        if (msix.covers(bar, offset)) {
            msix.write(bar, offset, width, value);
        } else if (offset < COMMON + COMMON_SIZE) {
            writeCommon((int) offset, width, value);
        } else if (offset >= NOTIFY && offset < NOTIFY + PAGE && (offset - NOTIFY) % NOTIFY_MULTIPLIER == 0) {
            registers.notifyQueue((offset - NOTIFY) / NOTIFY_MULTIPLIER);
        }
    }

    /** How wide a field of the common configuration is; 0 where none begins. Addresses are two fields of 4. */
    private static int width(int field) {
        return switch (field) {
            case DEVICE_STATUS, CONFIG_GENERATION -> 1;
            case CONFIG_VECTOR,
                    NUM_QUEUES,
                    QUEUE_SELECT,
                    QUEUE_SIZE,
                    QUEUE_VECTOR,
                    QUEUE_ENABLE,
                    QUEUE_NOTIFY_OFF,
                    QUEUE_NOTIFY_DATA,
                    QUEUE_RESET -> 2;
            default -> (field & 3) == 0 && field < QUEUE_NOTIFY_DATA ? 4 : 0;
        };
    }

    private long readCommon(int field, int width) {
        if (width == 8) {
            return (readCommon(field, 4) & 0xffffffffL) | (readCommon(field + 4, 4) << 32);
        }
        return width == width(field) ? readField(field) & 0xffffffffL : -1;
    }

    private int readField(int field) {
        return switch (field) {
            case DEVICE_FEATURE_SELECT -> registers.deviceFeaturesSelect();
            case DEVICE_FEATURE -> registers.deviceFeatures();
            case DRIVER_FEATURE_SELECT -> registers.driverFeaturesSelect();
            case DRIVER_FEATURE -> registers.driverFeatures();
            case CONFIG_VECTOR -> signals.configVector();
            case NUM_QUEUES -> queues;
            case DEVICE_STATUS -> registers.status();
            case CONFIG_GENERATION -> device.config().generation();
            case QUEUE_SELECT -> registers.queueSelect();
            case QUEUE_SIZE -> registers.queueSize();
            case QUEUE_VECTOR -> signals.queueVector(registers.queueSelect());
            case QUEUE_ENABLE -> registers.isQueueReady() ? 1 : 0;
            case QUEUE_NOTIFY_OFF -> registers.hasSelected() ? registers.queueSelect() : 0;
            case QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE -> (int) registers.ring(ring(field));
            case QUEUE_DESC + 4, QUEUE_DRIVER + 4, QUEUE_DEVICE + 4 -> (int) (registers.ring(ring(field)) >>> 32);
            default -> 0;
        };
    }

    private static Ring ring(int field) {
        return field < QUEUE_DRIVER ? Ring.DESCRIPTORS : field < QUEUE_DEVICE ? Ring.AVAILABLE : Ring.USED;
    }

    private void writeCommon(int field, int width, long value) {
        if (width == 8) {
            writeCommon(field, 4, value & 0xffffffffL);
            writeCommon(field + 4, 4, value >>> 32);
        } else if (width == width(field)) {
            writeField(field, (int) value);
        }
    }

    private void writeField(int field, int value) {
        switch (field) {
            case DEVICE_FEATURE_SELECT -> registers.selectDeviceFeatures(value);
            case DRIVER_FEATURE_SELECT -> registers.selectDriverFeatures(value);
            case DRIVER_FEATURE -> registers.acceptFeatures(value);
            case CONFIG_VECTOR -> signals.setConfigVector(value);
            case DEVICE_STATUS -> writeStatus(value);
            case QUEUE_SELECT -> registers.selectQueue(value);
            case QUEUE_SIZE -> registers.setQueueSize(value);
            case QUEUE_VECTOR -> signals.setQueueVector(registers.queueSelect(), value);
            case QUEUE_ENABLE -> {
                if (value == 1) {
                    registers.enableQueue();
                }
            }
            case QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE -> registers.setRing(ring(field), false, value);
            case QUEUE_DESC + 4, QUEUE_DRIVER + 4, QUEUE_DEVICE + 4 -> registers.setRing(ring(field), true, value);
            default -> {}
        }
    }

    private void writeStatus(int value) {
        registers.writeStatus(value);
        if (value == 0) {
            signals.reset();
        }
    }

    // Configuration space

    /** The registers in the BAR are reached through a capability, too: virtio 1.2, section 4.1.4.9. */
    @Override
    public int readConfig(int offset, int width) {
        if (!isAccess(offset, width)) {
            return super.readConfig(offset, width);
        }
        long at = Integer.toUnsignedLong(config().get(pciAccess + CAPABILITY_OFFSET, 4));
        return reaches(at, width) ? (int) readBar(BAR, at, width) : -1;
    }

    @Override
    public void writeConfig(int offset, int width, int value) {
        if (isAccess(offset, width)) {
            long at = Integer.toUnsignedLong(config().get(pciAccess + CAPABILITY_OFFSET, 4));
            if (reaches(at, width)) {
                writeBar(BAR, at, width, Integer.toUnsignedLong(value));
            }
            return;
        }
        super.writeConfig(offset, width, value);
        signals.update();
    }

    /** Whether this is the capability's data, accessed as wide as its length says. */
    private boolean isAccess(int offset, int width) {
        return offset == pciAccess + CAPABILITY_SIZE && config().get(pciAccess + CAPABILITY_EXTENT, 4) == width;
    }

    private boolean reaches(long at, int width) {
        return config().get(pciAccess + CAPABILITY_BAR, 1) == BAR && at % width == 0 && at < BAR_SIZE;
    }

    // Doorbells

    /** There is a VM, with its interrupt controllers and all its memslots. */
    public void connect(Wiring to) {
        wiring = to;
        if (base != PciConfig.NOWHERE) {
            bindDoorbells(to, base);
        }
    }

    @Override
    public void placed(int bar, long address) {
        base = address;
        if (wiring != null) {
            bindDoorbells(wiring, address);
        }
    }

    private void bindDoorbells(Wiring to, long address) {
        List<EventFd> doorbells = device.notifiers();
        for (int queue = 0; queue < doorbells.size(); queue++) {
            to.bindDoorbell(doorbells.get(queue), doorbell(address, queue));
        }
    }

    @Override
    public void removed(int bar, long address) {
        base = PciConfig.NOWHERE;
        if (wiring != null) {
            List<EventFd> doorbells = device.notifiers();
            for (int queue = 0; queue < doorbells.size(); queue++) {
                wiring.unbindDoorbell(doorbells.get(queue), doorbell(address, queue));
            }
        }
    }

    private static long doorbell(long address, int queue) {
        return address + NOTIFY + (long) NOTIFY_MULTIPLIER * queue;
    }

    // Its life

    @Override
    public void reset() {
        registers.reset();
        super.reset();
        signals.reset();
    }

    /** The registers in the BAR, while the device is paused and no vCPU runs; the rest is the bus' to save. */
    public VirtioPciState state() {
        List<Integer> vectors = new ArrayList<>();
        for (int queue = 0; queue < queues; queue++) {
            vectors.add(signals.queueVector(queue));
        }
        return new VirtioPciState(registers.state(), signals.configVector(), vectors);
    }

    /**
     * Takes over the registers of a saved device, before any vCPU runs and after the bus has what it saved of this
     * function. The device is left paused: {@link VirtioDevice#resume} lets it work.
     *
     * @throws VmmException if the state does not fit this device or this RAM
     */
    public void restore(VirtioPciState state) {
        signals.setConfigVector(state.configVector());
        for (int queue = 0; queue < state.queueVectors().size(); queue++) {
            signals.setQueueVector(queue, state.queueVectors().get(queue));
        }
        registers.restore(state.registers());
        signals.update();
    }
}
