package dev.holdover.machine;

import dev.holdover.handover.HandOverConnection;
import dev.holdover.handover.Message;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.SocketFile;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.OwnerWord;
import dev.holdover.memory.Ram;
import dev.holdover.memory.RamConfig;
import dev.holdover.memory.RamIdentity;
import dev.holdover.platform.MemoryMap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Takes a guest over from another VMM process of this host; the incoming side of {@link HandOver}, which has the order
 * and its reasons.
 *
 * <p>The state lies in memory that the other side still maps, so it is copied before it is checked.
 */
public final class TakeOver implements AutoCloseable {
    /** More than an image may have. */
    private static final long MAX_STATE = 64L << 20;

    private static final int READS = 30;
    /**
     * Compilers that take longer have more to do than the rehearsals gave them. No limit that anything fails at, so the
     * same on a slow host.
     */
    private static final int REST_MILLIS = 200;

    private static final int OFFER_MILLIS = 10_000;
    /** As long as the outgoing side may take to stop a guest whose disks are slow; its end is noticed at once. */
    private static final int STATE_MILLIS = 120_000;

    private final HandOverConnection peer;
    private final int offerMillis;
    private final int stateMillis;
    private final List<NamedFd> parts = new ArrayList<>();
    private Machine machine;
    private SocketFile control;
    private OwnerWord owner;
    private Mapping state;
    private MemorySegment copy;

    public TakeOver(HandOverConnection peer) {
        this(peer, Patience.host());
    }

    /** @param patience scales the limits for the other side's messages */
    TakeOver(HandOverConnection peer, Patience patience) {
        this.peer = peer;
        this.offerMillis = patience.millis(OFFER_MILLIS);
        this.stateMillis = patience.millis(STATE_MILLIS);
    }

    /**
     * Receives what is offered and makes everything that can be made while the guest runs elsewhere.
     *
     * @return the machine, not complete: to be listened to, and to be closed if {@link #run} fails
     * @throws VmmException why it is not possible; the other side was told
     */
    public Machine prepare() {
        try {
            peer.requireTrusted();
            Message first = peer.receive(offerMillis);
            if (!(first instanceof Message.Offer offer)) {
                throw new VmmException("no guest was offered after " + Patience.text(offerMillis));
            }
            parts.addAll(offer.parts());
            owner = OwnerWord.adopt(NamedFd.require(parts, HandOver.OWNER));
            try (Fd memory = NamedFd.require(parts, HandOver.STATE)) {
                state = mapState(memory);
            }
            String path = NamedFd.id(parts, HandOver.CONTROL_LISTENER);
            Fd listener = NamedFd.take(parts, HandOver.CONTROL_LISTENER);
            if (listener != null) {
                control = SocketFile.adopt(new UnixSocket(listener), path);
            }
            FlightPhases phases = FlightPhases.begin(FlightPhases.Operation.HAND_OVER, "");
            try (Incoming draft = Incoming.handedOver(copy())) {
                machine = Machine.prepare(
                        draft.config(), draft, takeRam(draft.config().ram()), parts);
            }
            machine.ramIdentity = machine.ram.identity();
            if (!parts.isEmpty()) {
                throw new VmmException("a descriptor was handed over that nothing here needs: "
                        + parts.getFirst().name());
            }
            for (int i = 0; i < READS; i++) {
                // The draft is a whole state: what reads it is compiled by the time that the guest waits for it.
                try (Incoming again = Incoming.handedOver(copy())) {
                    machine.rehearse(again);
                }
            }
            Compilers.awaitRest(REST_MILLIS);
            phases.named(machine.config.name());
            phases.done("PREPARED");
            peer.send(new Message.Accept());
            return machine;
        } catch (VmmException | ErrnoException e) {
            if (machine != null) {
                machine.close();
            }
            refuse(e);
            throw e;
        }
    }

    /** Maps the state. Where vm.memfd_noexec forbids memfds it is in a file without a name, which takes no seals. */
    static Mapping mapState(Fd memory) {
        long size = memory.stat().size();
        if (!Memfd.isSafeFromOthers(memory) || size <= 0 || size > MAX_STATE) {
            throw new VmmException("the state that is handed over is no memfd, sealed against being cut, and no file"
                    + " without a name on a tmpfs, of up to 64 MiB");
        }
        return Mapping.shared(memory, 0, size);
    }

