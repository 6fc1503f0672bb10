package dev.holdover.liveupdate;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.wire.LuodProtocol;
import dev.holdover.liveupdate.wire.Reason;
import dev.holdover.vmstate.TimelineEvent;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A VMM as a client of luod, ours or another that speaks the plain protocol.
 *
 * <p>The subscription has a thread, which calls the listener. If luod goes away it connects again, waiting twice as long
 * each time, up to five seconds; a session of the kernel's that is prepared goes along, so that a luod started anew goes on
 * from there. If luod goes away after READY, the update is aborted.
 */
public final class LuodAgent implements Agent {
    private static final int CLAIM_MILLIS = 30_000;
    private static final int FIRST_WAIT_MILLIS = 50;
    private static final int LONGEST_WAIT_MILLIS = 5_000;

    private enum State {
        IDLE,
        PREPARED,
        READY
    }

    private final String path;
    private final int firstWaitMillis;
    private final EventFd wake = new EventFd();
    private Thread thread;
    private volatile boolean closing;
    private boolean closed;

    // Of the thread only.
    private String id;
    private UpdateListener listener;
    private State state = State.IDLE;
    private Session session;
    /** The update that luod numbered so; null if it gave no number. */
    private Long update;

    private boolean welcome;
    private boolean saidLost;

    /** What was claimed and is not finished. Guarded by this. */
    private Session claimed;

    private String claimedId;
    private List<TimelineEvent> stamps = List.of();

    public LuodAgent(String socket) {
        this(socket, FIRST_WAIT_MILLIS);
    }

    LuodAgent(String socket, int firstWaitMillis) {
        this.path = socket;
        this.firstWaitMillis = firstWaitMillis;
    }

    @Override
    public String name() {
        return "luod";
    }

    /** Waits up to 30 s ({@link Patience}: longer on a slow host) for luod to be there, for it may be started after its clients, and to answer. */
    @Override
    public Session claim(String id) {
        SessionName.of(id); // tells what is wrong with it before luod does
        long deadline = System.nanoTime() + Patience.host().nanos(CLAIM_MILLIS);
        int wait = firstWaitMillis;
        while (true) {
            try {
                return tryClaim(id, deadline);
            } catch (ErrnoException e) {
                if (System.nanoTime() - deadline > 0) {
                    throw new VmmException(
                            "cannot reach luod at " + path + ", " + e.errno().name() + " ("
                                    + e.errno().text() + "): is ./vmm luod running?",
                            e);
                }
            } catch (SessionException e) {
                // Another process has /dev/liveupdate, for a moment as luod would.
                if (e.errno() != Errno.EBUSY || System.nanoTime() - deadline > 0) {
                    throw e;
                }
            }
            sleep(wait);
            wait = Math.min(2 * wait, LONGEST_WAIT_MILLIS / 10);
        }
    }

    @Override
    public synchronized List<TimelineEvent> stamps() {
        return stamps;
    }

    private Session tryClaim(String id, long deadline) {
        try (LuodConnection luod = new LuodConnection(path, null)) {
            luod.send(command("CLAIM", id), null);
            while (true) {
                LuodConnection.Event event = luod.next(deadline);
                if (event == null && luod.isEnded()) {
                    throw new VmmException(
                            "luod at " + path + " closed the connection instead of answering the claim of " + id
                                    + ": whether it has a session for it is unknown; its messages may tell why");
                }
                if (event == null) {
                    throw new VmmException("luod at " + path + " does not hand out the session of " + id + " within "
                            + Patience.text(Patience.host().millis(CLAIM_MILLIS))
                            + ": is the VMM that preserved it still there?");
                }
                if (event.fd() != null) {
                    Session came = Session.of(event.fd().renamed("the session of " + id));
                    synchronized (this) {
                        claimed = came;
                        claimedId = id;
                        stamps = LuodProtocol.stampsOf(event.members().get("stamps"));
                    }
                    return came;
                }
                if (event.name().equals("NO_SESSION")) {
                    return null;
                }
                if (event.name().equals("ERROR")) {
                    throw LuodConnection.error("luod does not hand out the session of " + id, event);
                }
            }
        }
    }

