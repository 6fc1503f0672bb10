package dev.holdover.platform;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;

/**
 * What an {@link I8042} is made of.
 *
 * @param config configuration byte
 * @param outputPort output port, with the A20 bit
 * @param status status register, without the output buffer bits
 * @param command the command that waits for its data byte, or 0
 * @param output the byte in the output buffer, or -1 if it is empty
 * @param outputFromAux whether that byte poses as one of the auxiliary device's
 */
public record I8042State(int config, int outputPort, int status, int command, int output, boolean outputFromAux) {
    /** Its section in a state. */
    public static final SectionType SECTION = new SectionType("i8042", 1);

    /** Bytes of it. */
    public static final int SIZE = 32;

    public void write(StateOutput out) {
        out.i32(config);
        out.i32(outputPort);
        out.i32(status);
        out.i32(command);
        out.i32(output);
        out.bool(outputFromAux);
        out.end();
    }

    public static I8042State read(StateInput in) {
        I8042State state = new I8042State(in.i32(), in.i32(), in.i32(), in.i32(), in.i32(), in.bool());
        in.end();
        return state;
    }
}
