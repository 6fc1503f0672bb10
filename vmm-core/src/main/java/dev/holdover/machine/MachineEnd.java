package dev.holdover.machine;

/** How a machine ended. */
public sealed interface MachineEnd {
    /** What the process is to exit with. */
    int exitCode();

    /** The guest switched itself off. */
    record PoweredOff() implements MachineEnd {
        @Override
        public int exitCode() {
            return 0;
        }
    }

    /** The guest reset itself, and the machine was told to end then. */
    record Reset() implements MachineEnd {
        @Override
        public int exitCode() {
            return 0;
        }
    }

    /** The user left, or a control client said quit. */
    record Quit() implements MachineEnd {
        @Override
        public int exitCode() {
            return 0;
        }
    }

    /** Another VMM has the guest, which goes on there. */
    record HandedOver() implements MachineEnd {
        @Override
        public int exitCode() {
            return 0;
        }
    }

    /** The guest wrote {@code value} to the debug-exit port. */
    record DebugExit(int value) implements MachineEnd {
        @Override
        public int exitCode() {
            return ((value << 1) | 1) & 0xff;
        }
    }

    /**
     * The guest cannot go on by its own doing: triple fault, KVM internal error.
     *
     * @param why a sentence
     */
    record Crashed(String why) implements MachineEnd {
        @Override
        public int exitCode() {
            return 3;
        }
    }
}
