package dev.holdover.boot.acpi;

import dev.holdover.platform.PciWindows;
import java.util.List;

/**
 * The PCI bus, as MCFG and DSDT tell of it.
 *
 * @param ecam GPA of the configuration space of bus 0, 1 MiB below 4 GiB
 * @param windows where its functions have memory and ports
 * @param interrupts what their INTA# is wired to
 */
public record PciRoot(long ecam, PciWindows windows, List<Interrupt> interrupts) {
    /**
     * A function's interrupt.
     *
     * @param slot 1 to 31
     * @param gsi level-triggered
     */
    public record Interrupt(int slot, int gsi) {}

    public PciRoot {
        interrupts = List.copyOf(interrupts);
    }
}
