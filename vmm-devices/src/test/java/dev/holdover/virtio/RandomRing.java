package dev.holdover.virtio;

import dev.holdover.memory.GuestMemory;
import java.util.Random;

/** What a hostile or confused driver may leave in a ring: mostly plausible, somewhere wrong. */
final class RandomRing {
    private RandomRing() {}

    /** Fills the descriptors, the driver's ring and a table for indirect use of 16 entries. */
    static void fill(Random random, DriverQueue queue, long table) {
        fillTable(random, queue, queue.descriptors, queue.size, table);
        fillTable(random, queue, table, 16, table);
        GuestMemory memory = memory(queue);
        for (int i = 0; i < queue.size; i++) {
            int head = random.nextInt(32) == 0 ? random.nextInt() : random.nextInt(queue.size);
            memory.putShort(queue.available + 4 + 2L * i, (short) head);
        }
        memory.putShort(queue.available, (short) random.nextInt(2));
        memory.putShort(queue.available + 4 + 2L * queue.size, (short) random.nextInt());
        advance(random, queue);
    }

    /** Moves the driver's index: forward within what is allowed, seldom anywhere. */
    static void advance(Random random, DriverQueue queue) {
        int index = random.nextInt(16) == 0 ? random.nextInt() : queue.usedIndex() + 1 + random.nextInt(queue.size);
        memory(queue).putShortRelease(queue.available + 2, (short) index);
    }

    private static GuestMemory memory(DriverQueue queue) {
        return queue.ram().memory;
    }

    private static void fillTable(Random random, DriverQueue queue, long at, int entries, long table) {
        for (int i = 0; i < entries; i++) {
            int kind = random.nextInt(24);
            int flags = random.nextInt(4);
            long gpa = address(random);
            long length = length(random);
            int next = random.nextInt(40) == 0 ? random.nextInt(65536) : random.nextInt(entries);
            if (kind == 0) {
                flags = random.nextInt(65536);
            } else if (kind < 4) {
                flags = 4 | (random.nextInt(16) == 0 ? 1 : 0);
                gpa = random.nextInt(16) == 0 ? gpa : table + 16L * random.nextInt(8);
                length = random.nextInt(16) == 0 ? length : 16L * (1 + random.nextInt(8));
            }
            queue.setDescriptor(at, i, gpa, length, flags, next);
        }
    }

    private static long address(Random random) {
        return switch (random.nextInt(40)) {
            case 0 -> random.nextLong();
            case 1 -> TestRam.END - random.nextInt(64);
            case 2 -> TestRam.BASE - random.nextInt(64);
            case 3 -> random.nextInt();
            default -> TestRam.BASE + TestRam.SIZE / 2 + random.nextInt((int) TestRam.SIZE / 4);
        };
    }

    private static long length(Random random) {
        return switch (random.nextInt(40)) {
            case 0 -> 0;
            case 1 -> random.nextInt() & 0xffffffffL;
            case 2 -> 0xffffffffL;
            case 3 -> random.nextInt((int) TestRam.SIZE);
            default -> 1 << random.nextInt(14);
        };
    }
}
