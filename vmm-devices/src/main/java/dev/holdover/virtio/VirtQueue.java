package dev.holdover.virtio;

import dev.holdover.memory.GuestAddressException;
import dev.holdover.memory.GuestMemory;
import java.lang.invoke.VarHandle;

/**
 * A split virtqueue: virtio 1.2, section 2.7, with indirect descriptors (2.7.5.3) and event indices (2.7.10).
 *
 * <pre>
 * descriptor, 16 bytes: address@0 (8), length@8 (4), flags@12 (2), next@14 (2)
 * driver's ring:        flags@0 (2), idx@2 (2), head[size]@4 (2 each), used_event (2)
 * device's ring:        flags@0 (2), idx@2 (2), {head (4), length (4)}[size]@4, avail_event (2)
 * </pre>
 *
 * <p>The transport sets it up while the device is stopped; from then on it is the device's thread's. Every index and
 * address is read once and checked before use, since the driver may change them at any time. What is wrong throws
 * {@link MalformedRequestException}.
 */
public final class VirtQueue {
    public static final int MAX_SIZE = 256;

    private static final int DESC_NEXT = 1;
    private static final int DESC_WRITE = 2;
    private static final int DESC_INDIRECT = 4;
    private static final int DESC_SIZE = 16;
    private static final int AVAIL_NO_INTERRUPT = 1;
    private static final short USED_NO_NOTIFY = 1;
    /** A chain's buffers hold at most 2^32 - 1 bytes: the device's ring has 32 bits for what was written. */
    private static final long MAX_CHAIN_BYTES = 0xffffffffL;

    private final GuestMemory memory;
    private final int index;
    private final DescriptorChain chain;
    private int size;
    private boolean ready;
    private long descriptors;
    private long available;
    private long used;

    private boolean indirect;
    private boolean eventIndex;
    private int nextAvailable;
    private int nextUsed;
    /** The driver's index as last read, so that its cache line is not fetched for every request. */
    private int availableSeen;
    /** {@link #nextUsed} when the driver's wish for an interrupt was last asked for. */
    private int usedAsked;

    /** @param index which of its device's queues it is */
    VirtQueue(GuestMemory memory, int index) {
        this.memory = memory;
        this.index = index;
        this.chain = new DescriptorChain(memory);
        reset();
    }

    void reset() {
        size = MAX_SIZE;
        ready = false;
        descriptors = 0;
        available = 0;
        used = 0;
        nextAvailable = 0;
        nextUsed = 0;
    }

    VirtQueueState state() {
        return new VirtQueueState(size, ready, descriptors, available, used, nextAvailable, nextUsed);
    }

    /** Takes over a state; MalformedRequestException if it is none that {@link #state} can give for this RAM. */
    void restore(VirtQueueState state) {
        reset();
        size = state.size();
        descriptors = state.descriptors();
        available = state.available();
        used = state.used();
        if (state.ready()) {
            enable();
        }
        nextAvailable = state.nextAvailable();
        nextUsed = state.nextUsed();
        if ((nextAvailable | nextUsed) >>> 16 != 0 || distance(nextUsed, nextAvailable) > size) {
            throw new MalformedRequestException("ring indices " + nextAvailable + " and " + nextUsed);
        }
    }

    GuestMemory memory() {
        return memory;
    }

    int index() {
        return index;
    }

    int size() {
        return size;
    }

    void setSize(int entries) {
        size = entries;
    }

    boolean isReady() {
        return ready;
    }

    /** The guest address of the descriptor table; set while not ready, as those of the rings. */
    long descriptors() {
        return descriptors;
    }

    void setDescriptors(long gpa) {
        descriptors = gpa;
    }

    long available() {
        return available;
    }

    void setAvailable(long gpa) {
        available = gpa;
    }

    long used() {
        return used;
    }

    void setUsed(long gpa) {
        used = gpa;
    }

    /** The driver enables the queue: its size and the places of its three parts are checked. */
    void enable() {
        if (size < 1 || size > MAX_SIZE || Integer.bitCount(size) != 1) {
            throw new MalformedRequestException("queue of " + size + " entries");
        }
        requireRam("descriptor table", descriptors, (long) DESC_SIZE * size, 16);
        requireRam("driver ring", available, 6 + 2L * size, 2);
        requireRam("device ring", used, 6 + 8L * size, 4);
        nextAvailable = 0;
        nextUsed = 0;
        ready = true;
    }

    private void requireRam(String what, long gpa, long length, int alignment) {
        if ((gpa & (alignment - 1)) != 0 || !memory.contains(gpa, length)) {
            throw new MalformedRequestException(what + " at 0x" + Long.toHexString(gpa));
        }
    }

    /** The driver disables the queue; while the device is halted. */
    void disable() {
        ready = false;
    }

    /** The device starts on it, with what was negotiated. */
    void start(boolean withIndirect, boolean withEventIndex) {
        indirect = withIndirect;
        eventIndex = withEventIndex;
        availableSeen = nextAvailable;
        usedAsked = nextUsed;
    }

