package dev.holdover.machine;

import jdk.jfr.FlightRecorder;

/**
 * The phases of one operation, as events of JFR while that records.
 *
 * <p>Without JFR none of the events' classes is loaded: a JVM takes those from no archive. Begun anew for each operation, so
 * a recording that is started later has the next one. One thread at a time.
 */
final class FlightPhases {
    /** What has phases; each has events of a type of its own. */
    enum Operation {
        START,
        RESTORE,
        SAVE,
        HAND_OVER,
        LIVE_UPDATE
    }

    /** No-op instance. */
    static final FlightPhases OFF = new FlightPhases(null, "");

    private final Operation operation;
    private String guest;
    private PhaseEvent current;

    private FlightPhases(Operation operation, String guest) {
        this.operation = operation;
        this.guest = guest;
        if (operation != null) {
            next();
        }
    }

    /**
     * The first phase begins now.
     *
     * @param guest the machine's name, may be empty
     */
    static FlightPhases begin(Operation operation, String guest) {
        return FlightRecorder.isInitialized() ? new FlightPhases(operation, guest) : OFF;
    }

    /** The machine's name, where it was not known at the beginning. */
    void named(String name) {
        if (operation != null) {
            guest = name;
        }
    }

    /** A phase has ended, and the next one begins. */
    void done(String phase) {
        if (operation != null) {
            current.phase = phase;
            current.guest = guest;
            current.commit();
            next();
        }
    }

    private void next() {
        current = Made.of(operation);
        current.begin();
    }

    /** A class of its own: the verifier loads what is made in a class, and a superclass is too early to name its subclasses. */
    private static final class Made {
        private Made() {}

        static PhaseEvent of(Operation operation) {
            return switch (operation) {
                case START -> new PhaseEvent.Start();
                case RESTORE -> new PhaseEvent.Restore();
                case SAVE -> new PhaseEvent.Save();
                case HAND_OVER -> new PhaseEvent.HandOver();
                case LIVE_UPDATE -> new PhaseEvent.LiveUpdate();
            };
        }
    }
}
