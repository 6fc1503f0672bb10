package dev.holdover.virtio;

import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import java.util.ArrayList;
import java.util.List;

/**
 * What the registers of every transport do, wherever they lie: the device status (virtio 1.2, section 2.1), negotiation of
 * features, the set-up of queues.
 *
 * <p>A driver's write that the specification forbids in the state at hand is dropped. A write that resets or halts waits
 * until the device has released its rings; the other accesses do not block. Any thread.
 */
final class VirtioRegisters {
    private static final int ACKNOWLEDGE = 1;
    private static final int DRIVER = 2;
    private static final int DRIVER_OK = 4;
    private static final int FEATURES_OK = 8;
    private static final int DEVICE_NEEDS_RESET = 64;
    private static final int FAILED = 128;
    private static final int DRIVER_BITS = ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK | FAILED;

    /** An address of a queue's, of 64 bits. */
    enum Ring {
        DESCRIPTORS,
        AVAILABLE,
        USED
    }

    private final VirtioDevice device;
    private final DriverSignals signals;
    private final VirtQueue[] queues;

    private int status;
    private int deviceFeaturesSelect;
    private int driverFeaturesSelect;
    private long driverFeatures;
    private int queueSelect;

    /** Registers in their reset state. */
    VirtioRegisters(GuestMemory memory, VirtioDevice device, DriverSignals signals) {
        this.device = device;
        this.signals = signals;
        this.queues = new VirtQueue[device.queueCount()];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new VirtQueue(memory, i);
        }
    }

    // Features

    synchronized int deviceFeaturesSelect() {
        return deviceFeaturesSelect;
    }

    synchronized void selectDeviceFeatures(int select) {
        deviceFeaturesSelect = select;
    }

    synchronized int deviceFeatures() {
        return half(device.features(), deviceFeaturesSelect);
    }

    synchronized int driverFeaturesSelect() {
        return driverFeaturesSelect;
    }

    synchronized void selectDriverFeatures(int select) {
        driverFeaturesSelect = select;
    }

    synchronized int driverFeatures() {
        return half(driverFeatures, driverFeaturesSelect);
    }

    private static int half(long features, int select) {
        if (select == 0) {
            return (int) features;
        }
        return select == 1 ? (int) (features >>> 32) : 0;
    }

    synchronized void acceptFeatures(int bits) {
        if ((status & FEATURES_OK) != 0) {
            return;
        }
        if (driverFeaturesSelect == 0) {
            driverFeatures = withLow(driverFeatures, bits);
        } else if (driverFeaturesSelect == 1) {
            driverFeatures = withHigh(driverFeatures, bits);
        }
    }

    private boolean featuresFit() {
        return (driverFeatures & ~device.features()) == 0 && (driverFeatures & VirtioDevice.F_VERSION_1) != 0;
    }

    // Status

    synchronized int status() {
        return signals.trouble() != null ? status | DEVICE_NEEDS_RESET : status;
    }

    /** A write of 0 resets; the caller resets what it has besides. */
    synchronized void writeStatus(int value) {
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

    // Queues

    synchronized int queueSelect() {
        return queueSelect;
    }

    synchronized void selectQueue(int select) {
        queueSelect = select;
    }

    private VirtQueue selected() {
        return queueSelect >= 0 && queueSelect < queues.length ? queues[queueSelect] : null;
    }

    /** Whether the driver has selected a queue that is there. */
    synchronized boolean hasSelected() {
        return selected() != null;
    }

    /** As the driver set it, or the most it can set; 0 if there is no such queue. */
    synchronized int queueSize() {
        return selected() == null ? 0 : selected().size();
    }

    synchronized void setQueueSize(int entries) {
        if (isOpen()) {
            selected().setSize(entries);
        }
    }

    /** Whether there is such a queue, which the driver may still change. */
    private boolean isOpen() {
        return selected() != null && !selected().isReady();
    }

    synchronized long ring(Ring ring) {
        VirtQueue queue = selected();
        if (queue == null) {
            return 0;
        }
        return switch (ring) {
            case DESCRIPTORS -> queue.descriptors();
            case AVAILABLE -> queue.available();
            case USED -> queue.used();
        };
    }

    /** Sets the lower or the upper half of an address. */
    synchronized void setRing(Ring ring, boolean high, int half) {
        if (!isOpen()) {
            return;
        }
        long old = ring(ring);
        long gpa = high ? withHigh(old, half) : withLow(old, half);
        switch (ring) {
            case DESCRIPTORS -> selected().setDescriptors(gpa);
            case AVAILABLE -> selected().setAvailable(gpa);
            case USED -> selected().setUsed(gpa);
        }
    }

    private static long withLow(long old, int low) {
        return (old & 0xffffffff00000000L) | (low & 0xffffffffL);
    }

    private static long withHigh(long old, int high) {
        return (old & 0xffffffffL) | ((long) high << 32);
    }

    synchronized boolean isQueueReady() {
        return selected() != null && selected().isReady();
    }

    synchronized void enableQueue() {
        if (isOpen() && (status & DRIVER_OK) == 0) {
            try {
                selected().enable();
            } catch (MalformedRequestException e) {
                signals.needsReset(e.getMessage());
            }
        }
    }

    /** Waits until the device has released it. */
    synchronized void disableQueue() {
        if (isQueueReady()) {
            if ((status & DRIVER_OK) != 0) {
                device.disable(selected());
            } else {
                selected().disable();
            }
        }
    }

    /** The driver notifies a queue by a write that left KVM_RUN. */
    void notifyQueue(long index) {
        if (index >= 0 && index < queues.length) {
            device.notifiers().get((int) index).signal();
        }
    }

    // Its life

    /** As the driver's write of 0 to the status, or a reset of the machine. Waits for the request under way. */
    synchronized void reset() {
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
    synchronized VirtioState state() {
        List<VirtQueueState> queueStates = new ArrayList<>();
        for (VirtQueue queue : queues) {
            queueStates.add(queue.state());
        }
        return new VirtioState(
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
     * @throws VmmException if the state does not fit this device or this RAM; the registers are then in their reset state
     */
    synchronized void restore(VirtioState state) {
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
