package dev.holdover.virtio;

import dev.holdover.device.BusDevice;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import java.util.ArrayList;
import java.util.List;

/**
 * The MMIO transport, version 2, of one virtio device: virtio 1.2, section 4.2, and the device status of section 2.1.
 *
 * <p>Registers are 32 bits wide, a window is {@link #SIZE} bytes. A driver's write that the specification forbids in
 * the state at hand is dropped. A write that resets or halts waits until the device has let go of its rings; the other
 * accesses do not block.
 */
public final class VirtioMmio implements BusDevice {
    /** Bytes of the register window. */
    public static final int SIZE = 0x1000;
    /** The register QueueNotify, where each queue's ioeventfd is bound: 4 bytes wide, data = the queue's index. */
    public static final int QUEUE_NOTIFY = 0x50;

    private static final int MAGIC_VALUE = 0x00;
    private static final int VERSION = 0x04;
    private static final int DEVICE_ID = 0x08;
    private static final int VENDOR_ID = 0x0c;
    private static final int DEVICE_FEATURES = 0x10;
    private static final int DEVICE_FEATURES_SEL = 0x14;
    private static final int DRIVER_FEATURES = 0x20;
    private static final int DRIVER_FEATURES_SEL = 0x24;
    private static final int QUEUE_SEL = 0x30;
    private static final int QUEUE_NUM_MAX = 0x34;
    private static final int QUEUE_NUM = 0x38;
    private static final int QUEUE_READY = 0x44;
    private static final int INTERRUPT_STATUS = 0x60;
    private static final int INTERRUPT_ACK = 0x64;
    private static final int STATUS = 0x70;
    private static final int QUEUE_DESC_LOW = 0x80;
    private static final int QUEUE_DESC_HIGH = 0x84;
    private static final int QUEUE_DRIVER_LOW = 0x90;
    private static final int QUEUE_DRIVER_HIGH = 0x94;
    private static final int QUEUE_DEVICE_LOW = 0xa0;
    private static final int QUEUE_DEVICE_HIGH = 0xa4;
    private static final int SHM_LEN_LOW = 0xb0;
    private static final int SHM_LEN_HIGH = 0xb4;
    private static final int SHM_BASE_LOW = 0xb8;
    private static final int SHM_BASE_HIGH = 0xbc;
    private static final int CONFIG_GENERATION = 0xfc;
    private static final int CONFIG = 0x100;

    private static final int MAGIC = 0x74726976; // "virt"
    private static final int VENDOR = 0x444c4f48; // "HOLD"

    private static final int ACKNOWLEDGE = 1;
    private static final int DRIVER = 2;
    private static final int DRIVER_OK = 4;
    private static final int FEATURES_OK = 8;
    private static final int DEVICE_NEEDS_RESET = 64;
    private static final int FAILED = 128;
    private static final int DRIVER_BITS = ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK | FAILED;

    private final VirtioDevice device;
    private final DriverSignals signals;
    private final VirtQueue[] queues;

    private int status;
    private int deviceFeaturesSelect;
    private int driverFeaturesSelect;
    private long driverFeatures;
    private int queueSelect;

