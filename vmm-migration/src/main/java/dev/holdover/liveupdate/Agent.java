package dev.holdover.liveupdate;

import dev.holdover.vmstate.TimelineEvent;
import java.util.List;

/** Who holds a guest's session while its VMM is away. Calls throw {@link SessionException} or VmmException. */
public sealed interface Agent extends AutoCloseable permits LuodAgent, OwnAgent {
    /** As {@code --live-update} names it. */
    String name();

    /**
     * The incoming session of an id; null only if the agent says that there is none. It stays claimable until
     * {@link #finish}, should this VMM end before. Blocks.
     */
    Session claim(String id);

    /** What it knows of when the update passed which phase, in their order; after {@link #claim}. */
    List<TimelineEvent> stamps();

    /** Finishes an incoming session, tells the agent, and closes it: the guest runs here. Blocks. */
    void finish(String id, Session incoming);

    /** From now on this VMM takes part in updates. Once. */
    void subscribe(String id, UpdateListener listener);

    /** Ends the subscription and its thread, after a call to the listener that runs. Leaves incoming sessions alone. */
    @Override
    void close();
}
