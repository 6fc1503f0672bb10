package dev.holdover.luod;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileStat;
import dev.holdover.liveupdate.wire.ForeignFd;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/**
 * The files of one session that luod holds itself, with the kernel's rules for them. They are freed when nobody refers
 * to the session any more: neither luod nor a process that has one of its sockets.
 *
 * <p>Two differences: a file that the kernel preserves can no longer change its size; and iommufds and VFIO devices are
 * held, too, which no kernel preserves yet. A device that is held stays bound and goes on with what it was told to do.
 */
final class HeldFiles {
    /** As many files as one session takes; the kernel takes 630,000. */
    static final int MAX_FILES = 512;

    private enum Direction {
        OUTGOING,
        INCOMING,
        FINISHED
    }

    /** Which file a descriptor is one of. */
    record Inode(long device, long inode) {}

    private static final Path CHARACTER_DEVICES = Path.of("/sys/dev/char");

    final String name;
    /** Those that are in any session, of all sessions. */
    private final Set<Inode> preserved;

    private final Map<Long, Fd> files = new HashMap<>();
    private final Map<Long, Inode> inodes = new HashMap<>();
    private Direction direction = Direction.OUTGOING;

    HeldFiles(String name, Set<Inode> preserved) {
        this.name = name;
        this.preserved = preserved;
    }

    /** Takes the descriptor over unless it returns what is wrong. Asks no file's server. */
    Errno preserve(Fd fd, long token) {
        Errno refused = refusal(fd, token);
        if (refused != null) {
            return refused;
        }
        FileStat stat = fd.statUnsynced();
        files.put(token, fd);
        if (!stat.isCharacterDevice()) {
            inodes.put(token, inode(stat));
            preserved.add(inode(stat));
        }
        return null;
    }

    private Errno refusal(Fd fd, long token) {
        if (direction != Direction.OUTGOING) {
            return Errno.EINVAL;
        }
        if (files.containsKey(token)) {
            return Errno.EEXIST;
        }
        if (files.size() >= MAX_FILES) {
            return Errno.ENOSPC;
        }
        try {
            FileStat stat = fd.statUnsynced();
            if (stat.isCharacterDevice()) {
                return isPassthrough(stat) ? null : Errno.ENOENT;
            }
            if (!ForeignFd.isInMemory(fd)
                    || !stat.isRegular()
                    || stat.links() != 0
                    || !fd.fileSystem().isTmpfs()) {
                return Errno.ENOENT;
            }
            return preserved.contains(inode(stat)) ? Errno.EBUSY : null;
        } catch (ErrnoException e) {
            return e.errno();
        }
    }

    /**
     * Whether it is /dev/iommu or a VFIO device's node, whatever its name here. All iommufds are one inode, and nobody
     * opens a VFIO device twice: what such a descriptor refers to need not be compared.
     */
    private static boolean isPassthrough(FileStat stat) {
        try {
            Path device =
                    CHARACTER_DEVICES.resolve(stat.major() + ":" + stat.minor()).toRealPath();
            return device.endsWith(Path.of("misc", "iommu"))
                    || device.getParent().endsWith(Path.of("vfio-dev"));
        } catch (IOException e) {
            return false;
        }
    }

    private static Inode inode(FileStat stat) {
        return new Inode(stat.device(), stat.inode());
    }

    /** The file, still owned here; null if it cannot be had, and {@link #retrieveError} says why. */
    Fd retrieve(long token) {
        return direction == Direction.INCOMING ? files.get(token) : null;
    }

    Errno retrieveError() {
        return direction == Direction.OUTGOING ? Errno.EINVAL : Errno.ENOENT;
    }

    /** Returns null or what is wrong. */
    Errno finish() {
        if (direction == Direction.OUTGOING) {
            return Errno.EINVAL;
        }
        direction = Direction.FINISHED;
        free();
        return null;
    }

    boolean isFinished() {
        return direction == Direction.FINISHED;
    }

    /** The generation turns: what was put in can be had back. */
    void turn() {
        direction = Direction.INCOMING;
    }

    /** Closes all files. */
    void free() {
        for (Fd fd : files.values()) {
            fd.close();
        }
        preserved.removeAll(inodes.values());
        files.clear();
        inodes.clear();
    }
}
