package dev.holdover.benchmarks;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;

/** A VMM that boots and restores the counting guest in a process of its own. */
interface Contestant {
    /** What it is called in results. */
    String name();

    /** The command line and flags, for the page. */
    String detail();

    /**
     * A process, and what its guest writes.
     *
     * @param serial ends, or gives a zero, if the process ends without a word
     */
    record Started(Process process, InputStream serial) {}

    /** Boots the guest on RAM in a file. Returns as soon as the process is there. */
    Started boot(Path ram, int mib) throws IOException;

    /** Boots the guest, saves it to {@code state} and ends it. */
    void save(Path ram, int mib, Path state) throws IOException, InterruptedException;

    /** Restores the guest. Returns as soon as the process is there. */
    Started restore(Path ram, int mib, Path state) throws IOException;
}