    private MemorySegment copy() {
        if (copy == null) {
            copy = Arena.ofAuto().allocate(state.segment().byteSize(), 4096);
        }
        try {
            MemorySegment.copy(state.segment(), 0, copy, 0, copy.byteSize());
        } catch (InternalError e) { // the JVM's word for SIGBUS
            throw new VmmException("the state that is handed over was cut while it was read", e);
        }
        return copy;
    }

    private Ram takeRam(RamConfig config) {
        return Ram.adopt(config, NamedFd.takeAll(parts, HandOver.RAM), MemoryMap.LOW_RAM_END, MemoryMap.HIGH_RAM);
    }

    /** The machine, after {@link #prepare}; the caller's. */
    public Machine machine() {
        return machine;
    }

    /** The control socket that came along, null if there was none; the caller's. */
    public SocketFile takeControl() {
        SocketFile taken = control;
        control = null;
        return taken;
    }

    /**
     * Waits for the guest's state, and lets it run here. Once the guest is this side's, nothing throws.
     *
     * @throws VmmException why it does not run here; the other side keeps it
     */
    public void run() {
        try {
            Message message = peer.receive(stateMillis);
            long received = System.nanoTime();
            FlightPhases phases = FlightPhases.begin(FlightPhases.Operation.HAND_OVER, machine.config.name());
            if (!(message instanceof Message.State arrived)) {
                throw new VmmException("the guest's state did not come within " + Patience.text(stateMillis));
            }
            apply(RamIdentity.Cause.of(arrived.raise()));
            long applied = System.nanoTime();
            phases.done("STATE_APPLIED");
            if (!owner.take()) {
                throw new VmmException("the other VMM has kept the guest: it does not run here");
            }
            long running = enter(arrived, applied);
            tell(new Message.Running(received, applied, running));
            settle(arrived);
        } catch (VmmException | ErrnoException e) {
            refuse(e);
            throw e;
        }
    }

    /** Lets the guest run, which is nowhere else from here on: what fails is told, and nothing is undone. */
    private long enter(Message.State arrived, long applied) {
        try {
            machine.takeConsole(arrived.output());
            machine.devices.listen();
        } catch (RuntimeException | Error e) {
            trifle("not all of its devices came along", e);
        }
        long running = applied;
        try {
            if (arrived.runs()) {
                machine.resume();
                if (machine.awaitEntered()) {
                    running = machine.enteredNanos();
                }
            }
        } catch (RuntimeException | Error e) {
            trifle("it may be paused, then cont on its control socket lets it run", e);
        }
        return running;
    }

    /** What can wait takes the guest's processor only now. */
    private void settle(Message.State arrived) {
        try {
            machine.devices.settle();
            machine.takeInput(arrived.input());
        } catch (RuntimeException | Error e) {
            trifle("not all of its devices came along", e);
        }
    }

    private static void trifle(String what, Throwable why) {
        String reason =
                why instanceof VmmException || why instanceof ErrnoException ? why.getMessage() : why.toString();
        System.err.println("vmm: the guest is here now; " + what + ": " + reason);
    }

    private void apply(RamIdentity.Cause why) {
        try (Incoming incoming = Incoming.handedOver(copy())) {
            machine.complete(incoming, why);
        }
    }

    /** Gives the machine, which is paused again, the state that it came with: a rehearsal does. */
    void applyAgain() {
        apply(null);
    }

    /** The guest runs here: if the other side is gone, it need not know. */
    private void tell(Message running) {
        try {
            peer.send(running);
        } catch (RuntimeException | Error e) {
            trifle("the other VMM does not know it", e);
        }
    }

    private void refuse(RuntimeException why) {
        try {
            peer.send(new Message.Refuse(why.getMessage()));
        } catch (VmmException e) {
            why.addSuppressed(e);
        }
    }

    /** Releases what only the hand-over needed, the connection included; not of the machine. */
    @Override
    public void close() {
        peer.close();
        NamedFd.closeAll(parts);
        if (control != null) {
            control.giveAway();
        }
        if (state != null) {
            state.close();
        }
        if (owner != null) {
            owner.close();
        }
    }
}
