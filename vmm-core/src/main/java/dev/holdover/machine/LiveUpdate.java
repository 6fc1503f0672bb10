package dev.holdover.machine;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.Agent;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.SystemdAgent;
import dev.holdover.liveupdate.Tokens;
import dev.holdover.liveupdate.UpdateListener;
import dev.holdover.memory.ByteSize;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.Ram;
import dev.holdover.memory.RamIdentity;
import dev.holdover.passthrough.Passthrough;
import dev.holdover.passthrough.VfioFunction;
import dev.holdover.platform.MemoryMap;
import dev.holdover.vmstate.MemfdTarget;
import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.StateImage;
import dev.holdover.vmstate.Timeline;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A machine's part in live updates of its host: what it puts into the session of an agent. {@link Retrieval} takes it out
 * again.
 *
 * <p>Order and reasons:
 *
 * <ol>
 *   <li>While the guest runs: RAM is populated, in huge pages where it may, for the kernel fills holes with small pages,
 *       slowly; then preserved, which costs by the page but does not keep the guest from storing to it. With it goes the
 *       page that says which RAM it is and how often a guest went on in it.
 *   <li>Devices of the host next: an iommufd needs the RAM that it maps in the session, a device its iommufd. A kernel that
 *       cannot keep them is found out now; unless the user wants them reset then, that is the end of the update.
 *   <li>The guest is paused; its disks are synced, as nobody writes again what is lost with the host's page cache.
 *   <li>Devices that are kept go on, but interrupt nobody; the others are reset, so that none writes to RAM any more.
 *   <li>The state is written to a memfd, preserved, and the agent is told. The timeline in it goes on afterwards.
 *   <li>If the update is aborted, the session has been closed: the state is superseded, then the guest resumes.
 *       Until then it is paused, whatever happens to this process.
 * </ol>
 */
public final class LiveUpdate implements UpdateListener, AutoCloseable {
    private final Machine machine;
    private final Agent agent;
    private final String id;

    // On the agent's thread.
    private boolean prepared;
    private boolean ran;
    /** The session has the guest's devices of the host, too. */
    private boolean keepsDevices;

    private volatile boolean ready;
    /** The next process has it. */
    private volatile boolean turned;

    /**
     * Refuses a machine that could not be preserved; {@link #start} then takes part in updates.
     *
     * @param id the guest's, by which the next VMM asks for it
     */
    public LiveUpdate(Machine machine, Agent agent, String id) {
        machine.ram.requirePreservable();
        machine.requirePassable();
        this.machine = machine;
        this.agent = agent;
        this.id = id;
        machine.keepIdentity();
    }

    /**
     * Refuses RAM that could not be preserved, without a machine: it is opened as one would open it, and closed again.
     *
     * @throws VmmException why it could not
     */
    public static void requirePreservable(MachineConfig config, FdSets fdsets) {
        Ram ram = Ram.open(config.ram(), fdsets, MemoryMap.LOW_RAM_END, MemoryMap.HIGH_RAM);
        try {
            ram.requirePreservable();
        } finally {
            ram.discard();
        }
    }

    /** From now on the agent may call. Once. To systemd it says that the unit is up: the guest runs. */
    public void start() {
        agent.subscribe(id, this);
        if (agent instanceof SystemdAgent systemd) {
            systemd.ready();
        }
    }

    /** Who holds the session. */
    public Agent agent() {
        return agent;
    }

    /** Whether the guest is paused because the next VMM may restore it at any moment: this process must not let it run. */
    public boolean isReady() {
        return ready;
    }

    @Override
    public void prepare(Session session) {
        requireHere(machine.state()); // early: nobody else's guest is stopped for an update that comes to nothing
        long start = System.nanoTime();
        FlightPhases phases = FlightPhases.begin(FlightPhases.Operation.LIVE_UPDATE, id);
        machine.ram.populate();
        long populated = System.nanoTime();
        phases.done("RAM_POPULATED");
        List<Fd> fds = machine.ram.fds();
        for (int i = 0; i < fds.size(); i++) {
            session.preserve(fds.get(i), Tokens.ram(i));
        }
        session.preserve(machine.identityPage(), Tokens.IDENTITY);
        if (machine.devices.passthrough() != null) {
            preserveDevices(session, machine.devices.passthrough());
        }
        long preserved = System.nanoTime();
        phases.done("RAM_PRESERVED");
        prepared = true;
        long size = machine.ram.config().size();
        long huge = machine.ram.hugeBytes();
        System.err.println("vmm: live update: " + ByteSize.text(size) + " of RAM populated in "
                + millis(populated - start) + " ms (" + 100 * huge / size + " % in huge pages), preserved in "
                + millis(preserved - populated) + " ms"
                + (huge == 0
                        ? "; huge pages would make it cheaper: write advise to"
                                + " /sys/kernel/mm/transparent_hugepage/shmem_enabled before the guest is started"
                        : ""));
    }

    /** Refuses a guest that may run elsewhere by now, or does. */
    private void requireHere(RunState state) {
        if (state == RunState.SAVED) {
            throw new VmmException(
                    "the guest " + id + " was saved, and runs on wherever that state is restored: end this"
                            + " VMM (quit), or let the guest run here (cont), which makes the state one of the past");
        }
        if (state == RunState.HANDED_OVER) {
            throw new VmmException("the guest " + id + " is another VMM's");
        }
    }

