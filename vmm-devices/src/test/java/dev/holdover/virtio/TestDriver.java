package dev.holdover.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Patience;
import java.util.ArrayList;
import java.util.List;

/** What a guest's driver does with a virtio-mmio device, as Linux' drivers/virtio/virtio_mmio.c does it. */
final class TestDriver implements AutoCloseable {
    static final long INDIRECT = 1L << 28;
    static final long EVENT_INDEX = 1L << 29;
    static final long VERSION_1 = 1L << 32;
    private static final int DEADLINE_MILLIS = Patience.host().millis(20_000);

    final TestRam ram;
    final VirtioMmio mmio;
    final VirtioDevice device;
    private final EventFd interrupt = new EventFd();
    private final Epoll epoll = new Epoll();
    private long negotiated;
    long interrupts;

    TestDriver(TestRam ram, VirtioDevice device) {
        this.ram = ram;
        this.device = device;
        this.mmio = new VirtioMmio(ram.memory, device, interrupt);
        epoll.add(interrupt.fd(), Epoll.EPOLLIN, 0);
    }

    int get(int register) {
        return (int) mmio.read(register, 4);
    }

    void set(int register, int value) {
        mmio.write(register, 4, value & 0xffffffffL);
    }

    long offered() {
        set(0x14, 1);
        long high = get(0x10);
        set(0x14, 0);
        return (high << 32) | (get(0x10) & 0xffffffffL);
    }

    /** Resets, then negotiates these features and VERSION_1. */
    void begin(long features) {
        set(0x70, 0);
        assertThat(get(0x70)).isZero();
        set(0x70, 1);
        set(0x70, 3);
        negotiated = features | VERSION_1;
        set(0x24, 1);
        set(0x20, (int) (negotiated >>> 32));
        set(0x24, 0);
        set(0x20, (int) negotiated);
        set(0x70, 11);
        assertThat(get(0x70)).isEqualTo(11);
    }

    DriverQueue queue(int index, int size) {
        DriverQueue queue = new DriverQueue(ram, index, size, (negotiated & EVENT_INDEX) != 0);
        enable(index, size, queue.descriptors, queue.available, queue.used);
        assertThat(get(0x44)).isEqualTo(1);
        return queue;
    }

    void enable(int index, int size, long descriptors, long available, long used) {
        set(0x30, index);
        set(0x38, size);
        set(0x80, (int) descriptors);
        set(0x84, (int) (descriptors >>> 32));
        set(0x90, (int) available);
        set(0x94, (int) (available >>> 32));
        set(0xa0, (int) used);
        set(0xa4, (int) (used >>> 32));
        set(0x44, 1);
    }

    void ready() {
        set(0x70, 15);
        assertThat(get(0x70)).isEqualTo(15);
    }

    boolean isBroken() {
        return (get(0x70) & 64) != 0;
    }

    /** Shows the device what was added and notifies it if it wants that. */
    boolean kick(DriverQueue queue) {
        boolean wanted = queue.publish();
        if (wanted) {
            notifyQueue(queue.index);
        }
        return wanted;
    }

    void notifyQueue(int index) {
        set(0x50, index);
    }

    /** Waits for an interrupt and acknowledges it; returns its causes. */
    int awaitInterrupt() {
        assertThat(epoll.await(DEADLINE_MILLIS))
                .as("an interrupt of " + device.name())
                .isEqualTo(1);
        return acknowledge();
    }

    private int acknowledge() {
        interrupts += interrupt.drain();
        int causes = get(0x60);
        set(0x64, causes);
        return causes;
    }

    /** Takes an interrupt if there is one. */
    boolean hasInterrupt() {
        if (epoll.await(0) == 0) {
            return false;
        }
        acknowledge();
        return true;
    }

    /** Waits, by interrupts, until the device has given back {@code count} requests. */
    List<DriverQueue.Used> await(DriverQueue queue, int count) {
        List<DriverQueue.Used> all = new ArrayList<>();
        while (true) {
            for (DriverQueue.Used used = queue.take(); used != null; used = queue.take()) {
                all.add(used);
            }
            if (all.size() >= count) {
                return all;
            }
            if (!queue.enableInterrupt()) {
                awaitInterrupt();
                assertThat(isBroken()).as(mmio.trouble()).isFalse();
            }
        }
    }

    /** Waits until the device has broken. */
    void awaitBroken() {
        while (!isBroken()) {
            awaitInterrupt();
        }
    }

    /** Returns when the device has dealt with all notifications given so far. */
    void settle() {
        // A notification given before the first task is ready in its round; the second task runs in a later one.
        device.loop().runAndWait(() -> {});
        device.loop().runAndWait(() -> {});
    }

    @Override
    public void close() {
        device.close();
        epoll.close();
        interrupt.close();
    }
}
