package dev.holdover.pci;

import java.util.BitSet;

/**
 * The MSI capability of a function, with addresses of 64 bits: PCI Local Bus 3.0, section 6.8.1. All of it is in the
 * configuration space, so it has no state of its own. Any thread.
 */
public final class Msi {
    /** The capability's id. */
    public static final int CAPABILITY = 0x05;

    public static final int MAX_VECTORS = 32;

    private static final int CONTROL = 2;
    private static final int ADDRESS = 4;
    private static final int DATA = 12;
    private static final int MASK = 16;
    private static final int PENDING = 20;

    private static final int CONTROL_ENABLE = 1;
    private static final int CONTROL_CAPABLE_SHIFT = 1;
    private static final int CONTROL_GRANTED_SHIFT = 4;
    private static final int CONTROL_GRANTED = 7 << CONTROL_GRANTED_SHIFT;
    private static final int CONTROL_64_BITS = 1 << 7;
    private static final int CONTROL_MASKS = 1 << 8;

    private final PciConfig config;
    private final int capability;
    private final int vectors;
    private final boolean masks;
    private final MsiListener listener;
    private final BitSet usable = new BitSet(MAX_VECTORS);
    private boolean enabled;
    private long toldAddress;
    private int toldData;
    private int toldCount;

    /** Bytes of the capability. */
    public static int length(boolean masks) {
        return masks ? 24 : 14;
    }

    /**
     * Fills the capability that {@code config} has at offset {@code capability}, and watches it.
     *
     * @param vectors a power of two, 1 to {@value #MAX_VECTORS}
     * @param masks whether each vector can be masked
     */
    public Msi(PciConfig config, int capability, int vectors, boolean masks, MsiListener listener) {
        if (vectors < 1 || vectors > MAX_VECTORS || Integer.bitCount(vectors) != 1) {
            throw new IllegalArgumentException("MSI of " + vectors + " vectors");
        }
        this.config = config;
        this.capability = capability;
        this.vectors = vectors;
        this.masks = masks;
        this.listener = listener;
        int capable = Integer.numberOfTrailingZeros(vectors) << CONTROL_CAPABLE_SHIFT;
        config.set(capability + CONTROL, 2, capable | CONTROL_64_BITS | (masks ? CONTROL_MASKS : 0));
        config.allowWrites(capability + CONTROL, 2, CONTROL_ENABLE | CONTROL_GRANTED);
        config.allowWrites(capability + ADDRESS, 4, ~3);
        config.allowWrites(capability + ADDRESS + 4, 4, -1);
        config.allowWrites(capability + DATA, 2, -1);
        if (masks) {
            config.allowWrites(capability + MASK, 4, all());
            config.mayChange(capability + PENDING, 4, all());
        }
        config.watch(capability + CONTROL, length(masks) - CONTROL, this::written);
    }

    private int all() {
        return (int) ((1L << vectors) - 1);
    }

    /** Whether the guest has switched it on: INTx is silent then. */
    public synchronized boolean isEnabled() {
        return enabled;
    }

    private synchronized void written() {
        int control = config.get(capability + CONTROL, 2);
        boolean on = (control & CONTROL_ENABLE) != 0;
        long address = Integer.toUnsignedLong(config.get(capability + ADDRESS, 4))
                | ((long) config.get(capability + ADDRESS + 4, 4) << 32);
        int data = config.get(capability + DATA, 2);
        int granted = (control & CONTROL_GRANTED) >> CONTROL_GRANTED_SHIFT;
        int count = on ? Math.min(1 << granted, vectors) : 0;
        int masked = masks ? config.get(capability + MASK, 4) : 0;

        boolean changed = on != enabled;
        boolean moved = address != toldAddress || data != toldData || count != toldCount;
        toldAddress = address;
        toldData = data;
        toldCount = count;
        if (on && !enabled) {
            enabled = true;
            listener.enabled(true);
        }
        boolean off = !on && enabled;
        enabled = on;
        for (int vector = 0; vector < vectors; vector++) {
            boolean now = vector < count && ((masked >> vector) & 1) == 0;
            if (now && (moved || !usable.get(vector))) {
                usable.set(vector);
                listener.unmasked(vector, address, message(vector));
                changed = true;
            } else if (!now && usable.get(vector)) {
                usable.clear(vector);
                listener.masked(vector);
                changed = true;
            }
            if (now && isPending(vector)) {
                setPending(vector, false);
                listener.deliver(vector, address, message(vector));
            }
        }
        if (off) {
            if (masks) {
                config.set(capability + PENDING, 4, 0);
            }
            listener.enabled(false);
        }
        if (changed) {
            listener.settled();
        }
    }

    /** The low bits of the data are the vector's number, as far as the guest granted them. */
    private int message(int vector) {
        return (toldData & -toldCount) | vector;
    }

    private boolean isPending(int vector) {
        return masks && ((config.get(capability + PENDING, 4) >> vector) & 1) != 0;
    }

    private void setPending(int vector, boolean pending) {
        int bits = config.get(capability + PENDING, 4);
        config.set(capability + PENDING, 4, pending ? bits | (1 << vector) : bits & ~(1 << vector));
    }

    /** The function has something to say: the vector is delivered now, or stays pending while it is masked. */
    public synchronized void raise(int vector) {
        if (!enabled || vector < 0 || vector >= toldCount) {
            return;
        }
        if (usable.get(vector)) {
            listener.deliver(vector, toldAddress, message(vector));
        } else {
            setPending(vector, true);
        }
    }
}
