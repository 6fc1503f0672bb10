package dev.holdover.liveupdate;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Patience;
import dev.holdover.linux.SocketWait;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.wire.LuodProtocol;
import dev.holdover.liveupdate.wire.Reason;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Administration of luod, for root and the user that luod runs as. One call at a time; each blocks. */
public final class LuodControl implements AutoCloseable {
    private static final int ANSWER_MILLIS = 10_000;
    private static final int RETRY_MILLIS = 10;

    private final String path;
    private final LuodConnection luod;

    /** Connects; throws {@link VmmException} if luod is not there. */
    public LuodControl(String socket) {
        this(socket, SocketWait.upTo(Duration.ZERO));
    }

    /** Connects as soon as luod listens; throws {@link VmmException} if it does not. */
    public LuodControl(String socket, SocketWait wait) {
        path = socket;
        long deadline = System.nanoTime() + Patience.host().nanos(ANSWER_MILLIS);
        LuodConnection connected = null;
        while (connected == null) {
            try {
                connected = wait.connect(socket, () -> new LuodConnection(socket, null));
            } catch (ErrnoException e) {
                if (e.errno() != Errno.EAGAIN || System.nanoTime() - deadline > 0) {
                    throw new VmmException(
                            "cannot reach luod at " + socket + ", " + e.errno().name() + " ("
                                    + e.errno().text() + ")" + wait.told() + ": is ./vmm luod running?",
                            e);
                }
                awaitTurn();
            }
        }
        luod = connected;
    }

    /** Many others want to connect, too. */
    private static void awaitTurn() {
        try {
            Thread.sleep(RETRY_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VmmException("interrupted while connecting to luod", e);
        }
    }

    /**
     * How luod is.
     *
     * @param backend kernel or hold
     * @param phase IDLE, or what an update is at
     * @param clients how many have subscribed
     * @param waiting how many guests of the last update are not up again
     * @param obstacle why an update could not be done now, as a sentence; null for nothing
     */
    public record Status(String backend, String phase, long clients, long waiting, String obstacle) {}

    public Status status() {
        send("STATUS");
        try (LuodConnection.Event event = answer("status")) {
            Object obstacle = event.members().get("obstacle");
            return new Status(
                    event.text("backend"),
                    event.text("phase"),
                    number(event, "clients"),
                    number(event, "waiting"),
                    obstacle == null ? null : obstacle.toString());
        }
    }

    /**
     * A client or a session.
     *
     * @param id the client's
     * @param uid whose it is
     * @param pid its process; 0 if it waits for one
     * @param state SUBSCRIBED, how far it is in an update, ADRIFT if it runs and its connection is gone, or
     *     UNCLAIMED, CLAIMED for a guest of the last update
     */
    public record Entry(String id, long uid, long pid, String state) {}

    public List<Entry> list() {
        send("LIST");
        List<Entry> entries = new ArrayList<>();
        long deadline = answerDeadline();
        while (true) {
            try (LuodConnection.Event event = next("list", deadline)) {
                if (event.name().equals("END")) {
                    return entries;
                }
                if (event.name().equals("CLIENT") || event.name().equals("KEPT")) {
                    entries.add(new Entry(
                            event.text("id"), number(event, "uid"), number(event, "pid"), event.text("state")));
                }
            }
        }
    }

    private static long number(LuodConnection.Event event, String member) {
        return event.members().get(member) instanceof Long number ? number : 0;
    }

    /** Told how an update goes. */
    @FunctionalInterface
    public interface Progress {
        /** A client has come a step further: PREPARING, PREPARED, PRESERVING, READY, or waits: NAME_TAKEN, ADRIFT. */
        void step(String id, String step);
    }

    /**
     * Turns the generation. With the kernel's sessions it does not return if that succeeds: the kernel is another one then.
     * Ending the process before all clients are ready aborts it.
     *
     * @param force even if no client has subscribed, or one runs without a connection
     * @throws VmmException if it was refused or aborted; everything is as before
     */
    public void kexec(boolean force, Progress progress) {
        Map<String, Object> command = command("KEXEC");
        command.put("force", force);
        luod.send(command, null);
        while (true) {
            try (LuodConnection.Event event = next("kexec", Long.MAX_VALUE)) {
                switch (event.name()) {
                    case "PROGRESS" -> progress.step(event.text("id"), event.text("step"));
                    case "ABORTED" ->
                        throw new VmmException(
                                "the update was aborted, guests run on: " + Reason.of(event.text("reason")));
                    case "TURNED" -> {
                        return;
                    }
                    default -> {
                        // of a later version, or TURNING
                    }
                }
            }
        }
    }

    /** Ends an update that runs. */
    public void abort() {
        send("ABORT");
        answer("abort").close();
    }

    /** Discards a guest of the last update that is not restored, whose RAM is freed; or a client that is adrift. */
    public void discard(String id) {
        Map<String, Object> command = command("DISCARD");
        command.put("id", id);
        luod.send(command, null);
        answer("discard").close();
    }

    private static Map<String, Object> command(String name) {
        Map<String, Object> command = new LinkedHashMap<>();
        command.put("cmd", name);
        command.put("version", LuodProtocol.VERSION);
        return command;
    }

    private void send(String name) {
        luod.send(command(name), null);
    }

    private LuodConnection.Event answer(String what) {
        return next(what, answerDeadline());
    }

    private static long answerDeadline() {
        return System.nanoTime() + Patience.host().nanos(ANSWER_MILLIS);
    }

    private LuodConnection.Event next(String what, long deadline) {
        LuodConnection.Event event = luod.next(deadline);
        if (event == null) {
            throw new VmmException(
                    luod.isEnded()
                            ? "luod at " + path + " ended before it answered " + what
                            : "luod at " + path + " does not answer " + what + " within "
                                    + Patience.text(Patience.host().millis(ANSWER_MILLIS)));
        }
        if (event.name().equals("ERROR")) {
            throw LuodConnection.error("luod refuses " + what, event);
        }
        return event;
    }

    @Override
    public void close() {
        luod.close();
    }
}
