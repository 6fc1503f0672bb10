package dev.holdover.virtio;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileStat;
import dev.holdover.linux.VmmException;
import java.lang.foreign.MemorySegment;

/**
 * A disk's image, a file or a block device, opened and locked: by one VMM that writes or by several that read. The lock
 * belongs to the open file description, so it goes along when the descriptor is passed on.
 */
public class Disk implements AutoCloseable {
    public static final String NAME = "disk";

    static final int SECTOR = 512;

    private final Fd fd;
    private final long size;
    private final boolean readOnly;
    private final String path;
    private final DiskIdentity.Mark mark;

    /** Also for those whose I/O is another's, as of a disk that hangs. */
    Disk(Fd fd, String path, long size, boolean readOnly) {
        this.fd = fd;
        this.path = path;
        this.size = size;
        this.readOnly = readOnly;
        this.mark = new DiskIdentity.Mark(fd, size, readOnly);
    }

    /** Opens and locks it; VmmException that says what is wrong with it and what to do. */
    public static Disk open(DiskConfig config) {
        // O_NONBLOCK so that a FIFO does not block; it means nothing to files and block devices.
        int flags = (config.readOnly() ? Fd.O_RDONLY : Fd.O_RDWR) | Fd.O_NONBLOCK;
        Fd fd;
        try {
            fd = Fd.open(config.path(), flags);
        } catch (ErrnoException e) {
            throw new VmmException(
                    "cannot open disk " + config.path() + (config.readOnly() ? "" : " for writing") + ": "
                            + e.errno().name() + " (" + e.errno().text() + ")" + advice(e.errno(), config),
                    e);
        }
        try {
            return opened(fd, config);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** A disk that another process had open, with its lock; takes the descriptor over. */
    public static Disk adopt(Fd fd, DiskConfig config) {
        try {
            FileStat stat = fd.stat();
            return new Disk(fd, config.path(), stat.isRegular() ? stat.size() : fd.seekEnd(), config.readOnly());
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    private static String advice(Errno errno, DiskConfig config) {
        if (errno == Errno.ENOENT) {
            return "; an empty one is made by: truncate -s 1G " + config.path();
        }
        if (errno == Errno.EISDIR) {
            return "; give a raw image file or a block device";
        }
        boolean denied = errno == Errno.EACCES || errno == Errno.EPERM || errno == Errno.EROFS;
        if (denied && !config.readOnly()) {
            return "; change its permissions, or let the guest only read it with readonly=on";
        }
        return denied ? "; change its permissions" : "";
    }

    private static Disk opened(Fd fd, DiskConfig config) {
        FileStat stat = fd.stat();
        if (!stat.isRegular() && !stat.isBlockDevice()) {
            throw new VmmException(
                    "disk " + config.path() + " is a " + kind(stat) + "; give a raw image file or a block device");
        }
        long size = stat.isRegular() ? stat.size() : fd.seekEnd();
        if (size == 0) {
            throw new VmmException(
                    "disk " + config.path() + " is empty; give it a size, say with: truncate -s 1G " + config.path());
        }
        lock(fd, config);
        ImageFormat format = config.format() == DiskConfig.Format.RAW ? null : ImageFormat.of(fd, size);
        if (format != null) {
            throw new VmmException("disk " + config.path() + " is a " + format.text()
                    + " image, and would be given to the guest as if it were raw, which destroys it at the first write;"
                    + " convert it, say with: qemu-img convert -O raw " + config.path()
                    + " disk.img, or say format=raw if the guest is to have these bytes");
        }
        return new Disk(fd, config.path(), size, config.readOnly());
    }

    private static void lock(Fd fd, DiskConfig config) {
        if (config.locking() == DiskConfig.Locking.OFF) {
            return;
        }
        boolean locked;
        try {
            locked = fd.tryLock(!config.readOnly());
        } catch (ErrnoException e) {
            String why = "disk " + config.path() + " cannot be locked, "
                    + e.errno().name() + " (" + e.errno().text() + ")";
            if (config.locking() == DiskConfig.Locking.ON) {
                throw new VmmException(
                        why + "; its file system may have no locks: say locking=off if nothing else uses" + " the disk",
                        e);
            }
            System.err.println("vmm: " + why + ": nothing keeps another VMM from using it as well");
            return;
        }
        if (!locked) {
            throw new VmmException("disk " + config.path() + " is in use (by another process, or by another --disk)"
                    + (config.readOnly()
                            ? " and written to; stop that one first"
                            : "; stop that one first, or have both only read it with readonly=on"));
        }
    }

    private static String kind(FileStat stat) {
        if (stat.isDirectory()) {
            return "directory";
        }
        return stat.isCharacterDevice() ? "character device" : "FIFO or socket";
    }

    final Fd fd() {
        return fd;
    }

    /** preadv(2) at a byte; returns bytes, 0 at the image's end, or {@code -errno}. Blocks. */
    long tryRead(MemorySegment iovecs, int count, long at) {
        return fd.tryPreadv(iovecs, count, at);
    }

    /** pwritev(2) at a byte; returns bytes or {@code -errno}. Blocks. */
    long tryWrite(MemorySegment iovecs, int count, long at) {
        return fd.tryPwritev(iovecs, count, at);
    }

    /** fdatasync(2); returns 0 or {@code -errno}. Blocks. */
    long trySync() {
        return fd.tryDataSync();
    }

    /** What it is known again by. */
    final DiskIdentity.Mark mark() {
        return mark;
    }

    /** Bytes when it was opened. */
    final long size() {
        return size;
    }

    /** Sectors of 512 bytes; the last one may be there in part only. */
    final long sectors() {
        return (size + SECTOR - 1) / SECTOR;
    }

    final boolean isReadOnly() {
        return readOnly;
    }

    /** Its file's name without directories. */
    final String fileName() {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    @Override
    public final void close() {
        fd.close();
    }
}
