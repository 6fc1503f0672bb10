package dev.holdover.virtio;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.SectionView;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;

/**
 * What a guest relies on in its disk, to be compared when it is restored.
 *
 * @param sectors of 512 bytes
 * @param readOnly whether the guest may only read
 * @param identity which disk it is, since version 2
 */
public record VirtioBlkState(long sectors, boolean readOnly, DiskIdentity identity) {
    /** Its section in a state. */
    public static final SectionType SECTION = new SectionType("virtio-blk", 2);

    /** Bytes of it. */
    public static final int SIZE = 128;

    public void write(StateOutput out) {
        out.i64(sectors);
        out.bool(readOnly);
        identity.write(out);
        out.end();
    }

    public static VirtioBlkState read(SectionView section) {
        StateInput in = section.input();
        VirtioBlkState state = new VirtioBlkState(
                in.i64(), in.bool(), section.version() < 2 ? DiskIdentity.NONE : DiskIdentity.read(in));
        in.end();
        return state;
    }
}
