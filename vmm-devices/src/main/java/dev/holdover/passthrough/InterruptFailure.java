package dev.holdover.passthrough;

import dev.holdover.linux.ErrnoException;
import dev.holdover.vfio.VfioDevice;

/**
 * That a device's interrupts could not be set as its guest wants, which the user is told once. The guest is not told: its
 * interrupts do not come, as on broken hardware, and the vCPU whose access it was goes on. Guarded by its owner's lock.
 */
final class InterruptFailure {
    private final VfioDevice device;
    private final String how;
    private boolean said;

    /** @param how the guest wants to be interrupted, as the end of a clause */
    InterruptFailure(VfioDevice device, String how) {
        this.device = device;
        this.how = how;
    }

    void say(ErrnoException e) {
        if (!said) {
            said = true;
            System.err.println("vmm: " + device + " cannot interrupt its guest " + how + ": " + e.getMessage());
        }
    }
}
