package dev.holdover.liveupdate;

/** Another process that holds an incoming session, which it could not restore a guest from. */
public interface Holder {
    /**
     * A descriptor of its session; it keeps its own. Blocks.
     *
     * @throws dev.holdover.linux.VmmException if it does not give it
     */
    Session claim();

    /** The session is finished: the guest runs here, and the other may end. Never throws. */
    void release();
}
