package dev.holdover.vmstate;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;

/**
 * A state in a memfd, for a live update to preserve. Sealed against growing and shrinking once it is published; not
 * against writing, for the timeline goes on.
 */
public final class MemfdTarget extends StateTarget {
    private boolean published;

    private MemfdTarget(Fd fd) {
        super(fd.name(), fd);
    }

    /** Creates the memfd, with room for {@code size} bytes ({@link StateImage#size}) to begin with. */
    public static MemfdTarget create(String name, long size) {
        try {
            return new MemfdTarget(Memfd.create(name, size));
        } catch (ErrnoException e) {
            throw failure("a memfd", e);
        }
    }

    /** The memfd; the caller's to close once it is published. */
    public Fd fd() {
        return descriptor();
    }

    @Override
    void commit(StateImage image) {
        descriptor().writeFully(image.bytes(), 0);
        descriptor().truncate(image.fileLength());
        Memfd.seal(descriptor(), Memfd.F_SEAL_GROW | Memfd.F_SEAL_SHRINK | Memfd.F_SEAL_SEAL);
        published = true;
    }

    /** Closes the memfd, unless it was published. */
    @Override
    public void close() {
        if (!published) {
            descriptor().close();
        }
    }
}
