package dev.holdover.luod;

import dev.holdover.linux.Fd;
import dev.holdover.liveupdate.SessionException;

/** Who really keeps what sessions hold: the kernel, or luod itself. On luod's thread, but for {@link #turn}. */
sealed interface Backend extends AutoCloseable permits KernelBackend, HoldBackend {
    /** As {@code --backend} names it. */
    String name();

    /** A new outgoing session; {@link SessionException} EEXIST while one of that name is open anywhere. */
    Holding create(String session);

    /** An incoming session that luod does not have yet; {@link SessionException} ENOENT, EINVAL. */
    Holding retrieve(String session);

    /** A session that a client of that uid gives back after luod was started anew; takes the descriptor over. */
    Holding takeBack(String session, Fd given, int uid);

    /** What can be done for a turn before any guest stops. May block for long; on a thread of its own. */
    void settle();

    /** Why the generation cannot be turned, as a sentence; null if nothing speaks against it. */
    String whyNoTurn();

    /**
     * Ends this generation: all outgoing sessions become incoming ones. The kernel's does not return if it succeeds. May
     * block for long; on a thread of its own.
     *
     * @param registry what luod has to know afterwards
     * @param decision is asked last of all, right before nothing can be taken back
     * @throws dev.holdover.linux.VmmException if everything is as before
     */
    void turn(byte[] registry, TurnDecision decision);

    /** On luod's thread, if {@link #turn} returned: a session's part of it. */
    void turned(Holding outgoing);

    /** What the luod before the last kexec gave to {@link #turn}; null if there was none. Can be had once. */
    byte[] takeRegistry();

    @Override
    void close();
}
