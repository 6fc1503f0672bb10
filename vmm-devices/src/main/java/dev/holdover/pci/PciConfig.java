package dev.holdover.pci;

import java.util.ArrayList;
import java.util.List;

/**
 * The configuration space of a function: registers with a mask of what the guest may write, a header of type 0, base
 * address registers, and a list of capabilities. PCI Local Bus 3.0, section 6; PCI Express Base 4.0, section 7.5.
 *
 * <p>Built by one thread before the guest runs; then any thread. Guest writes come one at a time, under the bridge's
 * lock, and only they call the watchers.
 */
public final class PciConfig {
    /** Bytes that ports reach. */
    public static final int SIZE = 256;
    /** Bytes of a PCI Express function, all of which the memory-mapped window reaches. */
    public static final int EXTENDED_SIZE = 4096;

    public static final int VENDOR_ID = 0x00;
    public static final int COMMAND = 0x04;
    public static final int STATUS = 0x06;
    public static final int REVISION = 0x08;
    public static final int CACHE_LINE_SIZE = 0x0c;
    public static final int BAR_0 = 0x10;
    public static final int SUBSYSTEM = 0x2c;
    public static final int CAPABILITIES = 0x34;
    public static final int INTERRUPT_LINE = 0x3c;
    public static final int INTERRUPT_PIN = 0x3d;
    /** The header ends here. */
    public static final int HEADER_SIZE = 0x40;

    public static final int COMMAND_PORTS = 1;
    public static final int COMMAND_MEMORY = 1 << 1;
    public static final int COMMAND_MASTER = 1 << 2;
    public static final int COMMAND_INTX_DISABLE = 1 << 10;
    private static final int COMMAND_PARITY = 1 << 6;
    private static final int COMMAND_SERR = 1 << 8;
    private static final int COMMAND_BITS =
            COMMAND_PORTS | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_PARITY | COMMAND_SERR | COMMAND_INTX_DISABLE;

    public static final int STATUS_INTERRUPT = 1 << 3;
    private static final int STATUS_CAPABILITIES = 1 << 4;

    /** No address: the register is not there, or its decoding is off. */
    public static final long NOWHERE = -1;

    private record Watch(int offset, int length, Runnable written) {}

    private final byte[] registers;
    private final byte[] writable;
    /** Set by the hardware itself, so that a saved state may differ from a new function there. */
    private final byte[] changing;

    private final PciBar[] bars = new PciBar[PciBar.COUNT];
    private final List<Watch> watches = new ArrayList<>();
    private byte[] powerOn;
    private int lastCapability = CAPABILITIES - 1;
    private int capabilitiesEnd = HEADER_SIZE;

    /** A space with a header, no base address register, no capability. {@code size} is one of the two above. */
    public PciConfig(int size, PciId id) {
        if (size != SIZE && size != EXTENDED_SIZE) {
            throw new IllegalArgumentException("configuration space of " + size + " bytes");
        }
        registers = new byte[size];
        writable = new byte[size];
        changing = new byte[size];
        set(VENDOR_ID, 2, id.vendor());
        set(VENDOR_ID + 2, 2, id.device());
        set(REVISION, 4, (id.classCode() << 8) | id.revision());
        set(SUBSYSTEM, 2, id.subsystemVendor());
        set(SUBSYSTEM + 2, 2, id.subsystem());
        allowWrites(COMMAND, 2, COMMAND_BITS);
        allowWrites(CACHE_LINE_SIZE, 1, 0xff);
        allowWrites(INTERRUPT_LINE, 1, 0xff);
        mayChange(STATUS, 2, STATUS_INTERRUPT);
    }

    public int size() {
        return registers.length;
    }

    // Building it

    /** Adds a base address register; its address is 0 until the bridge or the guest gives it one. */
    public synchronized void addBar(PciBar bar) {
        int last = bar.kind() == PciBar.Kind.MEMORY_64 ? bar.index() + 1 : bar.index();
        for (int i = bar.index(); i <= last; i++) {
            if (bars[i] != null || (i > 0 && is64(i - 1))) {
                throw new IllegalArgumentException("BAR " + bar.index() + " is taken");
            }
        }
        bars[bar.index()] = bar;
        int register = BAR_0 + 4 * bar.index();
        set(register, 4, bar.typeBits());
        long mask = -bar.size();
        allowWrites(register, 4, (int) mask & (bar.kind() == PciBar.Kind.PORTS ? ~3 : ~0xf));
        if (last != bar.index()) {
            allowWrites(register + 4, 4, (int) (mask >>> 32));
        }
    }

    private boolean is64(int index) {
        return bars[index] != null && bars[index].kind() == PciBar.Kind.MEMORY_64;
    }

    /** What register {@code index} asks for; null if there is none, or it is the upper half of the one before. */
    public PciBar bar(int index) {
        return bars[index];
    }

    /**
     * Adds a capability behind those that are there, in the next free place.
     *
     * @param length bytes with its two of id and next pointer
     * @return its offset
     */
    public synchronized int addCapability(int id, int length) {
        int offset = capabilitiesEnd;
        addCapabilityAt(offset, id, length);
        return offset;
    }

    /** Likewise, where the function has it: a multiple of 4 behind the header. */
    public synchronized void addCapabilityAt(int offset, int id, int length) {
        if ((offset & 3) != 0 || offset < HEADER_SIZE || length < 2 || offset + length > SIZE) {
            throw new IllegalArgumentException("capability " + id + " of " + length + " bytes at " + offset);
        }
        set(lastCapability + 1, 1, offset);
        set(STATUS, 2, get(STATUS, 2) | STATUS_CAPABILITIES);
        set(offset, 1, id);
        lastCapability = offset;
        capabilitiesEnd = Math.max(capabilitiesEnd, (offset + length + 3) & ~3);
    }

