package dev.holdover.machine;

import dev.holdover.handover.HandOverConnection;
import dev.holdover.handover.Message;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.SocketFile;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.OwnerWord;
import dev.holdover.serial.SerialBackend;
import dev.holdover.vmstate.StateImage;
import java.util.ArrayList;
import java.util.List;

/**
 * Hands a guest to another VMM process of this host, which stands by; the outgoing side. {@link TakeOver} is the other.
 *
 * <p>Order and reasons:
 *
 * <ol>
 *   <li>While the guest runs: the state is laid out in memory that both map, and all descriptors go over. The other side
 *       maps RAM, makes its VM, vCPUs and devices, waits for its JVM's compilers to come to rest, which would take the
 *       processors from both sides, and says so: nothing that takes long is left.
 *   <li>Input of the console rests, or its bytes would be read here after the state was taken; a client that came since
 *       the descriptors went over waits, for the other side.
 *   <li>The guest is paused; the state is completed where the other side finds it.
 *   <li>Devices of the host go on all the while. Their interrupts count until the other side listens: two VMs cannot.
 *   <li>The other side applies it, takes the owner word and lets the guest run; then this machine has ended.
 *   <li>Whatever goes wrong before that: this side keeps the owner word and the guest goes on here. If the word was taken,
 *       it never does, whatever else is lost.
 * </ol>
 *
 * <p>Disks need no sync: the host's page cache is the same for both.
 */
final class HandOver {
    static final String STATE = "state";
    static final String OWNER = "owner";
    static final String RAM = "ram";
    static final String CONTROL_LISTENER = "control-listener";

    private static final int PREPARE_MILLIS = 30_000;
    /**
     * The pause is limited: if the other side is silent, the guest resumes here. The limit decides
     * when this side stops waiting, never who has the guest: that is the owner word.
     */
    private static final int RUN_MILLIS = 2_000;

    private final Machine machine;
    private final HandOverConnection peer;
    private final int runMillis;
    private final int prepareMillis = Patience.host().millis(PREPARE_MILLIS);

    HandOver(Machine machine, HandOverConnection peer) {
        this(machine, peer, Patience.host().millis(RUN_MILLIS));
    }

    /** @param runMillis how long the other side may be silent when it has the state */
    HandOver(Machine machine, HandOverConnection peer, int runMillis) {
        this.machine = machine;
        this.peer = peer;
        this.runMillis = runMillis;
    }

    /**
     * Does it; the guest is no more this machine's if this returns. Blocks until the guest runs there.
     *
     * @param control the control socket's listener, which goes along; null for none
     * @throws VmmException why it was not done: the guest goes on here; or that it is lost
     */
    HandOverReport run(SocketFile control) {
        long start = System.nanoTime();
        FlightPhases phases = FlightPhases.begin(FlightPhases.Operation.HAND_OVER, machine.config.name());
        StateDraft draft = StateDraft.withRam(machine);
        try (Fd memory = Memfd.create("holdover-state", draft.size())) {
            Memfd.seal(memory, Memfd.F_SEAL_GROW | Memfd.F_SEAL_SHRINK | Memfd.F_SEAL_SEAL);
            try (Mapping mapping = Mapping.shared(memory, 0, draft.size());
                    OwnerWord owner = OwnerWord.create()) {
                StateImage image = draft.build(mapping.segment());
                image.seal();
                machine.devices.serial().holdClients();
                try {
                    peer.send(new Message.Offer(parts(memory, owner, control)));
                    requireAccepted(peer.receive(prepareMillis));
                    phases.done("OTHER_READY");
                    Crossed crossed;
                    synchronized (machine) {
                        crossed = cross(draft, image, owner, phases);
                    }
                    // Not under the lock: the other side may be stopped, and this machine is to be ended meanwhile.
                    Message.Running running =
                            crossed.running() != null ? crossed.running() : awaitTaker(crossed.unsure());
                    return report(crossed, running, image.size(), start);
                } finally {
                    letClientsIn();
                }
            }
        }
    }

    /** If the guest is still here. */
    private void letClientsIn() {
        synchronized (machine) {
            if (machine.state() != RunState.HANDED_OVER && !machine.isClosed()) {
                machine.devices.serial().resume();
            }
        }
    }

