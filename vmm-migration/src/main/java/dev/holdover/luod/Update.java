package dev.holdover.luod;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Patience;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.SessionException;
import dev.holdover.liveupdate.SessionName;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One attempt to turn the generation, from the first PREPARE to the kexec or the abort. On luod's thread.
 *
 * <pre>
 * PREPARING   clients that know it preserve RAM while their guests run      until all are prepared
 * PRESERVING  all clients stop their guests and preserve the rest           until all are ready
 * TURNING     sync(2), reboot(2); the line before reboot(2) decides, see {@link TurnDecision}
 * </pre>
 */
public final class Update {
    /** A process that ends closes its connections before it has ended; freeing memory can be between. */
    private static final int EXIT_MILLIS = 3_000;

    enum Phase {
        PREPARING,
        PRESERVING,
        TURNING
    }

    /** How far a client has come. */
    enum Step {
        /** A plain client waits for the second phase. */
        WAITING,
        /** It is asked as soon as its last session's name is free. */
        NAME_TAKEN,
        PREPARING,
        PREPARED,
        PRESERVING,
        READY,
        /** Its connection is gone; whether its process has ended is found out. */
        ADRIFT
    }

    static final class Participant {
        final String id;
        final int uid;
        /** null once it is gone, which it may be when it is ready. */
        LuodClient client;

        Holding session;
        Step step = Step.WAITING;
        /** null unless it is {@link Step#ADRIFT}. */
        private Adrift adrift;

        private boolean wasReady;
        /** System.nanoTime() at which it counts as running. */
        private long exitDeadline;

        Participant(LuodClient client) {
            this.id = client.id;
            this.uid = client.peer.uid();
            this.client = client;
        }
    }

    final long number;
    private final Luod luod;
    private final boolean mayBeEmpty;
    private final Map<String, Participant> participants = new LinkedHashMap<>();
    private final TurnDecision decision = new TurnDecision();
    private Phase phase = Phase.PREPARING;
    /** All who had subscribed at the start have joined. */
    private boolean begun;
    /** System.nanoTime() at which this phase is aborted. */
    private long deadline;

    /** {@code mayBeEmpty}: the generation is to turn even if no client is left. */
    Update(Luod luod, long number, boolean mayBeEmpty) {
        this.luod = luod;
        this.mayBeEmpty = mayBeEmpty;
        this.number = number;
        deadline = System.nanoTime() + luod.prepareNanos();
    }

    Phase phase() {
        return phase;
    }

    TurnDecision decision() {
        return decision;
    }

    Participant participant(String id) {
        return participants.get(id);
    }

    /** A client takes part; {@code parked} is a session that it prepared with an earlier luod, or null. */
    void join(LuodClient client, Holding parked) {
        Participant before = participants.get(client.id);
        if (before != null || phase == Phase.TURNING) {
            if (parked != null) {
                parked.close();
            }
            throw new VmmException(client.id
                    + (before == null
                            ? " has subscribed when all others were ready: it would be lost"
                            : " has subscribed anew: its process runs on without the update"));
        }
        Participant participant = new Participant(client);
        participants.put(participant.id, participant);
        if (parked != null) {
            participant.session = parked;
            participant.step = Step.PREPARED;
            luod.progress(participant);
        }
        go();
    }

    /** Everybody has joined who is there. */
    void begin() {
        begun = true;
        go();
    }

    private Map<String, Object> members() {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("update", number);
        return members;
    }

    /** Asks whoever is to be asked now, and goes on if all have answered. */
    void go() {
        for (Participant participant : List.copyOf(participants.values())) {
            if (participant.step == Step.WAITING || participant.step == Step.NAME_TAKEN) {
                ask(participant);
            }
        }
        if (!begun) {
            return;
        }
        if (participants.isEmpty() && !mayBeEmpty) {
            throw new VmmException("all clients have ended, nothing would be kept; --force if that is meant");
        }
        if (phase == Phase.PREPARING && all(Step.PREPARED)) {
            phase = Phase.PRESERVING;
            deadline = System.nanoTime() + luod.readyNanos();
            for (Participant participant : List.copyOf(participants.values())) {
                preserve(participant);
            }
        }
        if (phase == Phase.PRESERVING && all(Step.READY)) {
            phase = Phase.TURNING;
            luod.turn(List.copyOf(participants.values()));
        }
    }

    /** Plain clients take no part in the first phase. */
    private boolean all(Step step) {
        for (Participant participant : participants.values()) {
            boolean plain = step == Step.PREPARED && participant.step == Step.WAITING;
            if (participant.step != step && !plain) {
                return false;
            }
        }
        return true;
    }

    /** The first word to a client. */
    private void ask(Participant participant) {
        LuodClient client = participant.client;
        if (client.isExtended()) {
            // A client that comes late preserves everything in both phases, with the others' guests stopped.
            if (create(participant)) {
                participant.step = Step.PREPARING;
                luod.progress(participant);
                client.send("PREPARE", members(), participant.session.lend(participant.uid));
            }
        } else if (phase == Phase.PRESERVING) {
            preserve(participant);
        }
    }