    /**
     * A transport in its reset state.
     *
     * @param interrupt bound as irqfd to an edge-triggered interrupt; signalled once for each interrupt; not owned
     */
    public VirtioMmio(GuestMemory memory, VirtioDevice device, EventFd interrupt) {
        this.device = device;
        this.signals = new DriverSignals(interrupt);
        this.queues = new VirtQueue[device.queueCount()];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new VirtQueue(memory);
        }
    }

    /** One for each queue, in order, to be bound as ioeventfd to {@link #QUEUE_NOTIFY}; the device owns them. */
    public List<EventFd> notifiers() {
        return device.notifiers();
    }

    /** What the driver did wrong since the last reset, for people; null if nothing. Any thread. */
    public String trouble() {
        return signals.trouble();
    }

    @Override
    public long read(long offset, int width) {
        if (offset >= CONFIG) {
            return offset < SIZE ? device.config().read(offset - CONFIG, width) : -1;
        }
        if (width != 4 || (offset & 3) != 0) {
            return -1;
        }
        if (offset == INTERRUPT_STATUS) { // at every interrupt: not behind a reset that waits
            return signals.pending();
        }
        return readRegister((int) offset) & 0xffffffffL;
    }

    private synchronized int readRegister(int register) {
        return switch (register) {
            case MAGIC_VALUE -> MAGIC;
            case VERSION -> 2;
            case DEVICE_ID -> device.deviceId();
            case VENDOR_ID -> VENDOR;
            case DEVICE_FEATURES -> half(device.features(), deviceFeaturesSelect);
            case QUEUE_NUM_MAX -> selected() != null ? VirtQueue.MAX_SIZE : 0;
            case QUEUE_READY -> selected() != null && selected().isReady() ? 1 : 0;
            case STATUS -> status();
            case SHM_LEN_LOW, SHM_LEN_HIGH, SHM_BASE_LOW, SHM_BASE_HIGH -> -1; // no shared memory
            case CONFIG_GENERATION -> device.config().generation();
            default -> 0;
        };
    }

    private static int half(long features, int select) {
        if (select == 0) {
            return (int) features;
        }
        return select == 1 ? (int) (features >>> 32) : 0;
    }

    private VirtQueue selected() {
        return queueSelect >= 0 && queueSelect < queues.length ? queues[queueSelect] : null;
    }

    private int status() {
        return signals.trouble() != null ? status | DEVICE_NEEDS_RESET : status;
    }

    @Override
    public void write(long offset, int width, long value) {
        if (offset >= CONFIG || width != 4 || (offset & 3) != 0) {
            return; // no device here has a configuration field that its driver may write
        }
        if (offset == QUEUE_NOTIFY) {
            if (value < queues.length) {
                notifiers().get((int) value).signal();
            }
        } else if (offset == INTERRUPT_ACK) {
            signals.acknowledge((int) value);
        } else {
            writeRegister((int) offset, (int) value);
        }
    }

    private synchronized void writeRegister(int register, int value) {
        switch (register) {
            case DEVICE_FEATURES_SEL -> deviceFeaturesSelect = value;
            case DRIVER_FEATURES -> acceptFeatures(value);
            case DRIVER_FEATURES_SEL -> driverFeaturesSelect = value;
            case QUEUE_SEL -> queueSelect = value;
            case STATUS -> writeStatus(value);
            default -> {
                if (selected() != null) {
                    writeQueueRegister(selected(), register, value);
                }
            }
        }
    }

    private void acceptFeatures(int bits) {
        if ((status & FEATURES_OK) != 0) {
            return;
        }
        if (driverFeaturesSelect == 0) {
            driverFeatures = withLow(driverFeatures, bits);
        } else if (driverFeaturesSelect == 1) {
            driverFeatures = withHigh(driverFeatures, bits);
        }
    }

    private void writeStatus(int value) {
        if (value == 0) {
            reset();
            return;
        }
        int added = value & DRIVER_BITS & ~status;
        if ((added & FEATURES_OK) != 0 && ((value & DRIVER) == 0 || !featuresFit())) {
            added &= ~FEATURES_OK; // the driver reads it back and learns that it asked for too much or too little
        }
        if (((status | added) & FEATURES_OK) == 0) {
            added &= ~DRIVER_OK;
        }
        status |= added;
        if ((added & DRIVER_OK) != 0) {
            device.start(queues, driverFeatures, signals);
        }
    }

    private boolean featuresFit() {
        return (driverFeatures & ~device.features()) == 0 && (driverFeatures & VirtioDevice.F_VERSION_1) != 0;
    }

    private void writeQueueRegister(VirtQueue queue, int register, int value) {
        if (register == QUEUE_READY) {
            writeReady(queue, value);
        } else if (!queue.isReady()) {
            switch (register) {
                case QUEUE_NUM -> queue.setSize(value);
                case QUEUE_DESC_LOW -> queue.setDescriptors(withLow(queue.descriptors(), value));
                case QUEUE_DESC_HIGH -> queue.setDescriptors(withHigh(queue.descriptors(), value));
                case QUEUE_DRIVER_LOW -> queue.setAvailable(withLow(queue.available(), value));
                case QUEUE_DRIVER_HIGH -> queue.setAvailable(withHigh(queue.available(), value));
                case QUEUE_DEVICE_LOW -> queue.setUsed(withLow(queue.used(), value));
                case QUEUE_DEVICE_HIGH -> queue.setUsed(withHigh(queue.used(), value));
                default -> {}
            }
        }
    }

    private void writeReady(VirtQueue queue, int value) {
        boolean running = (status & DRIVER_OK) != 0;
        if (value == 0 && queue.isReady()) {
            if (running) {
                device.disable(queue);
            } else {
                queue.disable();
            }
        } else if (value == 1 && !queue.isReady() && !running) {
            try {
                queue.enable();
            } catch (MalformedRequestException e) {
                signals.needsReset(e.getMessage());
            }
        }
    }

    private static long withLow(long old, int low) {
        return (old & 0xffffffff00000000L) | (low & 0xffffffffL);
    }

    private static long withHigh(long old, int high) {
        return (old & 0xffffffffL) | ((long) high << 32);
    }

    /** As the driver's write of 0 to the status, or a reset of the machine. Waits for the request under way. */
    public synchronized void reset() {
        if ((status & DRIVER_OK) != 0) {
            device.stop();
        }
        status = 0;
        deviceFeaturesSelect = 0;
        driverFeaturesSelect = 0;
        driverFeatures = 0;
        queueSelect = 0;
        for (VirtQueue queue : queues) {
            queue.reset();
        }
        signals.set(0, null);
    }

    /** The registers, while the device is paused and no vCPU runs. */
    public synchronized VirtioMmioState state() {
        List<VirtQueueState> queueStates = new ArrayList<>();
        for (VirtQueue queue : queues) {
            queueStates.add(queue.state());
        }
        return new VirtioMmioState(
                device.deviceId(),
                status(),
                deviceFeaturesSelect,
                driverFeaturesSelect,
                driverFeatures,
                queueSelect,
                signals.pending(),
                device.config().generation(),
                queueStates);
    }

    /**
     * Takes over the registers of a saved device, before any vCPU runs. The device is left paused: {@link
     * VirtioDevice#resume} lets it work.
     *
     * @throws VmmException if the state does not fit this device or this RAM; the transport is then in its reset state
     */
    public synchronized void restore(VirtioMmioState state) {
        reset();
        if (state.deviceId() != device.deviceId() || state.queues().size() != queues.length) {
            throw misfit("it is of a device of kind " + state.deviceId() + " with "
                    + state.queues().size() + " queues");
        }
        driverFeatures = state.driverFeatures();
        boolean negotiated = (state.status() & FEATURES_OK) != 0;
        if (negotiated ? !featuresFit() : (state.status() & DRIVER_OK) != 0) {
            String features = Long.toHexString(driverFeatures);
            reset();
            throw misfit("its driver works with features 0x" + features + " and status " + state.status()
                    + ", this host offers 0x" + Long.toHexString(device.features()));
        }
        try {
            for (int i = 0; i < queues.length; i++) {
                queues[i].restore(state.queues().get(i));
            }
        } catch (MalformedRequestException e) {
            reset();
            throw misfit("it has a " + e.getMessage());
        }
        deviceFeaturesSelect = state.deviceFeaturesSelect();
        driverFeaturesSelect = state.driverFeaturesSelect();
        queueSelect = state.queueSelect();
        status = state.status() & DRIVER_BITS;
        boolean broken = (state.status() & DEVICE_NEEDS_RESET) != 0;
        signals.set(state.interruptStatus(), broken ? "broken when it was saved" : null);
        device.restoreGeneration(state.configGeneration());
        device.pause();
        if ((status & DRIVER_OK) != 0) {
            device.start(queues, driverFeatures, signals);
        }
    }

    private VmmException misfit(String why) {
        return new VmmException("the saved state of " + device.name() + " does not fit this machine: " + why);
    }
}
