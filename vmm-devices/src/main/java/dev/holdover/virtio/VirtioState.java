package dev.holdover.virtio;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;
import java.util.ArrayList;
import java.util.List;

/**
 * The registers that every transport of a virtio device has. Those of virtio-mmio are a section of their own.
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
public record VirtioState(
        int deviceId,
        int status,
        int deviceFeaturesSelect,
        int driverFeaturesSelect,
        long driverFeatures,
        int queueSelect,
        int interruptStatus,
        int configGeneration,
        List<VirtQueueState> queues) {
    /** The section of one that is on virtio-mmio. */
    public static final SectionType MMIO_SECTION = new SectionType("virtio-mmio", 1);

    private static final int FIXED = 44;
    private static final int QUEUE = 40;
    static final int MAX_QUEUES = 64;

    /** Bytes of it for a device of that many queues. */
    public static int size(int queues) {
        return FIXED + QUEUE * queues;
    }

    /** Writes a section of just these. */
    public void write(StateOutput out) {
        writeFields(out);
        out.end();
    }

    void writeFields(StateOutput out) {
        out.i32(deviceId);
        out.i32(status);
        out.i32(deviceFeaturesSelect);
        out.i32(driverFeaturesSelect);
        out.i64(driverFeatures);
        out.i32(queueSelect);
        out.i32(interruptStatus);
        out.i32(configGeneration);
        out.i32(queues.size());
        for (int i = 0; i < queues.size(); i++) {
            VirtQueueState queue = queues.get(i);
            out.i32(queue.size());
            out.bool(queue.ready());
            out.i64(queue.descriptors());
            out.i64(queue.available());
            out.i64(queue.used());
            out.i32(queue.nextAvailable());
            out.i32(queue.nextUsed());
        }
    }

    /** Reads a section of just these. */
    public static VirtioState read(StateInput in) {
        VirtioState state = readFields(in);
        in.end();
        return state;
    }

    static VirtioState readFields(StateInput in) {
        int deviceId = in.i32();
        int status = in.i32();
        int deviceFeaturesSelect = in.i32();
        int driverFeaturesSelect = in.i32();
        long driverFeatures = in.i64();
        int queueSelect = in.i32();
        int interruptStatus = in.i32();
        int configGeneration = in.i32();
        int count = in.count(MAX_QUEUES);
        List<VirtQueueState> queues = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            queues.add(new VirtQueueState(in.i32(), in.bool(), in.i64(), in.i64(), in.i64(), in.i32(), in.i32()));
        }
        return new VirtioState(
                deviceId,
                status,
                deviceFeaturesSelect,
                driverFeaturesSelect,
                driverFeatures,
                queueSelect,
                interruptStatus,
                configGeneration,
                queues);
    }
}
