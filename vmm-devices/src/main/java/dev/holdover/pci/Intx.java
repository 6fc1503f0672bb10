package dev.holdover.pci;

import dev.holdover.platform.InterruptLine;

/**
 * The INTA# pin of a function, level-triggered, with its bits in command and status register: PCI Local Bus 3.0, sections
 * 2.2.6 and 6.2.2. Any thread.
 */
public final class Intx {
    private static final int INTA = 1;

    private final PciConfig config;
    private final InterruptLine line;
    private boolean asserted;
    private boolean high;

    /** A pin that is not asserted, on a line that is low. */
    public Intx(PciConfig config, InterruptLine line) {
        this.config = config;
        this.line = line;
        config.set(PciConfig.INTERRUPT_PIN, 1, INTA);
        config.watch(PciConfig.COMMAND, 2, this::update);
    }

    /** The function asserts its pin or lets it go; the line follows unless the guest has disabled it. */
    public synchronized void set(boolean on) {
        asserted = on;
        update();
    }

    private synchronized void update() {
        int status = config.get(PciConfig.STATUS, 2);
        int now = asserted ? status | PciConfig.STATUS_INTERRUPT : status & ~PciConfig.STATUS_INTERRUPT;
        if (now != status) {
            config.set(PciConfig.STATUS, 2, now);
        }
        boolean disabled = (config.get(PciConfig.COMMAND, 2) & PciConfig.COMMAND_INTX_DISABLE) != 0;
        boolean level = asserted && !disabled;
        if (level != high) {
            high = level;
            line.set(level);
        }
    }
}
