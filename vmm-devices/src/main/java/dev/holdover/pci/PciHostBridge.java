package dev.holdover.pci;

import dev.holdover.platform.Bus;
import dev.holdover.platform.BusDevice;
import dev.holdover.platform.InterruptLine;
import dev.holdover.platform.PciWindows;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The host bridge of bus 0, itself device 0 on it, with {@value #SLOTS} slots. Configuration space is reached by the ports
 * of mechanism #1 (PCI Local Bus 3.0, section 3.2.2.3.2) and by memory (PCI Express Base 4.0, section 7.2.2).
 *
 * <p>The bridge plays the firmware, too: BARs have addresses after power-on, and are not decoded until the guest switches
 * that on. Where each is decoded then, and that nothing is in the way, is decided here; the buses are changed under the
 * vCPUs that run. One BAR over another loses until the other is gone.
 *
 * <p>Slots are filled before the guest runs; all else from any thread.
 */
public final class PciHostBridge {
    /** Slots 1 to this; 0 is the bridge. */
    public static final int SLOTS = 31;

    /** Bytes of memory by which bus 0 is configured. */
    public static final long ECAM_SIZE = 1 << 20;
    /** CONFIG_ADDRESS and CONFIG_DATA. */
    public static final int PORT = 0xcf8;

    public static final int PORTS = 8;

    /** A bridge like many, of a vendor who gave it away for such. */
    private static final PciId ID = new PciId(0x1b36, 0x0008, 0x060000, 0, 0x1af4, 0x1100);

    private static final int ADDRESS_ENABLE = 1 << 31;
    /** Bus, device, function, dword; the bits between are reserved. */
    private static final int ADDRESS_BITS = ADDRESS_ENABLE | 0xfffffc;

    private static final int FUNCTION_SIZE = 1 << 12;

    private final Bus ports;
    private final Bus mmio;
    private final PciWindows windows;
    private final List<IntxPin> pins = new ArrayList<>();
    private final PciConfig config = new PciConfig(PciConfig.SIZE, ID);
    private final Slot[] slots = new Slot[1 + SLOTS];
    private int address;

    /** A function and where its BARs are decoded. */
    private static final class Slot {
        private final PciFunction function;
        private final BusDevice[] devices = new BusDevice[PciBar.COUNT];
        private final long[] placed = new long[PciBar.COUNT];

        Slot(PciFunction function) {
            this.function = function;
            for (int i = 0; i < PciBar.COUNT; i++) {
                devices[i] = function.config().bar(i) == null ? null : new Decoded(function, i);
                placed[i] = PciConfig.NOWHERE;
            }
        }
    }

    /** A BAR on the bus. */
    private record Decoded(PciFunction function, int bar) implements BusDevice {
        @Override
        public long read(long offset, int width) {
            return function.readBar(bar, offset, width);
        }

        @Override
        public void write(long offset, int width, long value) {
            function.writeBar(bar, offset, width, value);
        }
    }

    /**
     * An empty bus.
     *
     * @param ecam GPA of the {@value #ECAM_SIZE} bytes that configure it
     */
    public PciHostBridge(Bus ports, Bus mmio, PciWindows windows, long ecam) {
        this.ports = ports;
        this.mmio = mmio;
        this.windows = windows;
        config.built();
        ports.add(PORT, PORTS, new Mechanism1());
        mmio.add(ecam, ECAM_SIZE, new Ecam());
    }

    public PciWindows windows() {
        return windows;
    }

    // Building it

    /** Adds an input of the interrupt controllers for the slots' INTx: all before the first function that uses one. */
    public void addPin(int gsi, InterruptLine line) {
        pins.add(new IntxPin(gsi, line));
    }

    /** The GSI of a slot's INTx, which other slots may share; -1 if the machine has no pin for it. */
    public int intxGsi(int slot) {
        return pins.isEmpty() ? -1 : pin(slot).gsi();
    }

    private IntxPin pin(int slot) {
        return pins.get((slot - 1) % pins.size());
    }

    /** The line by which a function in that slot raises {@link #intxGsi}; null if there is none. */
    public InterruptLine intxLine(int slot) {
        return pins.isEmpty() ? null : pin(slot).of(slot);
    }

    /** The slot that the next function gets; more than {@link #SLOTS} if the bus is full. */
    public int nextSlot() {
        int slot = 1;
        while (slot <= SLOTS && slots[slot] != null) {
            slot++;
        }
        return slot;
    }

    /** Puts a function, which is complete, into {@link #nextSlot}. */
    public synchronized void plug(PciFunction function) {
        int slot = nextSlot();
        if (slot > SLOTS) {
            throw new IllegalStateException("no slot is left for " + function.name());
        }
        function.config().built();
        slots[slot] = new Slot(function);
    }

    /** The function in a slot, null if there is none. */
    public PciFunction function(int slot) {
        return slots[slot] == null ? null : slots[slot].function;
    }

    // Addresses of BARs

    /** Gives each BAR an address, the largest first, as firmware does. One that finds no room has address 0. */
    public synchronized void assignAddresses() {
        List<Wish> wishes = new ArrayList<>();
        for (Slot slot : slots) {
            for (int i = 0; slot != null && i < PciBar.COUNT; i++) {
                PciBar bar = slot.function.config().bar(i);
                if (bar != null) {
                    wishes.add(new Wish(slot.function.config(), bar));
                }
            }
        }
        wishes.sort(Comparator.comparingLong(Wish::size).reversed());
        long nextPort = windows.ports().base();
        long nextLow = windows.low().base();
        long nextHigh = windows.high().base();
        for (Wish wish : wishes) {
            PciBar bar = wish.bar();
            if (bar.kind() == PciBar.Kind.PORTS) {
                nextPort = assign(wish, windows.ports(), nextPort);
                continue;
            }
            boolean big = bar.kind() == PciBar.Kind.MEMORY_64;
            boolean high = big && bar.prefetchable() && windows.high().contains(up(nextHigh, bar), bar.size());
            if (high || (big && !windows.low().contains(up(nextLow, bar), bar.size()))) {
                nextHigh = assign(wish, windows.high(), nextHigh);
            } else {
                nextLow = assign(wish, windows.low(), nextLow);
            }
        }
        place();
    }

    private record Wish(PciConfig config, PciBar bar) {
        long size() {
            return bar.size();
        }
    }

    private static long up(long address, PciBar bar) {
        return (address + bar.size() - 1) & -bar.size();
    }

    private static long assign(Wish wish, PciWindows.Window window, long next) {
        long at = up(next, wish.bar());
        boolean fits = window.contains(at, wish.size());
        wish.config().setAddress(wish.bar(), fits ? at : 0);
        return fits ? at + wish.size() : next;
    }

    /** Makes what is decoded what the functions' registers say. */
    private void place() {
        for (Slot slot : slots) {
            for (int i = 0; slot != null && i < PciBar.COUNT; i++) {
                if (slot.placed[i] != PciConfig.NOWHERE && slot.placed[i] != wanted(slot, i)) {
                    remove(slot, i);
                }
            }
        }
        for (Slot slot : slots) {
            for (int i = 0; slot != null && i < PciBar.COUNT; i++) {
                long wanted = wanted(slot, i);
                if (slot.placed[i] == wanted) {
                    continue;
                }
                PciBar bar = slot.function.config().bar(i);
                if (busOf(bar).tryAdd(wanted, bar.size(), slot.devices[i])) {
                    slot.placed[i] = wanted;
                    slot.function.placed(i, wanted);
                }
            }
        }
    }

    private long wanted(Slot slot, int index) {
        PciConfig registers = slot.function.config();
        long at = registers.decodedAddress(index);
        return at != PciConfig.NOWHERE && isInWindow(registers.bar(index), at) ? at : PciConfig.NOWHERE;
    }

    private boolean isInWindow(PciBar bar, long address) {
        return bar.kind() == PciBar.Kind.PORTS
                ? windows.ports().contains(address, bar.size())
                : windows.low().contains(address, bar.size()) || windows.high().contains(address, bar.size());
    }

    private void remove(Slot slot, int index) {
        long at = slot.placed[index];
        slot.placed[index] = PciConfig.NOWHERE;
        slot.function.removed(index, at);
        busOf(slot.function.config().bar(index)).remove(at);
    }

    private Bus busOf(PciBar bar) {
        return bar.kind() == PciBar.Kind.PORTS ? ports : mmio;
    }

    // Configuration

    private synchronized int readConfig(int device, int offset, int width) {
        int value = 0;
        for (int done = 0; done < width; ) {
            int at = offset + done;
            int part = part(at, width - done);
            value |= readPart(device, at, part) << (8 * done);
            done += part;
        }
        return value;
    }

    private int readPart(int device, int offset, int width) {
        int ones = width == 4 ? -1 : (1 << (8 * width)) - 1;
        if (device == 0) {
            return config.read(offset, width) & ones;
        }
        return (slots[device] == null ? -1 : slots[device].function.readConfig(offset, width)) & ones;
    }

    private synchronized void writeConfig(int device, int offset, int width, int value) {
        for (int done = 0; done < width; ) {
            int at = offset + done;
            int part = part(at, width - done);
            int bits = (value >>> (8 * done)) & (part == 4 ? -1 : (1 << (8 * part)) - 1);
            if (device == 0) {
                config.write(at, part, bits);
            } else if (slots[device] != null) {
                slots[device].function.writeConfig(at, part, bits);
            }
            done += part;
        }
        place();
    }

    /** How many bytes of an access go at once: a power of two, not beyond the dword. */
    private static int part(int offset, int left) {
        return Math.min(Integer.highestOneBit(4 - (offset & 3)), Integer.highestOneBit(left));
    }

    /** The two registers in I/O space. CONFIG_ADDRESS is there for whole dwords only; 0xcf9 is none of its bytes. */
    private final class Mechanism1 implements BusDevice {
        @Override
        public long read(long offset, int width) {
            if (offset == 0 && width == 4) {
                synchronized (PciHostBridge.this) {
                    return address;
                }
            }
            int inside = inside(offset, width);
            return inside == 0 ? -1 : or(data(offset, inside), inside);
        }

        /** With all ones behind. */
        private static long or(int value, int width) {
            return width == 4 ? value : value | (-1 << (8 * width));
        }

        private int data(long offset, int width) {
            synchronized (PciHostBridge.this) {
                return isBus0() ? readConfig(device(), register(offset), width) : -1;
            }
        }

        @Override
        public void write(long offset, int width, long value) {
            synchronized (PciHostBridge.this) {
                if (offset == 0 && width == 4) {
                    address = (int) value & ADDRESS_BITS;
                    return;
                }
                int inside = inside(offset, width);
                if (inside != 0 && isBus0()) {
                    writeConfig(device(), register(offset), inside, (int) value);
                }
            }
        }

        /** How many bytes of an access are CONFIG_DATA's. */
        private static int inside(long offset, int width) {
            return offset < 4 || offset >= PORTS ? 0 : (int) Math.min(Math.min(width, 4), PORTS - offset);
        }

        /** Whether the address is one of bus 0, function 0. */
        private boolean isBus0() {
            return (address & ADDRESS_ENABLE) != 0 && (address & 0xff0700) == 0;
        }

        private int device() {
            return (address >> 11) & 31;
        }

        private int register(long offset) {
            return (address & 0xfc) + (int) (offset & 3);
        }
    }

    /** All of configuration space as memory: 4 KiB a function, 8 functions a device. */
    private final class Ecam implements BusDevice {
        @Override
        public long read(long offset, int width) {
            if (width == 8) {
                return (read(offset, 4) & 0xffffffffL) | (read(offset + 4, 4) << 32);
            }
            int inside = inside(offset, width);
            if (inside == 0) {
                return -1;
            }
            int value = readConfig(device(offset), (int) offset % FUNCTION_SIZE, inside);
            return inside == 4 ? value : value | (-1 << (8 * inside));
        }

        @Override
        public void write(long offset, int width, long value) {
            if (width == 8) {
                write(offset, 4, value);
                write(offset + 4, 4, value >>> 32);
                return;
            }
            int inside = inside(offset, width);
            if (inside != 0) {
                writeConfig(device(offset), (int) offset % FUNCTION_SIZE, inside, (int) value);
            }
        }

        /** How many bytes of an access are function 0's of a device. */
        private static int inside(long offset, int width) {
            if (offset >= ECAM_SIZE || ((offset >> 12) & 7) != 0) {
                return 0;
            }
            return (int) Math.min(width, FUNCTION_SIZE - offset % FUNCTION_SIZE);
        }

        private static int device(long offset) {
            return (int) (offset >> 15) & 31;
        }
    }

    // Its life

    /** As after power-on; the vCPUs are parked. */
    public synchronized void reset() {
        address = 0;
        config.reset();
        for (Slot slot : slots) {
            if (slot != null) {
                for (int i = 0; i < PciBar.COUNT; i++) {
                    if (slot.placed[i] != PciConfig.NOWHERE) {
                        remove(slot, i);
                    }
                }
                slot.function.reset();
            }
        }
        assignAddresses();
    }

    /** The bridge's own registers; those of the functions are theirs. */
    public synchronized PciHostBridgeState state() {
        return new PciHostBridgeState(address, config.state());
    }

    /** Why the state's bridge is another; null if it is not. */
    public String mismatch(PciHostBridgeState state) {
        return config.mismatch(state.config());
    }

    /** Takes over the bridge's own registers, of a state without {@link #mismatch}. */
    public synchronized void restore(PciHostBridgeState state) {
        address = state.address() & ADDRESS_BITS;
        config.restore(state.config());
    }

    /**
     * Takes over the configuration spaces of the functions, by ascending slot, and places all BARs where they have them.
     * The states have no {@link PciConfig#mismatch}.
     */
    public synchronized void restoreConfigs(List<PciConfigState> states) {
        int next = 0;
        for (int slot = 1; slot <= SLOTS; slot++) {
            if (slots[slot] != null) {
                slots[slot].function.config().restore(states.get(next++));
            }
        }
        place();
    }

    /** Tells the interrupt controllers the level of each INTx again, after they have been given another state. */
    public void repeatInterrupts() {
        for (IntxPin pin : pins) {
            pin.repeat();
        }
    }
}