    private static void sleep(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VmmException("interrupted while waiting for luod", e);
        }
    }

    /** If luod cannot be told, it believes that the guest still waits, and refuses the next update until it is told. */
    @Override
    public void finish(String id, Session incoming) {
        incoming.finish();
        synchronized (this) {
            claimed = null;
        }
        incoming.close();
        try (LuodConnection luod = new LuodConnection(path, null)) {
            luod.send(command("FINISHED", id), null);
        } catch (ErrnoException e) {
            System.err.println("vmm: luod at " + path + " is not there to be told that " + id + " runs ("
                    + e.errno().name() + "); before the next update say ./vmm luoctl discard " + id);
        }
    }

    @Override
    public void subscribe(String id, UpdateListener listener) {
        if (thread != null) {
            throw new IllegalStateException("subscribed already");
        }
        SessionName.of(id);
        this.id = id;
        this.listener = listener;
        thread = new Thread("live update") {
            @Override
            public void run() {
                follow();
            }
        };
        thread.setDaemon(true);
        thread.start();
    }

    private static Map<String, Object> command(String name, String id) {
        Map<String, Object> command = new LinkedHashMap<>();
        command.put("cmd", name);
        command.put("id", id);
        command.put("version", LuodProtocol.VERSION);
        return command;
    }

    private void follow() {
        int wait = firstWaitMillis;
        while (!closing) {
            welcome = false;
            String why;
            try (LuodConnection luod = new LuodConnection(path, wake)) {
                why = serve(luod);
            } catch (ErrnoException | VmmException e) {
                why = e.getMessage();
            }
            if (closing) {
                break;
            }
            lost(why);
            wait = welcome ? firstWaitMillis : Math.min(2 * wait, LONGEST_WAIT_MILLIS);
            pause(wait);
        }
        // Prepared only: aborted. Ready: it goes along, whatever becomes of this process.
        if (session != null && state != State.READY) {
            session.close();
        }
    }

    private void pause(int millis) {
        try {
            synchronized (wake) {
                if (!closing) {
                    wake.wait(millis);
                }
            }
        } catch (InterruptedException e) {
            closing = true;
        }
    }

    /** luod is gone. What a luod started anew can go on from is kept. */
    private void lost(String why) {
        if (!saidLost) {
            System.err.println(
                    "vmm: luod at " + path + " is not there, this guest takes part in no update until it is: " + why);
            saidLost = true;
        }
        if (session != null && !(state == State.PREPARED && session instanceof KernelSession)) {
            abort("luod has closed the connection");
        }
    }

    /** Speaks with luod until the connection ends; returns why it did. */
    private String serve(LuodConnection luod) {
        Fd prepared = session == null ? null : session.fd().dup();
        luod.send(command("SUBSCRIBE", id), prepared);
        giveBackClaimed(luod);
        while (!closing) {
            LuodConnection.Event event = luod.next(Long.MAX_VALUE);
            if (event == null) {
                return "it closed the connection";
            }
            String refused = handle(luod, event);
            if (refused != null) {
                return refused;
            }
        }
        return "this client ends";
    }

    /** A luod started anew has no reference to it, and this process may end before it is finished. */
    private void giveBackClaimed(LuodConnection luod) {
        Fd incoming = null;
        synchronized (this) {
            if (claimed instanceof KernelSession) {
                incoming = claimed.fd().dup();
            }
        }
        if (incoming != null) {
            luod.send(command("CLAIMED", claimedId), incoming);
        }
    }

    /** Returns null, or why this connection is of no use. */
    private String handle(LuodConnection luod, LuodConnection.Event event) {
        Fd fd = event.fd();
        switch (event.name()) {
            case "SUBSCRIBED" -> {
                welcome = true;
                if (saidLost) {
                    System.err.println("vmm: luod at " + path + " is there again");
                    saidLost = false;
                }
            }
            case "PREPARE" -> {
                begin(event);
                fd = null;
                if (session == null) {
                    fail(luod, "PREPARE came without a session");
                } else if (attempt(luod, true)) {
                    state = State.PREPARED;
                    answer(luod, "PREPARED");
                }
            }
            case "START_PRESERVATION", "PRESERVATION_REQUEST" -> {
                welcome = true;
                if (fd != null) {
                    begin(event);
                    fd = null;
                }
                if (state == State.READY) {
                    // The other of the two names came first, with the session.
                } else if (session != null) {
                    Long number = number(event);
                    if (number != null) {
                        update = number;
                    }
                    if (attempt(luod, false)) {
                        state = State.READY;
                        answer(luod, "READY");
                    }
                } else if (event.name().equals("START_PRESERVATION")) {
                    fail(luod, "START_PRESERVATION came without a session");
                }
            }
            case "ABORT" -> {
                Long number = number(event);
                if (session != null && (number == null || number.equals(update))) {
                    abort(Reason.of(event.text("reason")));
                }
            }
            case "TURNED" -> {
                if (state == State.READY) {
                    Session over = session;
                    session = null;
                    state = State.IDLE;
                    listener.turned();
                    over.close();
                }
            }
            case "ERROR" -> {
                if (!welcome) {
                    return Reason.of(event.text("desc"));
                }
                System.err.println("vmm: luod at " + path + ": " + Reason.of(event.text("desc")));
            }
            default -> {
                // of a later version
            }
        }
        if (fd != null) {
            fd.close();
        }
        return null;
    }

    /** Of the update that an event belongs to; null if it gives none. */
    private static Long number(LuodConnection.Event event) {
        return event.members().get("update") instanceof Long number ? number : null;
    }

    /** Takes the session of a new update, in place of an old one. */
    private void begin(LuodConnection.Event event) {
        if (session != null) {
            abort("luod began another update");
        }
        update = number(event);
        if (event.fd() != null) {
            session = Session.of(event.fd().renamed("the session of " + id));
        }
    }

    private boolean attempt(LuodConnection luod, boolean first) {
        try {
            if (first) {
                listener.prepare(session);
            } else {
                listener.preserve(session);
            }
            return true;
        } catch (VmmException | ErrnoException e) {
            fail(luod, e.getMessage());
        } catch (RuntimeException e) {
            fail(luod, "a bug of this VMM: " + e);
        }
        return false;
    }

    private void answer(LuodConnection luod, String command) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("cmd", command);
        if (update != null) {
            answer.put("update", update);
        }
        luod.send(answer, null);
    }

    private void fail(LuodConnection luod, String reason) {
        abort(reason);
        Map<String, Object> failed = new LinkedHashMap<>();
        failed.put("cmd", "FAILED");
        if (update != null) {
            failed.put("update", update);
        }
        failed.put("reason", Reason.of(reason));
        luod.send(failed, null);
    }

    private void abort(String reason) {
        if (session != null) {
            session.close();
            session = null;
        }
        state = State.IDLE;
        listener.aborted(reason);
    }

    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        closing = true;
        wake.signal();
        synchronized (wake) {
            wake.notifyAll();
        }
        Thread running = thread;
        if (running != null && running != Thread.currentThread()) {
            boolean interrupted = false;
            while (running.isAlive()) {
                try {
                    running.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            wake.close();
        }
        if (running == null) {
            wake.close();
        }
    }
}
