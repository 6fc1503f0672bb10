package dev.holdover.virtio;

/**
 * What a split virtqueue is made of besides its rings, which are in guest RAM.
 *
 * @param size entries, a power of two up to {@link VirtQueue#MAX_SIZE} once ready
 * @param ready whether the driver has enabled it
 * @param descriptors GPA of the descriptor table
 * @param available GPA of the driver's ring
 * @param used GPA of the device's ring
 * @param nextAvailable the index, modulo 65536, of the next entry to take from the driver's ring
 * @param nextUsed the index, modulo 65536, of the next entry to give back in the device's ring
 */
public record VirtQueueState(
        int size, boolean ready, long descriptors, long available, long used, int nextAvailable, int nextUsed) {}
