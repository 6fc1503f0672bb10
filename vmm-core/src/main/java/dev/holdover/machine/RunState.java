package dev.holdover.machine;

/** Where a machine is in its life. */
public enum RunState {
    /** Made, has not run yet. */
    PRELAUNCH,
    RUNNING,
    /** Its vCPUs are parked and its devices rest. */
    PAUSED,
    /** Paused, and a state of it has been saved that someone may take up. */
    SAVED,
    /** Another VMM has the guest. */
    HANDED_OVER
}
