package dev.holdover.virtio;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;

/**
 * What a guest relies on in its disk, to be compared when it is restored.
 *
 * @param sectors of 512 bytes
 * @param readOnly whether the guest may only read
 */
public record VirtioBlkState(long sectors, boolean readOnly) {
    /** Its section in a state. */
    public static final SectionType SECTION = new SectionType("virtio-blk", 1);

    /** Bytes of it. */
    public static final int SIZE = 32;

    public void write(StateOutput out) {
        out.i64(sectors);
        out.bool(readOnly);
        out.end();
    }

    public static VirtioBlkState read(StateInput in) {
        VirtioBlkState state = new VirtioBlkState(in.i64(), in.bool());
        in.end();
        return state;
    }
}
