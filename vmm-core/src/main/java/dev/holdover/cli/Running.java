package dev.holdover.cli;

import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineEnd;

/** Runs a machine to its end, whatever ends it. */
final class Running {
    private Running() {}

    /** Lets a machine run, waits for its end, takes it apart; returns the exit code. */
    static int untilEnd(Machine machine, String command) throws InterruptedException {
        // SIGTERM, SIGINT and SIGHUP take the machine apart first: no raw terminal, no socket is left.
        Thread leave = new Thread(machine::close, "leave");
        Runtime.getRuntime().addShutdownHook(leave);
        MachineEnd end;
        try (machine) {
            machine.resume();
            end = machine.await();
        }
        try {
            Runtime.getRuntime().removeShutdownHook(leave);
        } catch (IllegalStateException e) {
            // A signal came first: the hook runs, and closing twice is harmless.
        }
        if (end instanceof MachineEnd.Crashed crashed) {
            String name = machine.config().name();
            System.err.println(command + ": " + (name.isEmpty() ? "" : name + ": ") + crashed.why());
        }
        return end.exitCode();
    }
}