    private List<NamedFd> parts(Fd state, OwnerWord owner, SocketFile control) {
        List<NamedFd> parts = new ArrayList<>();
        parts.add(new NamedFd(STATE, "", state));
        parts.add(new NamedFd(OWNER, "", owner.fd()));
        for (Fd fd : machine.ram.fds()) {
            parts.add(new NamedFd(RAM, "", fd));
        }
        machine.devices.parts(parts);
        if (control != null) {
            parts.add(new NamedFd(
                    CONTROL_LISTENER, control.path(), control.listener().fd()));
        }
        return parts;
    }

    private void requireAccepted(Message answer) {
        if (answer == null) {
            throw new VmmException(
                    "the other VMM was not ready after " + Patience.text(prepareMillis) + ": the guest stays here");
        }
        if (answer instanceof Message.Refuse refuse) {
            throw new VmmException("the other VMM does not take the guest: " + refuse.why());
        }
        if (!(answer instanceof Message.Accept)) {
            throw new VmmException("the other VMM answered out of turn: the guest stays here");
        }
    }

    /** What is known when the guest is the other side's. */
    private record Crossed(Message.Running running, long pausedAt, long standing, long saved, Throwable unsure) {}

    /**
     * Stops the guest and gives it over; the machine is locked. When it returns, the guest is the other side's, and {@link
     * Crossed#running} is null if that has not said so yet.
     */
    private Crossed cross(StateDraft draft, StateImage image, OwnerWord owner, FlightPhases phases) {
        if (machine.state() == RunState.PRESERVED) {
            throw new VmmException("can't hand the guest over: it is preserved for a live update; give that up first");
        }
        if (machine.isClosed()) {
            throw new VmmException("can't hand the guest over: it has ended");
        }
        boolean ran = machine.state() == RunState.RUNNING;
        SerialBackend serial = machine.devices.serial();
        serial.suspendInput();
        long pausedAt = System.nanoTime();
        Crossed crossed;
        try {
            machine.stand();
            machine.devices.release();
            SerialBackend.Pending pending = serial.suspend();
            long standing = System.nanoTime();
            phases.done("PAUSED");
            machine.requireNotEnding();
            draft.complete();
            image.seal();
            long saved = System.nanoTime();
            phases.done("STATE_TAKEN");
            int raise = machine.raise == null ? 0 : machine.raise.code();
            peer.send(new Message.State(ran, raise, pending.input(), pending.output(), pausedAt));
            Message.Running running = requireRunning(peer.receive(runMillis), owner);
            phases.done("RUNNING_THERE");
            crossed = new Crossed(running, pausedAt, standing, saved, null);
        } catch (RuntimeException | Error e) {
            if (owner.keep()) {
                machine.tell();
                machine.devices.listen();
                if (ran) {
                    machine.resumeAfter(e);
                }
                throw e;
            }
            crossed = new Crossed(null, pausedAt, pausedAt, pausedAt, e);
        }
        serial.giveAway();
        machine.handedOver(null);
        return crossed;
    }

    private static HandOverReport report(Crossed crossed, Message.Running running, long size, long start) {
        return new HandOverReport(
                size,
                System.nanoTime() - start,
                crossed.standing() - crossed.pausedAt(),
                crossed.saved() - crossed.standing(),
                running.receivedNanos() - crossed.saved(),
                running.appliedNanos() - running.receivedNanos(),
                running.runningNanos() - running.appliedNanos());
    }

    private Message.Running requireRunning(Message answer, OwnerWord owner) {
        if (answer instanceof Message.Running running && owner.isTaken()) {
            return running;
        }
        if (answer instanceof Message.Refuse refuse) {
            throw new VmmException("the other VMM could not take the guest: " + refuse.why() + "; it goes on here");
        }
        throw new VmmException(
                answer == null
                        ? "the other VMM was silent for " + Patience.text(runMillis) + ": the guest goes on here"
                        : "the other VMM answered out of turn: the guest goes on here");
    }

    /** The guest is the other side's; what is left to find out is whether it runs. Waits for as long as that lives. */
    private Message.Running awaitTaker(Throwable why) {
        try {
            while (true) {
                Message answer = peer.receive(-1);
                if (answer instanceof Message.Running running) {
                    return running;
                }
                if (answer instanceof Message.Refuse refuse) {
                    throw new VmmException(refuse.why());
                }
            }
        } catch (RuntimeException e) {
            e.addSuppressed(why);
            VmmException lost = new VmmException(
                    "the other VMM took the guest and has not said since that it runs (" + e.getMessage()
                            + "): it never runs here again",
                    e);
            machine.handedOver(lost);
            throw lost;
        }
    }
}
