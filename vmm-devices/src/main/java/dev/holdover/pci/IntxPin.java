package dev.holdover.pci;

import dev.holdover.platform.InterruptLine;
import java.util.BitSet;

/** An input of the IOAPIC that slots share: high as long as one of them asserts it. Any thread. */
final class IntxPin {
    private final int gsi;
    private final InterruptLine line;
    private final BitSet asserting = new BitSet(PciHostBridge.SLOTS);

    IntxPin(int gsi, InterruptLine line) {
        this.gsi = gsi;
        this.line = line;
    }

    int gsi() {
        return gsi;
    }

    /** The line of one slot. */
    InterruptLine of(int slot) {
        return new InterruptLine() {
            @Override
            public void set(boolean high) {
                change(slot, high);
            }
        };
    }

    private synchronized void change(int slot, boolean high) {
        asserting.set(slot, high);
        line.set(!asserting.isEmpty());
    }

    /** Says its level again, to controllers that had another state. */
    synchronized void repeat() {
        line.set(!asserting.isEmpty());
    }
}
