package dev.holdover.virtio;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;

/**
 * What a console knows besides the transport's registers.
 *
 * @param written bytes already written of the request that is the next in the transmit queue
 * @param columns of the terminal, 0 if it is none
 * @param rows of the terminal, 0 if it is none
 */
public record VirtioConsoleState(long written, int columns, int rows) {
    /** Its section in a state. */
    public static final SectionType SECTION = new SectionType("virtio-console", 1);

    /** Bytes of it. */
    public static final int SIZE = 16;

    public void write(StateOutput out) {
        out.i64(written);
        out.i32(columns);
        out.i32(rows);
        out.end();
    }

    public static VirtioConsoleState read(StateInput in) {
        VirtioConsoleState state = new VirtioConsoleState(in.i64(), in.i32(), in.i32());
        in.end();
        return state;
    }
}
