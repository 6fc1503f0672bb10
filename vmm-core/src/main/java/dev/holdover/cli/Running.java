package dev.holdover.cli;

import dev.holdover.control.ControlSocket;
import dev.holdover.kvm.KvmUnavailable;
import dev.holdover.linux.SocketFile;
import dev.holdover.liveupdate.Agent;
import dev.holdover.machine.LiveUpdate;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineEnd;
import dev.holdover.memory.FdSets;

/** Runs a machine to its end, whatever ends it. */
final class Running {
    private Running() {}

    /**
     * What to throw when a machine could not be made for want of KVM: a control socket that could not be made either is
     * said instead, since what the user got wrong comes first.
     *
     * @param control where its control socket is to be; null for none
     */
    static KvmUnavailable withoutKvm(KvmUnavailable why, String control) {
        if (control != null) {
            SocketFile.listen("the control socket", control).close();
        }
        return why;
    }

    /**
     * Lets a machine run, waits for its end, takes it apart; returns the exit code.
     *
     * @param control where its control socket is to be; null for none
     * @param agent who holds it through live updates; null for none
     */
    static int untilEnd(Machine machine, FdSets fdsets, String control, Agent agent, String command)
            throws InterruptedException {
        ControlSocket socket;
        LiveUpdate liveUpdate;
        try {
            liveUpdate = agent == null
                    ? null
                    : new LiveUpdate(machine, agent, machine.config().name());
            socket = control == null ? null : ControlSocket.open(control, fdsets, machine, liveUpdate);
        } catch (RuntimeException e) {
            machine.close();
            throw e;
        }
        return untilEnd(machine, socket, liveUpdate, true, command);
    }

    /**
     * Waits for a machine's end, and takes both apart.
     *
     * @param control its control socket, may be null
     * @param liveUpdate its part in live updates, may be null
     * @param resume whether to let it run first; else it does already, or a control client will have it
     */
    static int untilEnd(Machine machine, ControlSocket control, LiveUpdate liveUpdate, boolean resume, String command)
            throws InterruptedException {
        Thread leave;
        MachineEnd end;
        try (machine;
                liveUpdate;
                ControlSocket socket = control) {
            leave = leaveOnSignal(socket, machine, liveUpdate);
            if (resume) {
                machine.resume();
            }
            if (liveUpdate != null) {
                liveUpdate.start();
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
            leave = leaveOnSignal(socket, null, null);
            socket.awaitQuit();
        }
        forget(leave);
        return ExitCode.OK;
    }

    /** SIGTERM, SIGINT and SIGHUP take everything apart first: no raw terminal, no socket is left. Either may be null. */
    private static Thread leaveOnSignal(ControlSocket socket, Machine machine, LiveUpdate liveUpdate) {
        Thread leave = new Thread("leave") {
            @Override
            public void run() {
                if (liveUpdate != null) {
                    liveUpdate.signalled();
                }
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
