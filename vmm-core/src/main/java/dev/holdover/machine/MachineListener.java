package dev.holdover.machine;

/** Is told of a machine's changes, on the thread that makes them, while the machine is locked: must not call back. */
public interface MachineListener {
    /** The machine went from one state to another. */
    void changed(RunState from, RunState to);

    /** The guest was reset and starts again. */
    void reset();

    /** The machine is about to end that way. */
    void ended(MachineEnd end);
}
