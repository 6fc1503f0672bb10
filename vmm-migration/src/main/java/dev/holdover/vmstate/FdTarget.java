package dev.holdover.vmstate;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A state in a file that somebody else opened, where there is no name to be changed: an older state in it is gone when
 * the writing begins. The magic number is zero meanwhile, and written last, so that half a state is none.
 */
public final class FdTarget extends StateTarget {
    private FdTarget(Fd fd) {
        super(fd.name(), fd);
    }

    /**
     * A target at the file's start.
     *
     * @param fd a regular file or memfd, writable, not for appending; stays the caller's
     */
    public static FdTarget of(Fd fd) {
        if (!fd.stat().isRegular()) {
            throw new VmmException("can't save to " + fd.name() + ": it is neither a regular file nor a memfd");
        }
        int flags = fd.statusFlags();
        if ((flags & Fd.O_APPEND) != 0) {
            throw new VmmException(
                    "can't save to " + fd.name() + ": it is open for appending; open it with <> instead");
        }
        if ((flags & Fd.O_ACCMODE) == Fd.O_RDONLY) {
            throw failure(fd.name(), new ErrnoException("write " + fd.name(), Errno.EBADF));
        }
        return new FdTarget(fd);
    }

    @Override
    void invalidate() {
        descriptor().writeFully(Arena.ofAuto().allocate(StateFormat.MAGIC_SIZE), 0);
        sync();
    }

    @Override
    void commit(StateImage image) {
        MemorySegment bytes = image.bytes();
        descriptor().writeFully(bytes.asSlice(StateFormat.MAGIC_SIZE), StateFormat.MAGIC_SIZE);
        descriptor().truncate(image.fileLength());
        sync();
        descriptor().writeFully(bytes.asSlice(0, StateFormat.MAGIC_SIZE), 0);
        sync();
    }

    private void sync() {
        ErrnoException.check("fdatasync " + name(), descriptor().tryDataSync());
    }

    /** Does nothing: the file is the caller's. */
    @Override
    public void close() {}
}