    /**
     * Takes the next request, or returns null as {@link #hasNext} returns false. The chain is the queue's only one: it is
     * good until the next call.
     */
    DescriptorChain next() {
        if (!hasNext()) {
            return null;
        }
        load(memory.getShort(available + 4 + 2L * (nextAvailable & (size - 1))) & 0xffff);
        nextAvailable = (nextAvailable + 1) & 0xffff;
        return chain;
    }

    /**
     * Whether a request waits. If none does, the driver is asked to notify about the next one; until then it need not
     * notify.
     */
    boolean hasNext() {
        return nextAvailable != availableSeen || findMore();
    }

    private boolean findMore() {
        availableSeen = driverIndex();
        if (availableSeen == nextAvailable) {
            askForNotification();
            // The driver publishes a request, then reads our wish; we publish our wish, then look for a request.
            VarHandle.fullFence();
            availableSeen = driverIndex();
            if (availableSeen == nextAvailable) {
                return false;
            }
        }
        if (!eventIndex) { // with event indices a stale one suffices
            memory.putShort(used, USED_NO_NOTIFY);
        }
        return true;
    }

    private int driverIndex() {
        int index = memory.getShortAcquire(available + 2) & 0xffff;
        if (distance(nextUsed, index) > size || distance(nextUsed, nextAvailable) > distance(nextUsed, index)) {
            throw new MalformedRequestException("driver ring index jumped from " + nextAvailable + " to " + index);
        }
        return index;
    }

    private void askForNotification() {
        if (eventIndex) {
            memory.putShort(used + 4 + 8L * size, (short) nextAvailable);
        } else {
            memory.putShort(used, (short) 0);
        }
    }

    private static int distance(int from, int to) {
        return (to - from) & 0xffff;
    }

    private void load(int head) {
        chain.begin(head);
        long table = descriptors;
        long entries = size;
        boolean inIndirect = false;
        int index = head;
        int buffers = 0;
        while (true) {
            if (index >= entries) {
                throw new MalformedRequestException("descriptor " + index + " of " + entries);
            }
            long at = table + (long) DESC_SIZE * index;
            long address = memory.getLong(at);
            long rest = memory.getLong(at + 8);
            long length = rest & 0xffffffffL;
            int flags = (int) (rest >>> 32) & 0xffff;
            if ((flags & DESC_INDIRECT) != 0) {
                if (!indirect || inIndirect || (flags & DESC_NEXT) != 0 || length == 0 || length % DESC_SIZE != 0) {
                    throw new MalformedRequestException("indirect descriptor of " + length + " bytes, flags " + flags);
                }
                requireRam("indirect descriptor table", address, length, 1);
                inIndirect = true;
                table = address;
                entries = length / DESC_SIZE;
                index = 0;
                continue;
            }
            // A loop is met here as well: it has no end.
            if (++buffers > (inIndirect ? MAX_SIZE : size)) {
                throw new MalformedRequestException("chain of more than " + (buffers - 1) + " descriptors");
            }
            append(address, length, (flags & DESC_WRITE) != 0);
            if ((flags & DESC_NEXT) == 0) {
                return;
            }
            index = (int) (rest >>> 48);
        }
    }

    private void append(long address, long length, boolean writable) {
        if (length == 0) {
            throw new MalformedRequestException("descriptor of 0 bytes");
        }
        if (!writable && chain.writable.count() > 0) {
            throw new MalformedRequestException("readable descriptor behind a writable one");
        }
        try {
            (writable ? chain.writable : chain.readable).add(address, length);
        } catch (GuestAddressException e) {
            throw new MalformedRequestException(e.getMessage());
        }
        if (chain.readable.byteSize() + chain.writable.byteSize() > MAX_CHAIN_BYTES) {
            throw new MalformedRequestException("chain of 4 GiB or more");
        }
    }

    /** Puts the last {@code n} requests taken back, unanswered; they will be the next again. */
    void putBack(int n) {
        nextAvailable = (nextAvailable - n) & 0xffff;
        availableSeen = nextAvailable;
    }

    /** Answers a request, the oldest unanswered; the driver sees it after {@link #publish}. */
    void push(int head, long written) {
        memory.putLong(used + 4 + 8L * (nextUsed & (size - 1)), (written << 32) | head);
        nextUsed = (nextUsed + 1) & 0xffff;
    }

    /** Shows the driver what was pushed. */
    void publish() {
        memory.putShortRelease(used + 2, (short) nextUsed);
    }

    /** Whether the driver wants an interrupt for what was published since the last call. */
    boolean wantsInterrupt() {
        int before = usedAsked;
        if (nextUsed == before) {
            return false;
        }
        usedAsked = nextUsed;
        // The index published must be visible before the driver's wish is read, or both sides may wait.
        VarHandle.fullFence();
        if (!eventIndex) {
            return (memory.getShort(available) & AVAIL_NO_INTERRUPT) == 0;
        }
        int event = memory.getShort(available + 4 + 2L * size) & 0xffff;
        return distance(event + 1, nextUsed) < distance(before, nextUsed);
    }
}
