package dev.holdover.pci;

import dev.holdover.platform.BusDevice;
import java.util.Arrays;
import java.util.BitSet;
import java.util.stream.LongStream;

/**
 * The MSI-X capability of a function, its vector table and its pending bits: PCI Local Bus 3.0, section 6.8.2.
 *
 * <p>The function routes accesses within {@link #covers} here; they may have any width. Any thread.
 */
public final class Msix {
    /** The capability's id. */
    public static final int CAPABILITY = 0x11;
    /** Bytes of the capability. */
    public static final int LENGTH = 12;

    public static final int MAX_VECTORS = 2048;
    /** Bytes of a vector in the table. */
    public static final int ENTRY_SIZE = 16;

    private static final int CONTROL = 2;
    private static final int TABLE = 4;
    private static final int PENDING = 8;
    private static final int CONTROL_ENABLE = 1 << 15;
    private static final int CONTROL_MASK_ALL = 1 << 14;

    private static final int ENTRY_DATA = 8;
    /** Vector control, and the one bit it has. */
    public static final int ENTRY_CONTROL = 12;

    public static final int ENTRY_MASKED = 1;

    /**
     * Where table and pending bits are.
     *
     * @param vectors 1 to {@value #MAX_VECTORS}
     * @param tableOffset within the BAR, a multiple of 8; likewise {@code pendingOffset}
     */
    public record Place(int vectors, int tableBar, long tableOffset, int pendingBar, long pendingOffset) {
        public Place {
            if (vectors < 1
                    || vectors > MAX_VECTORS
                    || tableBar < 0
                    || tableBar >= PciBar.COUNT
                    || pendingBar < 0
                    || pendingBar >= PciBar.COUNT
                    || ((tableOffset | pendingOffset) & 0xffffffff00000007L) != 0) {
                throw new IllegalArgumentException("MSI-X of " + vectors + " vectors in BAR " + tableBar + " at "
                        + tableOffset + ", BAR " + pendingBar + " at " + pendingOffset);
            }
        }

        long tableSize() {
            return (long) ENTRY_SIZE * vectors;
        }

        long pendingSize() {
            return MsixState.pendingSize(vectors);
        }
    }

    private final PciConfig config;
    private final int capability;
    private final Place place;
    private final MsiListener listener;
    private final byte[] table;
    private final BitSet pending;
    /** The vectors that the listener takes for usable, and with what message. */
    private final BitSet usable;

    private final long[] addresses;
    private final int[] data;
    private boolean enabled;

    /**
     * Fills the capability that {@code config} has at offset {@code capability}, and watches it.
     *
     * @param listener is told nothing before the guest writes or a state is restored
     */
    public Msix(PciConfig config, int capability, Place place, MsiListener listener) {
        this.config = config;
        this.capability = capability;
        this.place = place;
        this.listener = listener;
        this.table = new byte[ENTRY_SIZE * place.vectors()];
        this.pending = new BitSet(place.vectors());
        this.usable = new BitSet(place.vectors());
        this.addresses = new long[place.vectors()];
        this.data = new int[place.vectors()];
        clearTable();
        config.set(capability + CONTROL, 2, place.vectors() - 1);
        config.set(capability + TABLE, 4, (int) place.tableOffset() | place.tableBar());
        config.set(capability + PENDING, 4, (int) place.pendingOffset() | place.pendingBar());
        config.allowWrites(capability + CONTROL, 2, CONTROL_ENABLE | CONTROL_MASK_ALL);
        config.watch(capability + CONTROL, 2, this::controlWritten);
    }

    private void clearTable() {
        Arrays.fill(table, (byte) 0);
        for (int vector = 0; vector < place.vectors(); vector++) {
            table[ENTRY_SIZE * vector + ENTRY_CONTROL] = ENTRY_MASKED;
        }
    }

    public Place place() {
        return place;
    }

    /** Whether the guest has switched it on: INTx is silent then. */
    public synchronized boolean isEnabled() {
        return enabled;
    }

    /** Whether the byte at {@code offset} of a BAR is one of the table's or of the pending bits. */
    public boolean covers(int bar, long offset) {
        return inTable(bar, offset) || inPending(bar, offset);
    }

    /** The pages of a BAR in which table or pending bits are, by their offsets, ascending: a guest must not reach them itself. */
    public long[] pages(int bar, long pageSize) {
        LongStream table =
                bar == place.tableBar() ? pages(place.tableOffset(), place.tableSize(), pageSize) : LongStream.empty();
        LongStream bits = bar == place.pendingBar()
                ? pages(place.pendingOffset(), place.pendingSize(), pageSize)
                : LongStream.empty();
        return LongStream.concat(table, bits).sorted().distinct().toArray();
    }

    private static LongStream pages(long offset, long size, long pageSize) {
        long first = offset / pageSize;
        long last = (offset + size - 1) / pageSize;
        return LongStream.rangeClosed(first, last).map(page -> page * pageSize);
    }

    private boolean inTable(int bar, long offset) {
        return bar == place.tableBar()
                && offset >= place.tableOffset()
                && offset < place.tableOffset() + place.tableSize();
    }

    private boolean inPending(int bar, long offset) {
        return bar == place.pendingBar()
                && offset >= place.pendingOffset()
                && offset < place.pendingOffset() + place.pendingSize();
    }

