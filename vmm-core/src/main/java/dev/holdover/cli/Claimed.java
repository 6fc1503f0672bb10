package dev.holdover.cli;

import dev.holdover.control.ControlSocket;
import dev.holdover.control.Stranded;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.Agent;
import dev.holdover.liveupdate.DeviceAgent;
import dev.holdover.liveupdate.LuodAgent;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.SessionException;
import dev.holdover.liveupdate.Tokens;
import dev.holdover.machine.LiveUpdate;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineConfig;
import dev.holdover.machine.RestoreRefused;
import dev.holdover.machine.Retrieval;
import dev.holdover.memory.FdSets;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/**
 * A guest that was claimed from an agent: restored, finished, and run to its end.
 *
 * <p>Order and reasons:
 *
 * <ol>
 *   <li>All that can fail: the machine, its control socket, its part in live updates. The session is as it was if it does.
 *   <li>The first KVM_RUN. From then on the guest is only here: what fails is told, and the guest runs on.
 *   <li>The session is finished.
 * </ol>
 */
final class Claimed {
    private final Agent agent;
    private final String name;
    private final Session session;
    private final UnaryOperator<MachineConfig> override;
    private final String control;
    private final Leaving leaving;

    /** A guest that runs, and what belongs to it. */
    private record Restored(
            Retrieval retrieval, Machine machine, LiveUpdate liveUpdate, ControlSocket socket, boolean runs) {}

    /**
     * A guest whose session was claimed.
     *
     * @param control where its control socket is to be; null for none
     * @param leaving what a signal does; {@link #isAlone a process that is all that holds a guest} lets none end it
     */
    Claimed(
            Agent agent,
            String name,
            Session session,
            UnaryOperator<MachineConfig> override,
            String control,
            Leaving leaving) {
        this.agent = agent;
        this.name = name;
        this.session = session;
        this.override = override;
        this.control = control;
        this.leaving = leaving;
    }

    /** Whether a session that comes from this agent is held by nobody but the process that has claimed it. */
    static boolean isAlone(Agent agent) {
        return agent instanceof DeviceAgent device && !device.hasHolder();
    }

    /** Returns the exit code; throws what prevents it, which leaves the session as it was. */
    int restore() throws InterruptedException {
        try (FdSets fdsets = new FdSets()) {
            Restored restored = null;
            while (restored == null) {
                try {
                    restored = attempt(fdsets);
                } catch (RuntimeException | Error e) {
                    if (!isAlone(agent)) {
                        throw kept(e);
                    }
                    Stranded.Order order = strand(e, fdsets);
                    if (order != Stranded.Order.RETRY) {
                        return leave(order);
                    }
                }
            }
            if (restored.runs()) {
                finish(restored);
            }
            leaving.runs(restored.socket(), restored.machine(), restored.liveUpdate());
            // If it crashed at once, what is left of it stays in the session.
            return Running.untilEnd(
                    restored.machine(),
                    restored.socket(),
                    restored.runs() ? restored.liveUpdate() : null,
                    leaving,
                    "vmm restore");
        }
    }

    /** Lets the guest run; throws if it does not run here. */
    private Restored attempt(FdSets fdsets) {
        Machine machine = null;
        ControlSocket socket = null;
        try {
            Retrieval retrieval = new Retrieval(session, agent.stamps());
            machine = retrieval.machine(override, fdsets);
            if (machine.startsPaused() && control == null && !isAlone(agent)) {
                throw new VmmException(
                        "the guest " + name + " was paused when it was preserved, and nobody could let it"
                                + " run: give --control PATH, then cont does");
            }
            LiveUpdate liveUpdate = new LiveUpdate(machine, agent, name);
            socket = control == null ? null : ControlSocket.open(control, fdsets, machine, liveUpdate);
            leaving.hold();
            return new Restored(retrieval, machine, liveUpdate, socket, retrieval.run());
        } catch (RuntimeException | Error e) {
            if (!isAlone(agent)) {
                leaving.free();
            }
            if (socket != null) {
                socket.close();
            }
            if (machine != null) {
                machine.close();
            }
            throw e;
        }
    }

