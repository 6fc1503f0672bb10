package dev.holdover.virtio;

import dev.holdover.linux.EventFd;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.BusDevice;
import dev.holdover.virtio.VirtioRegisters.Ring;
import java.util.List;

/**
 * The MMIO transport, version 2, of one virtio device: virtio 1.2, section 4.2. Registers are 32 bits wide, a window is
 * {@link #SIZE} bytes; what they do is {@link VirtioRegisters}'.
 */
public final class VirtioMmio implements VirtioTransport, BusDevice {
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

    private final VirtioDevice device;
    private final DriverSignals signals;
    private final VirtioRegisters registers;

    /**
     * A transport in its reset state.
     *
     * @param interrupt bound as irqfd to an edge-triggered interrupt; signalled once for each interrupt; not owned
     */
    public VirtioMmio(GuestMemory memory, VirtioDevice device, EventFd interrupt) {
        this.device = device;
        this.signals = new Edges(interrupt);
        this.registers = new VirtioRegisters(memory, device, signals);
    }

    /** One edge for each event, also while an earlier one is not acknowledged: none is lost in between. */
    private static final class Edges extends DriverSignals {
        private final EventFd interrupt;

        Edges(EventFd interrupt) {
            this.interrupt = interrupt;
        }

        @Override
        void interrupt(int queue) {
            note(queue);
            interrupt.signal();
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

    private int readRegister(int register) {
        return switch (register) {
            case MAGIC_VALUE -> MAGIC;
            case VERSION -> 2;
            case DEVICE_ID -> device.deviceId();
            case VENDOR_ID -> VENDOR;
            case DEVICE_FEATURES -> registers.deviceFeatures();
            case QUEUE_NUM_MAX -> registers.hasSelected() ? VirtQueue.MAX_SIZE : 0;
            case QUEUE_READY -> registers.isQueueReady() ? 1 : 0;
            case STATUS -> registers.status();
            case SHM_LEN_LOW, SHM_LEN_HIGH, SHM_BASE_LOW, SHM_BASE_HIGH -> -1; // no shared memory
            case CONFIG_GENERATION -> device.config().generation();
            default -> 0;
        };
    }

    @Override
    public void write(long offset, int width, long value) {
        if (offset >= CONFIG || width != 4 || (offset & 3) != 0) {
            return; // no device here has a configuration field that its driver may write
        }
        if (offset == QUEUE_NOTIFY) {
            registers.notifyQueue(value);
        } else if (offset == INTERRUPT_ACK) {
            signals.acknowledge((int) value);
        } else {
            writeRegister((int) offset, (int) value);
        }
    }

    private void writeRegister(int register, int value) {
        switch (register) {
            case DEVICE_FEATURES_SEL -> registers.selectDeviceFeatures(value);
            case DRIVER_FEATURES -> registers.acceptFeatures(value);
            case DRIVER_FEATURES_SEL -> registers.selectDriverFeatures(value);
            case QUEUE_SEL -> registers.selectQueue(value);
            case STATUS -> registers.writeStatus(value);
            case QUEUE_NUM -> registers.setQueueSize(value);
            case QUEUE_READY -> writeReady(value);
            case QUEUE_DESC_LOW -> registers.setRing(Ring.DESCRIPTORS, false, value);
            case QUEUE_DESC_HIGH -> registers.setRing(Ring.DESCRIPTORS, true, value);
            case QUEUE_DRIVER_LOW -> registers.setRing(Ring.AVAILABLE, false, value);
            case QUEUE_DRIVER_HIGH -> registers.setRing(Ring.AVAILABLE, true, value);
            case QUEUE_DEVICE_LOW -> registers.setRing(Ring.USED, false, value);
            case QUEUE_DEVICE_HIGH -> registers.setRing(Ring.USED, true, value);
            default -> {}
        }
    }

    private void writeReady(int value) {
        if (value == 0) {
            registers.disableQueue();
        } else if (value == 1) {
            registers.enableQueue();
        }
    }

    @Override
    public void reset() {
        registers.reset();
    }

    /** The registers, while the device is paused and no vCPU runs. */
    public VirtioState state() {
        return registers.state();
    }

    /**
     * Takes over the registers of a saved device, before any vCPU runs. The device is left paused: {@link
     * VirtioDevice#resume} lets it work.
     *
     * @throws VmmException if the state does not fit this device or this RAM; the transport is then in its reset state
     */
    public void restore(VirtioState state) {
        registers.restore(state);
    }
}
