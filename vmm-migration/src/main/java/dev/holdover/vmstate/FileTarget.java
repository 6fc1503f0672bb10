package dev.holdover.vmstate;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileNames;
import dev.holdover.linux.FileStat;
import dev.holdover.linux.VmmException;

/**
 * A state under a path: written beside as {@code PATH.part-RANDOM} with mode 0600, synced, renamed. Whoever opens the
 * path finds the old state or the new one, whole, whatever happens in between. A symbolic link is replaced, not
 * followed; what is neither a regular file nor new is refused.
 */
public final class FileTarget extends StateTarget {
    private static final int ATTEMPTS = 100;

    private final String path;
    private final String part;
    private final Fd directory;
    private boolean partExists = true;

    private FileTarget(String path, String part, Fd fd, Fd directory) {
        super(path, fd);
        this.path = path;
        this.part = part;
        this.directory = directory;
    }

    /**
     * Creates the file beside.
     *
     * @param size bytes that the state is going to have at least, which are reserved; {@link StateImage#size}
     */
    public static FileTarget create(String path, long size) {
        try {
            requireReplaceable(path);
            int slash = path.lastIndexOf('/');
            Fd directory = Fd.open(slash < 0 ? "." : path.substring(0, slash + 1), Fd.O_RDONLY | Fd.O_DIRECTORY);
            FileTarget target = createPart(path, directory);
            target.reserve(size);
            return target;
        } catch (ErrnoException e) {
            throw failure(path, e);
        }
    }

    private void reserve(long size) {
        long result = descriptor().tryAllocate(0, 0, size);
        // Others say that this file system cannot reserve; then the writing will tell.
        if (Errno.ENOSPC.is(result) || Errno.EDQUOT.is(result) || Errno.EFBIG.is(result)) {
            close();
            throw new ErrnoException("fallocate " + part, Errno.of(-result));
        }
    }

    private static void requireReplaceable(String path) {
        if (path.isEmpty() || path.endsWith("/")) {
            throw new ErrnoException("open " + path, path.isEmpty() ? Errno.ENOENT : Errno.EISDIR);
        }
        try (Fd old = Fd.open(path, Fd.O_PATH)) {
            FileStat stat = old.stat();
            if (stat.isDirectory()) {
                throw new ErrnoException("open " + path, Errno.EISDIR);
            }
            if (!stat.isRegular()) {
                // /dev/null, say: a rename would put a file in its place.
                throw new VmmException("can't save to " + path + ": it is no regular file; name one, or a new one");
            }
        } catch (ErrnoException e) {
            if (e.errno() != Errno.ENOENT) {
                throw e;
            }
        }
    }

    private static FileTarget createPart(String path, Fd directory) {
        long random = System.nanoTime() * 0x9E3779B97F4A7C15L
                ^ ProcessHandle.current().pid();
        for (int attempt = 1; ; attempt++) {
            String part = path + ".part-" + Integer.toHexString((int) (random >>> 32) + attempt);
            try {
                int flags = Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL | Fd.O_NOFOLLOW;
                return new FileTarget(path, part, Fd.open(part, flags, 0600), directory);
            } catch (ErrnoException e) {
                if (e.errno() != Errno.EEXIST || attempt == ATTEMPTS) {
                    directory.close();
                    throw e;
                }
            }
        }
    }

    @Override
    void commit(StateImage image) {
        Fd fd = descriptor();
        fd.writeFully(image.bytes(), 0);
        fd.sync();
        FileNames.rename(part, path);
        partExists = false;
        directory.sync();
    }

    @Override
    public void close() {
        if (partExists) {
            partExists = false;
            FileNames.tryUnlink(part);
        }
        descriptor().close();
        directory.close();
    }
}
