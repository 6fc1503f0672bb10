package dev.holdover.virtio;

import dev.holdover.memory.GuestMemory;
import java.lang.invoke.VarHandle;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** The driver's side of a split virtqueue, as Linux' drivers/virtio/virtio_ring.c works it. */
final class DriverQueue {
    /** A buffer of a request. */
    record Buffer(long gpa, long length, boolean writable) {
        static Buffer in(long gpa, long length) {
            return new Buffer(gpa, length, true);
        }

        static Buffer out(long gpa, long length) {
            return new Buffer(gpa, length, false);
        }
    }

    /** What the device gave back. */
    record Used(int head, long written) {}

    private final TestRam ram;
    private final GuestMemory memory;
    private final boolean eventIndex;
    final int index;
    final int size;
    final long descriptors;
    final long available;
    final long used;
    private final Deque<Integer> free = new ArrayDeque<>();
    private final List<List<Integer>> chains = new ArrayList<>();
    private int added;
    private int published;
    private int lastUsed;

    DriverQueue(TestRam ram, int index, int size, boolean eventIndex) {
        this.ram = ram;
        this.memory = ram.memory;
        this.index = index;
        this.size = size;
        this.eventIndex = eventIndex;
        this.descriptors = ram.allocate(16L * size);
        this.available = ram.allocate(6 + 2L * size);
        this.used = ram.allocate(6 + 8L * size);
        memory.slice(descriptors, 16L * size).fill((byte) 0);
        memory.slice(available, 6 + 2L * size).fill((byte) 0);
        memory.slice(used, 6 + 8L * size).fill((byte) 0);
        for (int i = 0; i < size; i++) {
            free.add(i);
            chains.add(List.of());
        }
    }

    TestRam ram() {
        return ram;
    }

    void setDescriptor(long table, int i, long gpa, long length, int flags, int next) {
        memory.putLong(table + 16L * i, gpa);
        memory.putInt(table + 16L * i + 8, (int) length);
        memory.putShort(table + 16L * i + 12, (short) flags);
        memory.putShort(table + 16L * i + 14, (short) next);
    }

    /** Adds a request without showing it to the device; returns its head. */
    int add(Buffer... buffers) {
        List<Integer> chain = new ArrayList<>();
        for (int i = 0; i < buffers.length; i++) {
            chain.add(free.remove());
        }
        for (int i = 0; i < buffers.length; i++) {
            boolean last = i == buffers.length - 1;
            int flags = (last ? 0 : 1) | (buffers[i].writable() ? 2 : 0);
            setDescriptor(
                    descriptors,
                    chain.get(i),
                    buffers[i].gpa(),
                    buffers[i].length(),
                    flags,
                    last ? 0 : chain.get(i + 1));
        }
        return addChain(chain);
    }

    /** As {@link #add}, in an indirect table. */
    int addIndirect(Buffer... buffers) {
        long table = ram.allocate(16L * buffers.length);
        for (int i = 0; i < buffers.length; i++) {
            boolean last = i == buffers.length - 1;
            int flags = (last ? 0 : 1) | (buffers[i].writable() ? 2 : 0);
            setDescriptor(table, i, buffers[i].gpa(), buffers[i].length(), flags, last ? 0 : i + 1);
        }
        int head = free.remove();
        setDescriptor(descriptors, head, table, 16L * buffers.length, 4, 0);
        return addChain(List.of(head));
    }

    private int addChain(List<Integer> chain) {
        int head = chain.get(0);
        chains.set(head, chain);
        memory.putShort(available + 4 + 2L * (added & (size - 1)), (short) head);
        added = (added + 1) & 0xffff;
        return head;
    }

    /** Shows the device what was added; returns whether it wants to be notified. */
    boolean publish() {
        memory.putShortRelease(available + 2, (short) added);
        VarHandle.fullFence();
        int before = published;
        published = added;
        if (!eventIndex) {
            return (memory.getShort(used) & 1) == 0;
        }
        int event = memory.getShort(used + 4 + 8L * size) & 0xffff;
        return ((added - event - 1) & 0xffff) < ((added - before) & 0xffff);
    }

    int usedIndex() {
        return memory.getShortAcquire(used + 2) & 0xffff;
    }

    /** Takes what the device gave back, or null. */
    Used take() {
        if (usedIndex() == lastUsed) {
            return null;
        }
        long element = memory.getLong(used + 4 + 8L * (lastUsed & (size - 1)));
        lastUsed = (lastUsed + 1) & 0xffff;
        int head = (int) element;
        free.addAll(chains.set(head, List.of()));
        return new Used(head, element >>> 32);
    }

    /** Asks for an interrupt at the next used buffer; returns whether there is one already. */
    boolean enableInterrupt() {
        if (eventIndex) {
            setUsedEvent(lastUsed);
        } else {
            memory.putShort(available, (short) 0);
        }
        VarHandle.fullFence();
        return usedIndex() != lastUsed;
    }

    void setUsedEvent(int event) {
        memory.putShort(available + 4 + 2L * size, (short) event);
    }

    /** Without event indices. */
    void disableInterrupt() {
        memory.putShort(available, (short) 1);
    }

    int room() {
        return free.size();
    }

    int lastUsed() {
        return lastUsed;
    }
}
