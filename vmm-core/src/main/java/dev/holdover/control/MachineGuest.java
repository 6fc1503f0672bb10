package dev.holdover.control;

import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.OwnAgent;
import dev.holdover.machine.HandOverReport;
import dev.holdover.machine.LiveUpdate;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineEnd;
import dev.holdover.machine.MachineListener;
import dev.holdover.machine.RunState;
import dev.holdover.machine.SaveOptions;
import dev.holdover.machine.SaveReport;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.RamConfig;
import dev.holdover.vmstate.TimelineEvent;
import java.util.List;

/** A machine as commands see it; tells clients of its changes. */
final class MachineGuest implements Guest {
    private final Machine machine;
    private final FdSets fdsets;
    private final Events events;
    /** Kept apart, for the machine is locked while it changes. */
    private volatile RunState state;

    /** A client asked for it, not the guest. */
    private volatile boolean resetAsked;

    private volatile boolean quitAsked;

    private final ControlSocket control;

    /** Null if it takes part in none. */
    private final LiveUpdate liveUpdate;

    MachineGuest(Machine machine, FdSets fdsets, LiveUpdate liveUpdate, Events events, ControlSocket control) {
        this.fdsets = fdsets;
        this.machine = machine;
        this.liveUpdate = liveUpdate;
        this.control = control;
        this.events = events;
        this.state = machine.state();
        machine.addListener(new Changes());
    }

    @Override
    public String name() {
        return machine.config().name();
    }

    @Override
    public RamConfig ram() {
        return machine.config().ram();
    }

    @Override
    public int[] vcpuThreadIds() {
        return machine.vcpuThreadIds();
    }

    @Override
    public RunState state() {
        return state;
    }

    @Override
    public void resume() {
        machine.resume();
    }

    @Override
    public void pause() {
        machine.pause();
    }

    @Override
    public void reset() {
        resetAsked = true;
        machine.requestReset();
    }

    @Override
    public void pressPowerButton() {
        machine.pressPowerButton();
    }

    @Override
    public void quit() {
        quitAsked = true;
        machine.quit();
    }

    @Override
    public SaveReport save(String path, SaveOptions options) {
        if (!FdSets.isFdSet(path)) {
            return machine.save(path, options);
        }
        try (Fd file = fdsets.open(path, Fd.O_RDWR)) {
            return machine.save(file, options);
        }
    }

    @Override
    public HandOverReport handOver(String path) {
        HandOverReport report = machine.handOver(path, control.socket());
        control.giveAway();
        return report;
    }

    @Override
    public void leave() {
        machine.leave();
    }

    @Override
    public void prepareLiveUpdate() {
        ownAgent().prepare();
    }

    @Override
    public void preserveForLiveUpdate() {
        ownAgent().preserve();
    }

    @Override
    public void abortLiveUpdate() {
        ownAgent().abort("a control client asked for it");
    }

    private OwnAgent ownAgent() {
        if (liveUpdate == null) {
            throw new VmmException("this guest takes part in no live update: it was started without --live-update");
        }
        if (liveUpdate.agent() instanceof OwnAgent own) {
            return own;
        }
        throw new VmmException("live updates are announced to this VMM by "
                + liveUpdate.agent().name() + ": use ./vmm luoctl");
    }

    @Override
    public List<TimelineEvent> timeline() {
        return machine.timeline();
    }

    @Override
    public int tscKhz() {
        return machine.tscKhz();
    }

    @Override
    public long saveProgressBytes() {
        return machine.saveProgressBytes();
    }

    /** Only passes on: the machine is locked meanwhile. */
    private final class Changes implements MachineListener {
        @Override
        public void changed(RunState from, RunState to) {
            state = to;
            if (to == RunState.RUNNING) {
                events.tell("RESUME", null);
            } else if (from == RunState.RUNNING) {
                events.tell("STOP", null);
            }
        }

        @Override
        public void ended(MachineEnd end) {
            if (end instanceof MachineEnd.PoweredOff || end instanceof MachineEnd.DebugExit) {
                events.shutdown(true, "guest-shutdown");
            } else if (end instanceof MachineEnd.Reset) {
                events.shutdown(!resetAsked, resetAsked ? "host-qmp-system-reset" : "guest-reset");
            } else if (end instanceof MachineEnd.Crashed) {
                events.shutdown(true, "guest-panic");
            } else if (!(end instanceof MachineEnd.HandedOver)) {
                events.shutdown(false, quitAsked ? "host-qmp-quit" : "host-ui");
            }
        }

        @Override
        public void reset() {
            boolean asked = resetAsked;
            resetAsked = false;
            events.reset(!asked, asked ? "host-qmp-system-reset" : "guest-reset");
        }
    }
}
