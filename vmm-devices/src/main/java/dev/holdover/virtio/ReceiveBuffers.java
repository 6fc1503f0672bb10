package dev.holdover.virtio;

import dev.holdover.linux.Fd;
import dev.holdover.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Receive buffers that the driver has given, gathered until the largest frame fits, so that a frame is read straight
 * into as many of them as it needs (VIRTIO_NET_F_MRG_RXBUF), or into one.
 */
final class ReceiveBuffers {
    /** The kernel takes that many iovecs in a call (IOV_MAX). */
    private static final int MAX_IOVECS = 1024;

    private final GuestMemory memory;
    private final boolean mergeable;
    private final GuestBuffers buffers;
    private final int[] heads = new int[VirtQueue.MAX_SIZE];
    private final long[] capacities = new long[VirtQueue.MAX_SIZE];
    private int chains;
    /** A byte behind the buffers: it tells a frame that fits exactly from one that was cut. */
    private final MemorySegment excess = Arena.ofAuto().allocate(1);

    ReceiveBuffers(GuestMemory memory, boolean mergeable) {
        this.memory = memory;
        this.mergeable = mergeable;
        this.buffers = new GuestBuffers(memory, MAX_IOVECS);
    }

    /** Takes buffers from the queue as long as there are any and more are of use; returns how many chains are held. */
    int gather(VirtQueue queue) {
        int limit = mergeable ? VirtQueue.MAX_SIZE : 1;
        while (chains < limit && buffers.byteSize() < VirtioNet.MAX_FRAME && buffers.room() > VirtQueue.MAX_SIZE) {
            DescriptorChain chain = queue.next();
            if (chain == null) {
                break;
            }
            if (chain.writable.byteSize() < VirtioNet.HEADER) {
                throw new MalformedRequestException("receive buffer of " + chain.writable.byteSize() + " bytes");
            }
            heads[chains] = chain.head();
            capacities[chains] = chain.writable.byteSize();
            chains++;
            buffers.addAll(chain.writable);
        }
        return chains;
    }

    /** Forgets what was gathered; returns how many chains to put back. */
    int release() {
        int held = chains;
        chains = 0;
        buffers.clear();
        return held;
    }

    /** Reads a frame; returns its bytes with the header, {@link #fits} or not, or {@code -errno}. */
    long read(Fd tap) {
        long capacity = buffers.byteSize();
        buffers.addOwn(excess);
        long n = tap.tryReadv(buffers.iovecs(), buffers.count());
        buffers.truncate(capacity);
        return n;
    }

    /** Whether a frame of which {@link #read} returned that is whole. */
    boolean fits(long n) {
        return n <= buffers.byteSize();
    }

    /** Gives the frame just read, of {@code n} bytes with the header, to the driver. */
    void deliver(long n, VirtQueue queue) {
        int used = 0;
        long covered = 0;
        while (covered < n) {
            long written = Math.min(capacities[used], n - covered);
            queue.push(heads[used], written);
            covered += capacities[used];
            used++;
        }
        // Little-endian, wherever the driver has cut its buffers.
        memory.putByte(buffers.gpa(VirtioNet.NUM_BUFFERS), (byte) used);
        memory.putByte(buffers.gpa(VirtioNet.NUM_BUFFERS + 1), (byte) (used >> 8));
        queue.publish();
        buffers.skip(covered);
        chains -= used;
        System.arraycopy(heads, used, heads, 0, chains);
        System.arraycopy(capacities, used, capacities, 0, chains);
    }
}
