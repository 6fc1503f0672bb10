package dev.holdover.virtio;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;
import java.util.ArrayList;
import java.util.List;

/**
 * The registers of a {@link VirtioPci} in its BAR.
 *
 * @param registers those that every transport has
 * @param configVector the vector of changes of the configuration, 0xffff for none
 * @param queueVectors the vector of each queue, likewise
 */
public record VirtioPciState(VirtioState registers, int configVector, List<Integer> queueVectors) {
    /** Its section in a state. */
    public static final SectionType SECTION = new SectionType("virtio-pci", 1);

    public VirtioPciState {
        queueVectors = List.copyOf(queueVectors);
    }

    /** Bytes of it for a device of that many queues. */
    public static int size(int queues) {
        return VirtioState.size(queues) + 4 + 4 + 4 * queues;
    }

    public void write(StateOutput out) {
        registers.writeFields(out);
        out.i32(configVector);
        out.i32(queueVectors.size());
        for (int i = 0; i < queueVectors.size(); i++) {
            out.i32(queueVectors.get(i));
        }
        out.end();
    }

    public static VirtioPciState read(StateInput in) {
        VirtioState registers = VirtioState.readFields(in);
        int configVector = vector(in);
        int count = in.count(VirtioState.MAX_QUEUES);
        List<Integer> vectors = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            vectors.add(vector(in));
        }
        in.end();
        return new VirtioPciState(registers, configVector, vectors);
    }

    private static int vector(StateInput in) {
        int vector = in.i32();
        if (vector >>> 16 != 0) {
            throw in.refuse("it has a vector " + vector);
        }
        return vector;
    }
}
