package dev.holdover.virtio;

import java.util.List;

/**
 * The registers of a virtio-mmio transport.
 *
 * @param deviceId which kind of device was behind it
 * @param status the status register, with DEVICE_NEEDS_RESET
 * @param deviceFeaturesSelect which 32 feature bits are read
 * @param driverFeaturesSelect which 32 feature bits are written
 * @param driverFeatures the features the driver accepted
 * @param queueSelect which queue the queue registers mean, unsigned
 * @param interruptStatus what the driver has not acknowledged
 * @param configGeneration the configuration's generation
 * @param queues all queues of the device
 */
public record VirtioMmioState(
        int deviceId,
        int status,
        int deviceFeaturesSelect,
        int driverFeaturesSelect,
        long driverFeatures,
        int queueSelect,
        int interruptStatus,
        int configGeneration,
        List<VirtQueueState> queues) {}
