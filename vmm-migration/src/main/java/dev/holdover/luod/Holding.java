package dev.holdover.luod;

import dev.holdover.linux.Fd;

/** A session that luod has a reference of its own to. On luod's thread. */
interface Holding extends AutoCloseable {
    /** A descriptor of the session for a client of that uid; the caller's. */
    Fd lend(int uid);

    /** Whether the VMM that put the files in has released it, as far as luod can tell. */
    boolean isFree();

    /** Releases it; with the last reference anywhere the session ends, and what is in it is freed. */
    @Override
    void close();
}