    /** The guest reads what {@link #covers} said is here; as {@link BusDevice#read}. Bytes beyond are all ones. */
    public synchronized long read(int bar, long offset, int width) {
        long value = 0;
        for (int i = 0; i < width; i++) {
            long at = offset + i;
            int b = 0xff;
            if (inTable(bar, at)) {
                b = table[(int) (at - place.tableOffset())] & 0xff;
            } else if (inPending(bar, at)) {
                b = pendingByte((int) (at - place.pendingOffset()));
            }
            value |= (long) b << (8 * i);
        }
        return value;
    }

    private int pendingByte(int index) {
        int bits = 0;
        for (int i = 0; i < 8; i++) {
            int vector = 8 * index + i;
            if (vector < place.vectors()
                    && (pending.get(vector) || (enabled && !usable.get(vector) && listener.isPending(vector)))) {
                bits |= 1 << i;
            }
        }
        return bits;
    }

    /** The guest writes what {@link #covers} said is here; pending bits and bytes beyond stay as they are. */
    public synchronized void write(int bar, long offset, int width, long value) {
        int first = place.vectors();
        int last = -1;
        for (int i = 0; i < width; i++) {
            if (!inTable(bar, offset + i)) {
                continue;
            }
            int at = (int) (offset + i - place.tableOffset());
            int register = at % ENTRY_SIZE;
            int mask = register < ENTRY_CONTROL ? 0xff : register == ENTRY_CONTROL ? ENTRY_MASKED : 0;
            table[at] = (byte) ((int) (value >>> (8 * i)) & mask);
            first = Math.min(first, at / ENTRY_SIZE);
            last = at / ENTRY_SIZE;
        }
        boolean changed = false;
        for (int vector = first; vector <= last; vector++) {
            changed |= update(vector);
        }
        if (changed) {
            listener.settled();
        }
    }

    private synchronized void controlWritten() {
        boolean on = (control() & CONTROL_ENABLE) != 0;
        boolean changed = on != enabled;
        if (on && !enabled) {
            enabled = true;
            listener.enabled(true);
        }
        boolean off = !on && enabled;
        enabled = on;
        for (int vector = 0; vector < place.vectors(); vector++) {
            changed |= update(vector);
        }
        if (off) {
            pending.clear();
            listener.enabled(false);
        }
        if (changed) {
            listener.settled();
        }
    }

    private int control() {
        return config.get(capability + CONTROL, 2);
    }

    /** Tells the listener what has become of a vector; whether there was something to tell. */
    private boolean update(int vector) {
        boolean now = enabled
                && (control() & CONTROL_MASK_ALL) == 0
                && (table[ENTRY_SIZE * vector + ENTRY_CONTROL] & ENTRY_MASKED) == 0;
        if (!now) {
            if (usable.get(vector)) {
                usable.clear(vector);
                listener.masked(vector);
                return true;
            }
            return false;
        }
        long address = word(vector, 0) | (word(vector, 4) << 32);
        int message = (int) word(vector, ENTRY_DATA);
        boolean changed = !usable.get(vector) || addresses[vector] != address || data[vector] != message;
        if (changed) {
            usable.set(vector);
            addresses[vector] = address;
            data[vector] = message;
            listener.unmasked(vector, address, message);
        }
        if (pending.get(vector)) {
            pending.clear(vector);
            listener.deliver(vector, address, message);
        }
        return changed;
    }

    private long word(int vector, int offset) {
        long value = 0;
        for (int i = 0; i < 4; i++) {
            value |= (table[ENTRY_SIZE * vector + offset + i] & 0xffL) << (8 * i);
        }
        return value;
    }

    /** The function has something to say: the vector is delivered now, or stays pending while it is masked. */
    public synchronized void raise(int vector) {
        if (!enabled || vector < 0 || vector >= place.vectors()) {
            return;
        }
        if (usable.get(vector)) {
            listener.deliver(vector, addresses[vector], data[vector]);
        } else {
            pending.set(vector);
        }
    }

    /** After the configuration space was reset: the table is as after power-on. */
    public synchronized void reset() {
        clearTable();
        pending.clear();
        controlWritten();
    }

    /** Table and pending bits; the rest is in the configuration space. What only the listener sees pending is in it, too. */
    public synchronized MsixState state() {
        byte[] bits = new byte[MsixState.pendingSize(place.vectors())];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = (byte) pendingByte(i);
        }
        return new MsixState(table, bits);
    }

    /** Why these are another function's vectors, for people; null if they can be this one's. */
    public String mismatch(MsixState state) {
        return state.vectors() == place.vectors()
                ? null
                : "it has " + state.vectors() + " MSI-X vectors, this one " + place.vectors();
    }

    /**
     * Takes over a saved table without {@link #mismatch}, when the configuration space has what was saved with it. The
     * listener is told of every vector that is usable.
     */
    public synchronized void restore(MsixState state) {
        System.arraycopy(state.table(), 0, table, 0, table.length);
        byte[] bits = state.pending();
        for (int vector = 0; vector < place.vectors(); vector++) {
            int control = ENTRY_SIZE * vector + ENTRY_CONTROL;
            table[control] &= ENTRY_MASKED;
            Arrays.fill(table, control + 1, control + 4, (byte) 0);
            pending.set(vector, ((bits[vector / 8] >> (vector % 8)) & 1) != 0);
        }
        controlWritten();
    }
}
