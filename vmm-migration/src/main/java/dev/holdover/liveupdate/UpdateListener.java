package dev.holdover.liveupdate;

/**
 * A VMM's part in a live update. Called by one thread of the agent's at a time, in this order: prepare, preserve, then
 * turned or aborted; aborted may come after any of them.
 *
 * <p>What prepare or preserve throws gives the whole update up: the session is closed, and aborted is called.
 */
public interface UpdateListener {
    /** The guest runs on, and may take its time: its RAM is populated and put into the session. Blocks until that is done. */
    void prepare(Session session);

    /**
     * The guest is stopped, and the rest is put in. When it returns, the next VMM can restore the guest; this one keeps
     * it paused until aborted is called, whatever else happens. Without a prepare before, RAM is put in here.
     */
    void preserve(Session session);

    /** The session is closed: what was prepared is void, a guest that was stopped runs on. */
    void aborted(String reason);

    /** The session will be handed to another VMM under this kernel: this one ends without touching its guest. */
    void turned();
}
