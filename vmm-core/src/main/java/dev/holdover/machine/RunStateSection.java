package dev.holdover.machine;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;

/**
 * How a guest that did not run when its state was taken is to stand after a restore. The state of a guest that ran has no
 * such section; a VMM that does not know it refuses the state by name, instead of letting a paused guest run.
 */
final class RunStateSection {
    static final SectionType TYPE = new SectionType("run-state", 1);
    static final int SIZE = 4;

    private static final int PAUSED = 1;

    private RunStateSection() {}

    static void writePaused(StateOutput out) {
        out.i32(PAUSED);
    }

    /** Refuses everything but a paused guest. */
    static void read(StateInput in) {
        int code = in.i32();
        if (code != PAUSED) {
            throw in.refuse("run state " + code + " is unknown");
        }
        in.end();
    }
}
