package dev.holdover.cli;

import dev.holdover.control.ControlSocket;
import dev.holdover.control.Stranded;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.Agent;
import dev.holdover.liveupdate.DeviceAgent;
import dev.holdover.liveupdate.LuodAgent;
import dev.holdover.liveupdate.Session;
import dev.holdover.machine.LiveUpdate;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineConfig;
import dev.holdover.machine.RestoreRefused;
import dev.holdover.machine.Retrieval;
import dev.holdover.memory.FdSets;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/** A guest that was claimed from an agent: restored, finished, and run to its end. */
final class Claimed {
    private Claimed() {}

    /** Returns the exit code; throws what prevents it, which leaves the session as it was. */
    static int restore(Agent agent, String name, Session session, UnaryOperator<MachineConfig> override, String control)
            throws InterruptedException {
        try (FdSets none = new FdSets()) {
            Retrieval retrieval = null;
            Machine machine = null;
            boolean runs = false;
            while (machine == null) {
                try {
                    retrieval = new Retrieval(session, agent.stamps());
                    machine = retrieval.machine(override, none);
                    runs = retrieval.run();
                } catch (VmmException | ErrnoException e) {
                    if (machine != null) {
                        machine.close();
                        machine = null;
                    }
                    if (!(agent instanceof DeviceAgent device) || device.hasHolder()) {
                        throw kept(agent, name, e);
                    }
                    Stranded.Order order = strand(name, session, e, none, control);
                    if (order != Stranded.Order.RETRY) {
                        return leave(agent, name, session, order);
                    }
                }
            }
            if (!runs) {
                // It crashed at once; what is left of it stays in the session.
                return Running.untilEnd(machine, null, null, false, "vmm restore");
            }
            ControlSocket socket;
            LiveUpdate liveUpdate;
            try {
                agent.finish(name, session);
                retrieval.finished();
                System.err.println("vmm restore: the guest " + name + " goes on");
                liveUpdate = new LiveUpdate(machine, agent, name);
                socket = control == null ? null : ControlSocket.open(control, none, machine, liveUpdate);
            } catch (RuntimeException e) {
                machine.close();
                throw e;
            }
            return Running.untilEnd(machine, socket, liveUpdate, false, "vmm restore");
        }
    }

    /** Nobody else has the session, and with this process its RAM would be freed: so it stays, until somebody decides. */
    private static Stranded.Order strand(
            String name, Session session, RuntimeException why, FdSets fdsets, String control)
            throws InterruptedException {
        System.err.println("vmm restore: " + why.getMessage());
        String held = "vmm restore: the guest " + name + " is in session " + session.name()
                + ", which only this process (pid " + ProcessHandle.current().pid() + ") holds: ";
        if (control != null) {
            try (Stranded stranded = new Stranded(control, fdsets, session, name)) {
                System.err.println(held + "./vmm ctl " + control + " live-update-retry tries again, live-update-discard"
                        + " gives it up, and ./vmm restore --live-update device,holder=" + control
                        + " takes it from here");
                return stranded.await();
            } catch (VmmException e) {
                System.err.println("vmm restore: " + e.getMessage());
            }
        }
        System.err.println(held + "end it to give the guest up");
        while (true) {
            TimeUnit.DAYS.sleep(1);
        }
    }

    private static int leave(Agent agent, String name, Session session, Stranded.Order order) {
        if (order == Stranded.Order.LEAVE) {
            System.err.println("vmm restore: another VMM has restored the guest " + name);
            session.close();
            return ExitCode.OK;
        }
        agent.finish(name, session);
        System.err.println("vmm restore: the guest " + name + " was given up");
        return ExitCode.FAILED;
    }

    /** What failed, and what is left of the guest. Its session is closed by nobody but the one who may. */
    private static VmmException kept(Agent agent, String name, RuntimeException why) {
        System.err.println("vmm restore: " + (agent instanceof DeviceAgent ? "the other VMM" : agent.name())
                + " still holds the guest " + name
                + (why instanceof RestoreRefused ? ", as it was left" : ": nothing of it is lost")
                + ", and it can be claimed again"
                + (agent instanceof LuodAgent ? ", or given up with ./vmm luoctl discard" : ""));
        if (why instanceof VmmException sentence) {
            return sentence;
        }
        return new VmmException(why.getMessage(), why);
    }
}