    /** The guest runs: a session that cannot be finished costs the next update at most. */
    private void finish(Restored restored) {
        boolean paused = restored.machine().startsPaused();
        try {
            agent.finish(name, session);
            restored.retrieval().finished();
            System.err.println("vmm restore: "
                    + (paused
                            ? Running.stays(control == null ? "SOCKET" : control)
                            : "the guest " + name + " goes on"));
        } catch (RuntimeException | Error e) {
            System.err.println("vmm restore: the guest " + name + (paused ? " is here" : " goes on") + ", but "
                    + agent.name()
                    + " may believe that it still waits: " + Running.reason(e)
                    + (agent instanceof LuodAgent ? "; before the next update say ./vmm luoctl discard " + name : ""));
        }
    }

    /** Nobody else has the session, and with this process its RAM would be freed: so it stays, until somebody decides. */
    private Stranded.Order strand(Throwable why, FdSets fdsets) throws InterruptedException {
        System.err.println("vmm restore: " + Running.reason(why));
        String held = "vmm restore: the guest " + name + " is in session " + session.name()
                + ", which only this process (pid " + ProcessHandle.current().pid() + ") holds: ";
        String told = "";
        while (control != null) {
            try (Stranded stranded = new Stranded(control, fdsets, session, name)) {
                System.err.println(held + "./vmm ctl " + control + " live-update-retry tries again, live-update-discard"
                        + " gives it up, and ./vmm restore --live-update device,holder=" + control
                        + " takes it from here");
                return stranded.await();
            } catch (RuntimeException | Error e) {
                // What is in the way may be gone in a moment: a file, another process's socket, a lack of threads.
                if (!told.equals(Running.reason(e))) {
                    told = Running.reason(e);
                    System.err.println("vmm restore: " + told);
                    System.err.println(held + "its control socket will be there when that can be made");
                }
                TimeUnit.SECONDS.sleep(1);
            }
        }
        System.err.println(held + "end it with SIGKILL to give the guest up");
        while (true) {
            TimeUnit.DAYS.sleep(1);
        }
    }

    private int leave(Stranded.Order order) {
        leaving.free();
        if (order == Stranded.Order.LEAVE) {
            System.err.println("vmm restore: another VMM has restored the guest " + name);
            session.close();
            return ExitCode.OK;
        }
        agent.finish(name, session);
        System.err.println("vmm restore: the guest " + name + " was given up");
        return ExitCode.FAILED;
    }

    /** Whether another process has taken everything out; the state is in every session that is not finished. */
    private boolean isFinished() {
        try {
            session.retrieve(Tokens.STATE).close();
            return false;
        } catch (SessionException e) {
            return e.errno() == Errno.ENOENT;
        }
    }

    /** What failed, and what is left of the guest. Its session is closed by nobody but the one who may. */
    private RuntimeException kept(Throwable why) {
        if (why instanceof SessionException && isFinished()) {
            return new RestoreRefused("the guest " + name + " was restored from this session before, and the session is"
                    + " finished: nothing is left in it"
                    + (agent instanceof LuodAgent
                            ? "; if that VMM has ended, ./vmm luoctl discard " + name + " lets luod forget the session"
                            : ""));
        }
        System.err.println("vmm restore: " + (agent instanceof DeviceAgent ? "the other VMM" : agent.name())
                + " still holds the guest " + name
                + (why instanceof RestoreRefused ? ", as it was left" : ": nothing of it is lost")
                + ", and it can be claimed again"
                + (agent instanceof LuodAgent ? ", or given up with ./vmm luoctl discard" : ""));
        if (why instanceof Error error) {
            throw error;
        }
        return why instanceof ErrnoException ? new VmmException(why.getMessage(), why) : (RuntimeException) why;
    }
}
