package dev.holdover.machine;

import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.Tokens;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.IdentityPage;
import dev.holdover.memory.Ram;
import dev.holdover.memory.RamConfig;
import dev.holdover.platform.MemoryMap;
import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.TimelineEvent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * Takes a guest that {@link LiveUpdate} preserved out of its session again.
 *
 * <p>Order and reasons:
 *
 * <ol>
 *   <li>The state and the page that says which RAM it is: whether the state was used is known before RAM is touched.
 *   <li>RAM, every piece; huge pages are asked for anew, as that belongs to a mapping.
 *   <li>Devices of the host: the iommufd, then what is bound to it. If the session has none, as the kernel could not keep
 *       them, they are opened anew, but only those that the user wants reset then.
 *   <li>The machine, as for any restore; the guest's clocks are set by the host's TSC, which has run on.
 *   <li>The generation is raised in that page, by compare-and-exchange, before the first KVM_RUN: of two VMMs that were
 *       given the same session one gets the guest, and one that dies after it leaves a guest that is refused as moved on,
 *       never one that runs twice.
 *   <li>Only when the guest has run may the session be finished. Nothing is closed before, so a failure costs nothing:
 *       the session can be claimed again.
 * </ol>
 */
public final class Retrieval {
    /** By so much may real time be off after a reboot, ns. */
    private static final long RTC_GRAIN = 1_000_000_000L;

    private final Session session;
    private final List<TimelineEvent> agentStamps;
    private final List<TimelineEvent> timeline = new ArrayList<>();
    private Machine machine;

    /**
     * The session of the guest.
     *
     * @param session incoming; stays the caller's
     * @param agentStamps what its agent knows of when the update passed which phase
     */
    public Retrieval(Session session, List<TimelineEvent> agentStamps) {
        this.session = session;
        this.agentStamps = agentStamps;
    }

    /**
     * Makes the machine, parked, with the guest's state.
     *
     * @param override the machine as the user changed it
     * @throws RestoreRefused if the state was used, or does not fit
     */
    public Machine machine(UnaryOperator<MachineConfig> override, FdSets fdsets) {
        TimelineEvent claimed = TimelineEvent.now(Phase.CLAIMED);
        FlightPhases phases = FlightPhases.begin(FlightPhases.Operation.LIVE_UPDATE, "");
        try (Fd state = session.retrieve(Tokens.STATE)) {
            IdentityPage page = IdentityPage.adopt(session.retrieve(Tokens.IDENTITY));
            try (Incoming incoming = Incoming.ofSession(state, page, session.name())) {
                TimelineEvent stateRetrieved = TimelineEvent.now(Phase.STATE_RETRIEVED);
                phases.named(incoming.config().name());
                phases.done(Phase.STATE_RETRIEVED.name());
                Ram ram = ram(incoming.config().ram());
                TimelineEvent ramRetrieved = TimelineEvent.now(Phase.RAM_RETRIEVED);
                phases.done(Phase.RAM_RETRIEVED.name());
                MachineConfig config = override.apply(incoming.config());
                machine = retrieve(config, fdsets, incoming, ram, page);
                timeline.addAll(incoming.state().timeline().events());
                TimelineEvent boot = kernelUp();
                if (!timeline.isEmpty() && boot.realtime() > timeline.getLast().realtime() - RTC_GRAIN) {
                    addAgentStamps(true);
                    timeline.add(boot); // not if its VMM alone was replaced
                    addAgentStamps(false);
                }
                timeline.add(claimed);
                timeline.add(stateRetrieved);
                timeline.add(ramRetrieved);
                timeline.add(machine.stamp(Phase.KVM_BUILT));
                return machine;
            } catch (RuntimeException | Error e) {
                page.close();
                throw e;
            }
        }
    }

    private Machine retrieve(MachineConfig config, FdSets fdsets, Incoming incoming, Ram ram, IdentityPage page) {
        HeldDevices held;
        try {
            held = config.vfio().isEmpty() ? null : HeldDevices.retrieve(session, config.vfio());
        } catch (RuntimeException e) {
            ram.close();
            throw e;
        }
        try {
            return Machine.retrieve(config, fdsets, incoming, ram, held, page);
        } catch (RuntimeException | Error e) {
            if (held != null) {
                held.close();
            }
            throw e;
        }
    }

    /** The files of these tokens, in their order; those that came are closed if one does not. */
    static List<Fd> all(Session session, long[] tokens) {
        List<Fd> fds = new ArrayList<>();
        try {
            for (long token : tokens) {
                fds.add(session.retrieve(token));
            }
            return fds;
        } catch (RuntimeException e) {
            for (Fd fd : fds) {
                fd.close();
            }
            throw e;
        }
    }

    /** When this kernel began, by its own uptime. */
    private static TimelineEvent kernelUp() {
        long now = TimelineEvent.realtimeNow();
        try {
            String uptime = Files.readString(Path.of("/proc/uptime"));
            double seconds = Double.parseDouble(uptime.substring(0, uptime.indexOf(' ')));
            return new TimelineEvent(Phase.KERNEL_UP.code(), 0, now - (long) (seconds * 1e9), 0);
        } catch (IOException | NumberFormatException e) {
            return new TimelineEvent(Phase.KERNEL_UP.code(), 0, now, 0);
        }
    }

    /** Those from before the next kernel was up, or the others. */
    private void addAgentStamps(boolean before) {
        for (TimelineEvent stamp : agentStamps) {
            if (stamp.phase() < Phase.KERNEL_UP.code() == before) {
                timeline.add(stamp);
            }
        }
    }

    private Ram ram(RamConfig config) {
        List<Fd> fds = all(session, Tokens.ofRam(Ram.pieces(config)));
        return Ram.adopt(config, fds, MemoryMap.LOW_RAM_END, MemoryMap.HIGH_RAM);
    }

    /**
     * Lets the guest run, and returns when it has; then the session may be finished. False if it ended instead. One that
     * was paused is this machine's then, and stays paused.
     *
     * @throws VmmException why it does not run; once it does, what fails is told and nothing is thrown
     */
    public boolean run() {
        if (machine.startsPaused()) {
            machine.take();
            return true;
        }
        machine.resume();
        try {
            boolean entered = machine.awaitEntered();
            machine.devices.settle();
            stamp(Phase.RUNNING);
            return entered;
        } catch (RuntimeException | Error e) {
            System.err.println("vmm: the guest runs; what should follow that has failed: " + e);
            return true;
        }
    }

    /** The session is finished. */
    public void finished() {
        stamp(Phase.FINISHED);
    }

    private void stamp(Phase phase) {
        timeline.add(machine.stamp(phase));
        machine.setTimeline(timeline);
    }
}