    private void preserveDevices(Session session, Passthrough passthrough) {
        List<Fd> devices = new ArrayList<>();
        for (VfioFunction function : passthrough.functions()) {
            devices.add(function.device().fd());
        }
        keepsDevices = HeldDevices.preserve(session, machine.config.vfio(), passthrough.iommufd(), devices);
        if (!keepsDevices) {
            System.err.println("vmm: live update: this kernel keeps no devices, those of the guest will be reset");
        }
    }

    private static long millis(long nanos) {
        return nanos / 1_000_000;
    }

    @Override
    public void preserve(Session session) {
        if (!prepared) {
            prepare(session);
        }
        machine.devices.prepareSave(); // written ahead, to shorten the pause
        synchronized (machine) {
            if (machine.isClosed()) {
                throw new VmmException("the guest has ended");
            }
            requireHere(machine.state());
            ran = machine.state() == RunState.RUNNING;
            machine.requireIdentity();
            SavePlan plan = SavePlan.withRam(machine.config, machine.ram, machine.ramIdentity);
            StateDraft draft = new StateDraft(machine, plan, !ran);
            StateImage image = draft.build();
            Timeline timeline = image.timeline();
            FlightPhases phases = FlightPhases.begin(FlightPhases.Operation.LIVE_UPDATE, id);
            machine.pause();
            try {
                phases.done(Phase.PAUSED.name());
                machine.stamp(timeline, Phase.PAUSED);
                machine.requireNotEnding();
                draft.complete();
                machine.devices.syncDisks();
                machine.devices.flushOutput(); // what waits here for a console's reader ends with this process
                restDevices();
                plan.saveRam(machine.ram, image, null);
                if (machine.raise == null) {
                    machine.raise = RamIdentity.Cause.WENT_ON;
                }
                machine.stamp(timeline, Phase.STATE_WRITTEN);
                phases.done(Phase.STATE_WRITTEN.name());
                preserveState(session, image);
                phases.done(Phase.STATE_PRESERVED.name());
                machine.preserved();
                ready = true;
            } catch (RuntimeException | Error e) {
                machine.devices.listen();
                if (ran) {
                    machine.resumeAfter(e);
                }
                throw e;
            }
        }
    }

    /** Of devices that are kept only the interrupts rest: no session keeps those. */
    private void restDevices() {
        Passthrough devices = machine.devices.passthrough();
        if (devices != null && keepsDevices) {
            devices.silence();
        } else if (devices != null) {
            devices.resetDevices();
        }
    }

    private void preserveState(Session session, StateImage image) {
        try (MemfdTarget target = MemfdTarget.create("holdover-state", image.size())) {
            target.publish(image);
            // The session has a reference of its own.
            try (Fd state = target.fd()) {
                session.preserve(state, Tokens.STATE);
                machine.stamp(image.timeline(), Phase.STATE_PRESERVED);
                machine.stamp(image.timeline(), Phase.READY);
                image.timeline().writeTo(state);
            }
        }
    }

    @Override
    public void aborted(String reason) {
        prepared = false;
        System.err.println("vmm: the live update was given up: " + reason);
        if (ready) {
            machine.unpreserved();
            ready = false;
            resumeOrTell();
        }
    }

    /** If the guest cannot run on, it stays paused, and its agent is not troubled: the next update finds it. */
    private void resumeOrTell() {
        try {
            machine.devices.listen();
            if (ran) {
                machine.resume();
            }
        } catch (RuntimeException | Error e) {
            String why = e instanceof VmmException || e instanceof ErrnoException ? e.getMessage() : e.toString();
            System.err.println(
                    "vmm: the guest " + id + " stays paused, cont on its control socket tries again: " + why);
        }
    }

    /**
     * A signal is to end this process. If the guest is ready for the next VMM, it must not run on here, nor must its
     * session be closed: this returns when the generation has turned with this process still there (back end hold) or the
     * update is aborted, unless the kernel or SIGKILL ends the process before. Under systemd a signal
     * that comes while a kexec is loaded is the word to preserve the guest, which its manager holds afterwards.
     */
    public void signalled() {
        if (agent instanceof SystemdAgent systemd) {
            if (ready || isKexecLoaded()) {
                try {
                    systemd.preserve();
                    System.err.println("vmm: the guest is preserved, systemd holds it");
                } catch (VmmException | ErrnoException e) {
                    System.err.println(
                            "vmm: the guest ends with its host, it could not be preserved: " + e.getMessage());
                }
            }
            return;
        }
        while (ready && !turned) {
            try {
                TimeUnit.MILLISECONDS.sleep(50);
            } catch (InterruptedException e) {
                // nobody does that here
            }
        }
    }

    private static boolean isKexecLoaded() {
        try {
            return Files.readString(Path.of("/sys/kernel/kexec_loaded")).startsWith("1");
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    public void turned() {
        machine.handedOver(null);
        turned = true;
        machine.leave();
    }

    /** Takes part in no more updates. A guest that is ready stays so. */
    @Override
    public void close() {
        agent.close();
    }
}
