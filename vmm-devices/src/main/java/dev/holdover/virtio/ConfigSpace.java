package dev.holdover.virtio;

/**
 * A device's configuration as its driver reads it, and how often it has changed (virtio 1.2, section 2.5.1). Both are
 * one immutable object, so that a driver that reads in several pieces sees every change in the generation.
 */
final class ConfigSpace {
    private final byte[] bytes;
    private final int generation;

    ConfigSpace(byte[] bytes) {
        this(bytes, 0);
    }

    private ConfigSpace(byte[] bytes, int generation) {
        this.bytes = bytes;
        this.generation = generation;
    }

    ConfigSpace changedTo(byte[] newBytes) {
        return new ConfigSpace(newBytes, generation + 1);
    }

    ConfigSpace atGeneration(int restored) {
        return new ConfigSpace(bytes, restored);
    }

    int generation() {
        return generation;
    }

    /** A little-endian value; all ones if any byte of it is beyond the end. */
    long read(long offset, int width) {
        if (offset > bytes.length - width) {
            return -1;
        }
        long value = 0;
        for (int i = width - 1; i >= 0; i--) {
            value = (value << 8) | (bytes[(int) offset + i] & 0xff);
        }
        return value;
    }
}
