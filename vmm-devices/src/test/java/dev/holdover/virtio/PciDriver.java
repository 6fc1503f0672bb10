package dev.holdover.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.EventFd;
import dev.holdover.linux.Patience;
import dev.holdover.pci.PciHostBridge;
import dev.holdover.platform.Bus;
import dev.holdover.platform.MemoryMap;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What a guest's driver does with a virtio device on PCI: finds its registers by its capabilities, then uses them. */
final class PciDriver implements AutoCloseable {
    static final int SLOT = 1;
    static final int INTX = 16;
    static final long MESSAGE_ADDRESS = 0xfee01000L;
    private static final long ECAM = MemoryMap.PCI_ECAM;
    private static final int DEADLINE_SECONDS = Patience.host().seconds(20);

    final TestRam ram;
    final VirtioDevice device;
    final VirtioPci pci;
    final PciHostBridge bridge;
    final Bus mmio = new Bus();
    final Bus ports = new Bus();
    /** Messages that came, their data; and changes of the pin. */
    final BlockingQueue<String> interrupts = new LinkedBlockingQueue<>();

    final List<String> doorbells = new ArrayList<>();
    private final Map<Integer, Long> places = new TreeMap<>();
    long bar;
    private long negotiated;

    PciDriver(TestRam ram, VirtioDevice device) {
        this.ram = ram;
        this.device = device;
        this.bridge = new PciHostBridge(ports, mmio, MemoryMap.pciWindows(0, 40), ECAM);
        bridge.addPin(INTX, high -> interrupts.add(high ? "pin high" : "pin low"));
        this.pci = new VirtioPci(ram.memory, device, bridge.intxLine(SLOT));
        bridge.plug(pci);
        bridge.assignAddresses();
        pci.connect(new VirtioPci.Wiring() {
            @Override
            public void bindDoorbell(EventFd doorbell, long gpa) {
                note("+", doorbell, gpa);
            }

            @Override
            public void unbindDoorbell(EventFd doorbell, long gpa) {
                note("-", doorbell, gpa);
            }

            @Override
            public void send(long address, int data) {
                interrupts.add(Long.toHexString(address) + ":" + Integer.toHexString(data));
            }
        });
    }

    private void note(String what, EventFd doorbell, long gpa) {
        doorbells.add(what + device.notifiers().indexOf(doorbell) + " 0x" + Long.toHexString(gpa));
    }

    int config(int offset, int width) {
        return (int) mmio.read(ECAM + (SLOT << 15) + offset, width);
    }

    void setConfig(int offset, int width, int value) {
        mmio.write(ECAM + (SLOT << 15) + offset, width, value & 0xffffffffL);
    }

    /** Switches memory on and finds where what is; by type of capability, MSI-X as 0x11. */
    Map<Integer, Long> find() {
        setConfig(4, 2, 6);
        bar = config(0x10, 4) & ~0xfL & 0xffffffffL;
        for (int at = config(0x34, 1); at != 0; at = config(at + 1, 1)) {
            int id = config(at, 1);
            if (id == 9) {
                int type = config(at + 3, 1);
                assertThat(config(at + 4, 1)).as("BAR").isZero();
                places.put(type, bar + (config(at + 8, 4) & 0xffffffffL));
            } else {
                places.put(id, bar + (config(at + 4, 4) & ~7));
                assertThat(config(at + 4, 4) & 7).isZero();
            }
        }
        return places;
    }

    int capability(int type) {
        for (int at = config(0x34, 1); at != 0; at = config(at + 1, 1)) {
            boolean vendor = config(at, 1) == 9;
            if (vendor ? config(at + 3, 1) == type : config(at, 1) == type) {
                return at;
            }
        }
        throw new AssertionError("no capability " + type);
    }

    long get(int register, int width) {
        return mmio.read(places.get(1) + register, width);
    }

    void set(int register, int width, long value) {
        mmio.write(places.get(1) + register, width, value);
    }

    /** Switches MSI-X on; vector n has data 0x40 + n. */
    void enableMessages() {
        for (int vector = 0; vector <= device.queueCount(); vector++) {
            long entry = places.get(0x11) + 16L * vector;
            mmio.write(entry, 8, MESSAGE_ADDRESS);
            mmio.write(entry + 8, 4, 0x40 + vector);
            mmio.write(entry + 12, 4, 0);
        }
        setConfig(capability(0x11) + 2, 2, 0x8000);
    }

    long offered() {
        set(0, 4, 1);
        long high = get(4, 4);
        set(0, 4, 0);
        return (high << 32) | get(4, 4);
    }

    void begin(long features) {
        set(0x14, 1, 0);
        assertThat(get(0x14, 1)).isZero();
        set(0x14, 1, 1);
        set(0x14, 1, 3);
        negotiated = features | TestDriver.VERSION_1;
        set(8, 4, 1);
        set(0xc, 4, negotiated >>> 32);
        set(8, 4, 0);
        set(0xc, 4, negotiated & 0xffffffffL);
        set(0x14, 1, 11);
        assertThat(get(0x14, 1)).isEqualTo(11);
    }

    DriverQueue queue(int index, int size) {
        DriverQueue queue = new DriverQueue(ram, index, size, (negotiated & TestDriver.EVENT_INDEX) != 0);
        set(0x16, 2, index);
        set(0x18, 2, size);
        address(0x20, queue.descriptors);
        address(0x28, queue.available);
        address(0x30, queue.used);
        set(0x1c, 2, 1);
        assertThat(get(0x1c, 2)).isEqualTo(1);
        return queue;
    }

    private void address(int register, long gpa) {
        set(register, 4, gpa & 0xffffffffL);
        set(register + 4, 4, gpa >>> 32);
        assertThat(get(register, 8)).isEqualTo(gpa);
    }

    void ready() {
        set(0x14, 1, 15);
        assertThat(get(0x14, 1)).isEqualTo(15);
    }

    void kick(DriverQueue queue) {
        if (queue.publish()) {
            set(0x16, 2, queue.index);
            mmio.write(places.get(2) + 4 * get(0x1e, 2), 2, queue.index);
        }
    }

    int isr() {
        return (int) mmio.read(places.get(3), 1);
    }

    long deviceConfig(int offset, int width) {
        return mmio.read(places.get(4) + offset, width);
    }

    String awaitInterrupt() throws InterruptedException {
        String interrupt = interrupts.poll(DEADLINE_SECONDS, TimeUnit.SECONDS);
        assertThat(interrupt).as("an interrupt of " + device.name()).isNotNull();
        return interrupt;
    }

    void settle() {
        device.loop().runAndWait(() -> {});
        device.loop().runAndWait(() -> {});
    }

    @Override
    public void close() {
        device.close();
    }
}
