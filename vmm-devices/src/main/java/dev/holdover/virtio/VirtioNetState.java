package dev.holdover.virtio;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;

/**
 * What a guest knows of its network device besides the transport's registers.
 *
 * @param mac its address
 */
public record VirtioNetState(MacAddress mac) {
    /** Its section in a state. */
    public static final SectionType SECTION = new SectionType("virtio-net", 1);

    /** Bytes of it. */
    public static final int SIZE = 16;

    public void write(StateOutput out) {
        out.i64(mac.bits());
        out.end();
    }

    public static VirtioNetState read(StateInput in) {
        VirtioNetState state = new VirtioNetState(new MacAddress(in.i64()));
        in.end();
        return state;
    }
}
