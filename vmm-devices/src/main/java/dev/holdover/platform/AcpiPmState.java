package dev.holdover.platform;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;

/**
 * What an {@link AcpiPm} is made of.
 *
 * @param status PM1 status register
 * @param enable PM1 enable register
 * @param control PM1 control register, without SCI_EN, which is always set
 * @param timerNanos how long the PM timer has been running, in nanoseconds
 */
public record AcpiPmState(int status, int enable, int control, long timerNanos) {
    /** Its section in a state. */
    public static final SectionType SECTION = new SectionType("acpi-pm", 1);

    /** Bytes of it. */
    public static final int SIZE = 32;

    public void write(StateOutput out) {
        out.i32(status);
        out.i32(enable);
        out.i32(control);
        out.i64(timerNanos);
        out.end();
    }

    public static AcpiPmState read(StateInput in) {
        AcpiPmState state = new AcpiPmState(in.i32(), in.i32(), in.i32(), in.i64());
        in.end();
        return state;
    }
}
