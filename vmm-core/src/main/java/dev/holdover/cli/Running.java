package dev.holdover.cli;

import dev.holdover.control.ControlSocket;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineEnd;
import dev.holdover.memory.FdSets;

/** Runs a machine to its end, whatever ends it. */
final class Running {
    private Running() {}

    /**
     * Lets a machine run, waits for its end, takes it apart; returns the exit code.
     *
     * @param control where its control socket is to be; null for none
     */
    static int untilEnd(Machine machine, FdSets fdsets, String control, String command) throws InterruptedException {
        ControlSocket socket;
        try {
            socket = control == null ? null : ControlSocket.open(control, fdsets, machine);
        } catch (RuntimeException e) {
            machine.close();
            throw e;
        }
        return untilEnd(machine, socket, true, command);
    }

    /**
     * Waits for a machine's end, and takes both apart.
     *
     * @param control its control socket, may be null
     * @param resume whether to let it run first; else it does already, or a control client will have it
     */
    static int untilEnd(Machine machine, ControlSocket control, boolean resume, String command)
            throws InterruptedException {
        Thread leave;
        MachineEnd end;
        try (machine;
                ControlSocket socket = control) {
            leave = leaveOnSignal(socket, machine);
            if (resume) {
                machine.resume();
            }
            end = machine.await();
        }
        forget(leave);
        if (end instanceof MachineEnd.HandedOver) {
            System.err.println(command + ": the guest was handed over to another VMM");
        }
        if (end instanceof MachineEnd.Crashed crashed) {
            String name = machine.config().name();
            System.err.println(command + ": " + (name.isEmpty() ? "" : name + ": ") + crashed.why());
        }
        return end.exitCode();
    }

    /** Serves a control socket until a client says quit; there is no guest. */
    static int withoutMachine(FdSets fdsets, String control) throws InterruptedException {
        Thread leave;
        try (ControlSocket socket = ControlSocket.openWithoutMachine(control, fdsets)) {
            leave = leaveOnSignal(socket, null);
            socket.awaitQuit();
        }
        forget(leave);
        return ExitCode.OK;
    }

    /** SIGTERM, SIGINT and SIGHUP take everything apart first: no raw terminal, no socket is left. Either may be null. */
    private static Thread leaveOnSignal(ControlSocket socket, Machine machine) {
        Thread leave = new Thread("leave") {
            @Override
            public void run() {
                if (socket != null) {
                    socket.signalled();
                    socket.close();
                }
                if (machine != null) {
                    machine.close();
                }
            }
        };
        Runtime.getRuntime().addShutdownHook(leave);
        return leave;
    }

    static void forget(Thread leave) {
        try {
            Runtime.getRuntime().removeShutdownHook(leave);
        } catch (IllegalStateException e) {
            // A signal came first: the hook runs, and closing twice is harmless.
        }
    }
}
