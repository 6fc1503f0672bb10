package dev.holdover.luod;

import java.util.ArrayList;
import java.util.List;

/** An incoming session: a guest that waits for its next VMM, or was handed to it and is not said to be up yet. */
final class Kept {
    final String id;
    /** Whose it is: the uid of the client that put it in. */
    final int uid;
    /** null before luod retrieved it. */
    Holding session;

    boolean claimed;
    /** Claimed by a client of the plain protocol, which cannot tell that it has finished. */
    boolean claimedPlain;
    /** Clients that claimed it before its last VMM released it. */
    final List<LuodClient> waiting = new ArrayList<>();

    Kept(String id, int uid, Holding session) {
        this.id = id;
        this.uid = uid;
        this.session = session;
    }
}
