package dev.holdover.vfio;

import java.util.List;

/**
 * Whom a reset of the bus or slot that a device sits in would reset too.
 *
 * @param owned whether all of them belong to the device's own iommufd, which allows {@link VfioDevice#hotReset}
 * @param devices all of them, the device itself included
 */
public record HotReset(boolean owned, List<Device> devices) {
    public HotReset {
        devices = List.copyOf(devices);
    }

    /**
     * One of them, by its place on the host.
     *
     * @param function device number in the upper five bits, function number in the lower three
     * @param owned whether it belongs to the same iommufd, or shares a group with one that does
     */
    public record Device(int segment, int bus, int function, boolean owned) {
        /** As sysfs names it: 0000:00:04.0. */
        @Override
        public String toString() {
            return String.format("%04x:%02x:%02x.%d", segment, bus, function >> 3, function & 7);
        }
    }
}