    private void preserve(Participant participant) {
        LuodClient client = participant.client;
        if (client.isExtended()) {
            if (participant.step == Step.PREPARED) {
                participant.step = Step.PRESERVING;
                luod.progress(participant);
                client.send("START_PRESERVATION", members(), null);
            }
        } else if (create(participant)) {
            participant.step = Step.PRESERVING;
            luod.progress(participant);
            client.send("START_PRESERVATION", Map.of(), participant.session.lend(participant.uid));
        }
    }

    /** Makes a client's session; false if its last one is still open somewhere, which may end soon. */
    private boolean create(Participant participant) {
        try {
            participant.session = luod.backend().create(SessionName.of(participant.id));
            return true;
        } catch (SessionException e) {
            if (e.errno() != Errno.EEXIST && e.errno() != Errno.EBUSY) {
                throw e;
            }
            if (participant.step != Step.NAME_TAKEN) {
                participant.step = Step.NAME_TAKEN;
                luod.progress(participant);
            }
            return false;
        }
    }

    void prepared(Participant participant) {
        if (participant.step != Step.PREPARING) {
            return;
        }
        participant.step = Step.PREPARED;
        luod.progress(participant);
        if (phase == Phase.PRESERVING) {
            preserve(participant);
        }
        go();
    }

    void ready(Participant participant) {
        if (participant.step != Step.PRESERVING) {
            return;
        }
        participant.step = Step.READY;
        luod.progress(participant);
        go();
    }

    /** A client's connection is gone, and its process has not ended yet: it may be about to. */
    void adrift(Participant participant, Adrift adrift) {
        participant.wasReady = participant.step == Step.READY;
        participant.adrift = adrift;
        participant.exitDeadline = System.nanoTime() + Patience.host().nanos(EXIT_MILLIS);
        participant.client = null;
        participant.step = Step.ADRIFT;
        decision.addDoubt();
        luod.progress(participant);
    }

    /**
     * Takes note of clients adrift that have ended; throws {@link VmmException} for one that has not in time. It has
     * taken the end of its connection as an abort, so its guest runs on.
     */
    private void awaitExits() {
        for (Participant participant : List.copyOf(participants.values())) {
            if (participant.step != Step.ADRIFT) {
                continue;
            }
            if (participant.adrift.hasExited()) {
                participant.step = participant.wasReady ? Step.READY : Step.WAITING;
                left(participant);
                decision.removeDoubt();
            } else if (System.nanoTime() - participant.exitDeadline >= 0) {
                throw new VmmException("the connection of " + participant.adrift.text()
                        + " is gone while its process runs on, with its guest");
            }
        }
    }

    /** A client has ended. If it was ready its guest goes along all the same; else its guest has ended with it. */
    void left(Participant participant) {
        if (participant.step == Step.READY) {
            participant.client = null;
            go();
            return;
        }
        participants.remove(participant.id);
        if (participant.session != null) {
            participant.session.close();
        }
        go();
    }

    /** Whether anything is overdue, as a sentence; null if not. Repeats what could not be done at once. */
    String tick() {
        awaitExits();
        if (phase == Phase.TURNING) {
            return null;
        }
        go();
        if (phase == Phase.TURNING || System.nanoTime() - deadline < 0) {
            return null;
        }
        List<String> late = new ArrayList<>();
        for (Participant participant : participants.values()) {
            if (participant.step == Step.NAME_TAKEN) {
                return "the last session of " + participant.id + " is still open in some process: end that";
            }
            if (participant.step != (phase == Phase.PREPARING ? Step.PREPARED : Step.READY)
                    && participant.step != Step.WAITING) {
                late.add(participant.id);
            }
        }
        return String.join(", ", late) + (phase == Phase.PREPARING ? " did not get prepared" : " did not get ready")
                + " in time";
    }

    /**
     * Aborts it. luod releases a session before it says so: when its client closes it, it is gone. A plain client
     * learns it by the end of the connection.
     */
    void abort(String reason) {
        Map<String, Object> members = members();
        members.put("reason", reason);
        for (Participant participant : List.copyOf(participants.values())) {
            participants.remove(participant.id);
            if (participant.session != null) {
                participant.session.close();
            }
            LuodClient client = participant.client;
            if (client != null && client.isExtended()) {
                client.send("ABORT", members, null);
            } else if (client != null && participant.session != null) {
                client.close();
            }
        }
    }

    /** All clients have done their part and the generation turned, in this kernel: they end, others will come. */
    void turned() {
        for (Participant participant : participants.values()) {
            if (participant.client != null) {
                participant.client.released = true;
            }
            if (participant.client != null && participant.client.isExtended()) {
                participant.client.send("TURNED", members(), null);
            }
        }
    }
}
