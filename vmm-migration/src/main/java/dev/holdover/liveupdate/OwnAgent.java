package dev.holdover.liveupdate;

import dev.holdover.vmstate.TimelineEvent;
import java.util.List;

/**
 * An agent that announces no update: somebody tells the VMM (a signal, a control command), and it goes through the phases
 * on its own. One thread at a time.
 */
public abstract sealed class OwnAgent implements Agent permits DeviceAgent, SystemdAgent {
    private String id;
    private UpdateListener listener;
    private Session outgoing;
    private boolean preserved;

    OwnAgent() {}

    /** A new outgoing session, held by whoever holds it from now on. */
    abstract Session create(String id);

    /** The holder releases an outgoing session; the caller closes its own descriptor afterwards. */
    abstract void release(String id);

    /** Why no update would be possible now, as a sentence; null if nothing speaks against it. */
    abstract String lack();

    @Override
    public List<TimelineEvent> stamps() {
        return List.of();
    }

    @Override
    public void subscribe(String id, UpdateListener listener) {
        if (this.listener != null) {
            throw new IllegalStateException("subscribed already");
        }
        this.id = id;
        this.listener = listener;
        String lack = lack();
        if (lack != null) {
            System.err.println("vmm: this guest takes part in no update as things are: " + lack);
        }
    }

    /** The first phase, at any time before {@link #preserve}: RAM is preserved while the guest runs. */
    public void prepare() {
        if (outgoing != null) {
            return;
        }
        outgoing = create(id);
        run(listener::prepare);
    }

    /** The second phase: the guest is paused, all is preserved. Does the first, too, if that was left out. */
    public void preserve() {
        prepare();
        if (!preserved) {
            run(listener::preserve);
            preserved = true;
        }
    }

    @FunctionalInterface
    private interface Part {
        void run(Session session);
    }

    private void run(Part part) {
        try {
            part.run(outgoing);
        } catch (RuntimeException e) {
            abort(e.getMessage());
            throw e;
        }
    }

    /** Gives a session up that was begun; the guest runs on. Without one nothing happens. */
    public void abort(String reason) {
        if (outgoing == null) {
            return;
        }
        Session session = outgoing;
        outgoing = null;
        preserved = false;
        try {
            release(id);
        } finally {
            session.close();
            listener.aborted(reason);
        }
    }

    /** Keeps an outgoing session that is preserved open: it ends with the process or the kernel, not earlier. */
    @Override
    public void close() {
        if (outgoing != null && !preserved) {
            abort("the VMM ends");
        }
    }
}