    /** Lets the guest write the bits of {@code mask} of the register at {@code offset}, of 1, 2 or 4 bytes. */
    public synchronized void allowWrites(int offset, int width, int mask) {
        for (int i = 0; i < width; i++) {
            writable[offset + i] = (byte) (mask >>> (8 * i));
        }
    }

    /** Bits which the function itself changes. */
    public synchronized void mayChange(int offset, int width, int mask) {
        for (int i = 0; i < width; i++) {
            changing[offset + i] = (byte) (mask >>> (8 * i));
        }
    }

    /** Has {@code written} run after each guest write that meets one of these bytes, on the thread that wrote. */
    public void watch(int offset, int length, Runnable written) {
        watches.add(new Watch(offset, length, written));
    }

    // The function's own access

    /** Reads 1, 2 or 4 bytes of the space; the upper bits are 0. */
    public synchronized int get(int offset, int width) {
        int value = 0;
        for (int i = 0; i < width; i++) {
            value |= (registers[offset + i] & 0xff) << (8 * i);
        }
        return value;
    }

    /** Sets 1, 2 or 4 bytes, whatever the guest may write. */
    public synchronized void set(int offset, int width, int value) {
        for (int i = 0; i < width; i++) {
            registers[offset + i] = (byte) (value >>> (8 * i));
        }
    }

    // The guest's access

    /** The guest reads {@code width} (1 to 4) bytes; those beyond the space are all ones. */
    public synchronized int read(int offset, int width) {
        int value = 0;
        for (int i = 0; i < width; i++) {
            int at = offset + i;
            value |= (at >= 0 && at < registers.length ? registers[at] & 0xff : 0xff) << (8 * i);
        }
        return value;
    }

    /** The guest writes {@code width} (1 to 4) bytes; bits that it may not write stay. */
    public void write(int offset, int width, int value) {
        if (offset < 0 || offset > registers.length - width) {
            return;
        }
        synchronized (this) {
            for (int i = 0; i < width; i++) {
                int at = offset + i;
                int mask = writable[at];
                registers[at] = (byte) ((registers[at] & ~mask) | ((value >>> (8 * i)) & mask));
            }
        }
        for (int i = 0; i < watches.size(); i++) {
            Watch watch = watches.get(i);
            if (offset < watch.offset() + watch.length() && watch.offset() < offset + width) {
                watch.written().run();
            }
        }
    }

    // Addresses

    /** Where the guest, or whoever plays its firmware, has put BAR {@code index}; {@link #NOWHERE} if it is not decoded. */
    synchronized long decodedAddress(int index) {
        PciBar bar = bars[index];
        if (bar == null) {
            return NOWHERE;
        }
        boolean ports = bar.kind() == PciBar.Kind.PORTS;
        int enable = ports ? COMMAND_PORTS : COMMAND_MEMORY;
        return (get(COMMAND, 2) & enable) != 0 ? address(bar) : NOWHERE;
    }

    private long address(PciBar bar) {
        int register = BAR_0 + 4 * bar.index();
        long low = Integer.toUnsignedLong(get(register, 4));
        return switch (bar.kind()) {
            case PORTS -> low & ~3L;
            case MEMORY_32 -> low & ~0xfL;
            case MEMORY_64 -> (low & ~0xfL) | ((long) get(register + 4, 4) << 32);
        };
    }

    /** Gives a BAR its address, which is a multiple of its size. */
    synchronized void setAddress(PciBar bar, long address) {
        int register = BAR_0 + 4 * bar.index();
        set(register, 4, (int) address | bar.typeBits());
        if (bar.kind() == PciBar.Kind.MEMORY_64) {
            set(register + 4, 4, (int) (address >>> 32));
        }
    }

    // Its life

    /** What it is now is what it is after a reset. */
    synchronized void built() {
        powerOn = registers.clone();
    }

    /** As after power-on; the watchers run. The capabilities of a function are in their reset state then. */
    void reset() {
        synchronized (this) {
            System.arraycopy(powerOn, 0, registers, 0, registers.length);
        }
        changed();
    }

    private void changed() {
        for (int i = 0; i < watches.size(); i++) {
            watches.get(i).written().run();
        }
    }

    /** All registers. */
    public synchronized PciConfigState state() {
        return new PciConfigState(registers);
    }

    /** Why these are another function's registers, for people; null if they can be this one's. */
    public synchronized String mismatch(PciConfigState state) {
        byte[] saved = state.registers();
        if (saved.length != registers.length) {
            return "it has " + saved.length + " bytes of configuration space, this one " + registers.length;
        }
        for (int i = 0; i < saved.length; i++) {
            int fixed = ~(writable[i] | changing[i]) & 0xff;
            if (((saved[i] ^ registers[i]) & fixed) != 0) {
                return "its configuration space has 0x" + Integer.toHexString(saved[i] & 0xff) + " at offset 0x"
                        + Integer.toHexString(i) + ", this one 0x" + Integer.toHexString(registers[i] & 0xff);
            }
        }
        return null;
    }

    /** Takes over what the guest wrote and the function itself set, of a state without {@link #mismatch}; the watchers run. */
    void restore(PciConfigState state) {
        synchronized (this) {
            System.arraycopy(state.registers(), 0, registers, 0, registers.length);
        }
        changed();
    }
}
