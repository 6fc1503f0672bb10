package dev.holdover.machine;

import dev.holdover.linux.Fd;
import java.util.List;

/**
 * Devices of the host that a live update kept for a guest, bound as they were.
 *
 * @param iommufd by which they reach its RAM
 * @param devices in the order of the machine's configuration
 */
record HeldDevices(Fd iommufd, List<Fd> devices) implements AutoCloseable {
    /** For one who does not take them over after all. */
    @Override
    public void close() {
        for (Fd device : devices) {
            device.close();
        }
        iommufd.close();
    }
}
