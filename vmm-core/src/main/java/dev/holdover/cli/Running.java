package dev.holdover.cli;

import dev.holdover.control.ControlSocket;
import dev.holdover.kvm.KvmUnavailable;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.SocketFile;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.Agent;
import dev.holdover.machine.LiveUpdate;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineEnd;
import dev.holdover.memory.FdSets;

/**
 * Runs a machine to its end, whatever ends it. What may fail is done before its first KVM_RUN; once the guest runs, it is
 * ended by nothing that fails around it: that is told, and the guest runs on.
 */
final class Running {
    private Running() {}

    /**
     * What to throw when a machine could not be made for want of KVM: a control socket that could not be made either is
     * said instead, since what the user got wrong comes first.
     *
     * @param control where its control socket is to be; null for none
     */
    static KvmUnavailable withoutKvm(KvmUnavailable why, String control) {
        requireControl(control);
        return why;
    }

    /** Refuses a path at which no control socket can be made, before anything depends on it; null for none. */
    static void requireControl(String control) {
        if (control != null) {
            SocketFile.listen("the control socket", control).close();
        }
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
        Leaving leaving;
        try {
            leaving = Leaving.hook();
            leaving.runs(socket, machine, liveUpdate);
            if (machine.startsPaused()) {
                System.err.println(command + ": " + stays(control));
            } else {
                machine.resume();
            }
        } catch (RuntimeException | Error e) {
            try (machine;
                    liveUpdate;
                    socket) {
                throw e;
            }
        }
        return untilEnd(machine, socket, liveUpdate, leaving, command);
    }

    /**
     * Waits for the end of a machine that runs, or that a control client will let run, and takes all of it apart.
     *
     * @param control its control socket, may be null
     * @param liveUpdate its part in live updates, may be null
     * @param leaving knows of these
     */
    static int untilEnd(Machine machine, ControlSocket control, LiveUpdate liveUpdate, Leaving leaving, String command)
            throws InterruptedException {
        MachineEnd end;
        try (machine;
                liveUpdate;
                control) {
            start(liveUpdate, command);
            end = machine.await();
        }
        leaving.forget();
        if (end instanceof MachineEnd.HandedOver) {
            System.err.println(command + ": the guest was handed over to another VMM");
        }
        if (end instanceof MachineEnd.Crashed crashed) {
            String name = machine.config().name();
            System.err.println(command + ": " + (name.isEmpty() ? "" : name + ": ") + crashed.why());
        }
        return end.exitCode();
    }

    /** What is to be known of a guest that is paused, as it was when its state was taken. */
    static String stays(String control) {
        return "the guest was paused when its state was taken, and stays so: "
                + (control == null
                        ? "cont on a control socket lets it run, so end this VMM and restore it again with --control PATH"
                        : "./vmm ctl " + control + " cont lets it run");
    }

    private static void start(LiveUpdate liveUpdate, String command) {
        if (liveUpdate == null) {
            return;
        }
        try {
            liveUpdate.start();
        } catch (RuntimeException | Error e) {
            System.err.println(command + ": the guest runs, but whether it takes part in the next live update is"
                    + " unknown: " + reason(e));
        }
    }

    /**
     * What a process needs to run a machine that another one has still. To be called before it takes that: a class that is not
     * loaded by then cannot be if no descriptor is left, and the guest would end with this process.
     */
    static Leaving leaving() {
        return new Leaving();
    }

    /** What failed, as part of a sentence. */
    static String reason(Throwable failure) {
        return failure instanceof VmmException || failure instanceof ErrnoException
                ? failure.getMessage()
                : failure.toString();
    }

    /** Serves a control socket until a client says quit; there is no guest. */
    static int withoutMachine(FdSets fdsets, String control) throws InterruptedException {
        Leaving leaving;
        try (ControlSocket socket = ControlSocket.openWithoutMachine(control, fdsets)) {
            leaving = Leaving.hook();
            leaving.runs(socket, null, null);
            socket.awaitQuit();
        }
        leaving.forget();
        return ExitCode.OK;
    }
}
