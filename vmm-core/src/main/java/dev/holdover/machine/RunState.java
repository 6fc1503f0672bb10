package dev.holdover.machine;

/** Where a machine is in its life. */
public enum RunState {
    /** Made, has not run yet. */
    PRELAUNCH,
    RUNNING,
    /** Its vCPUs are parked and its devices rest. */
    PAUSED,
    /** Paused, and a state of it has been saved that someone may restore. */
    SAVED,
    /** Paused, and all of it is in a live-update session: the next VMM may restore it at any moment. */
    PRESERVED,
    /** Another VMM has the guest. */
    HANDED_OVER
}
