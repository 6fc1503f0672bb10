package dev.holdover.cli;

import dev.holdover.control.ControlSocket;
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
            Retrieval retrieval = new Retrieval(session);
            Machine machine;
            try {
                machine = retrieval.machine(override, none);
            } catch (VmmException | ErrnoException e) {
                throw keep(agent, name, session, e);
            }
            boolean runs;
            try {
                runs = retrieval.run();
            } catch (VmmException | ErrnoException e) {
                machine.close();
                throw keep(agent, name, session, e);
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

    /** What failed, and what is left of the guest. Its session is closed by nobody but the one who may. */
    private static VmmException keep(Agent agent, String name, Session session, RuntimeException why)
            throws InterruptedException {
        if (agent instanceof DeviceAgent) {
            // Nobody else has the session: with this process its RAM would be freed.
            System.err.println("vmm restore: " + why.getMessage());
            System.err.println("vmm restore: the guest " + name + " is in session " + session.name() + ", which this"
                    + " process (pid " + ProcessHandle.current().pid() + ") keeps open: end it to give the guest up");
            while (true) {
                TimeUnit.DAYS.sleep(1);
            }
        }
        System.err.println("vmm restore: " + agent.name() + " still holds the guest " + name
                + (why instanceof RestoreRefused ? ", as it was left" : ": nothing of it is lost")
                + ", and it can be claimed again"
                + (agent instanceof LuodAgent ? ", or given up with ./vmm luoctl discard" : ""));
        if (why instanceof VmmException sentence) {
            return sentence;
        }
        return new VmmException(why.getMessage(), why);
    }
}
