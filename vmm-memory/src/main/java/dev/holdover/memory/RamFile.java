package dev.holdover.memory;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileStat;
import dev.holdover.linux.FileSystem;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.VmmException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The file of {@code mem-path=}: opened or created, locked, sized and checked, but not mapped.
 *
 * <p>As in QEMU: a missing file is created, but with mode 0600, since it holds all that its guest knows; an empty one is given the size it needs; any
 * other must hold offset + size bytes, more is left alone; a directory is given a file without a name. Beyond QEMU: the
 * file is locked (fcntl(2) F_OFD_SETLK), so that no two VMMs run guests on the same RAM, and a file that was created is
 * deleted again if the VMM fails before its guest has run.
 */
final class RamFile implements AutoCloseable {
    private final String path;
    private final Fd fd;
    private final boolean created;
    private FileSystem fileSystem;
    private long pageSize = RamConfig.PAGE;
    private boolean device;
    private long deviceSize;
    private boolean lockedOut;

    private RamFile(String path, Fd fd, boolean created) {
        this.path = path;
        this.fd = fd;
        this.created = created;
    }

    /** Opens the file of a configuration and makes it ready to be mapped. Blocks as open(2) does. */
    static RamFile open(RamConfig config, FdSets fdsets) {
        RamFile file = open(config.memPath(), fdsets, config.share());
        try {
            file.prepare(config);
            return file;
        } catch (RuntimeException e) {
            file.discard();
            throw e;
        }
    }

    private static RamFile open(String path, FdSets fdsets, boolean share) {
        String failure = "can't open backing store " + path + " for guest RAM: ";
        try {
            return FdSets.isFdSet(path) ? new RamFile(path, ofFdSet(path, fdsets, share), false) : openOrCreate(path);
        } catch (ErrnoException e) {
            String advice = switch (e.errno()) {
                case ENOENT -> "; does its directory exist?";
                case EACCES, EPERM -> "; it must be open to you for reading and writing";
                default -> "";
            };
            throw new VmmException(failure + e.errno().name() + " (" + e.errno().text() + ")" + advice, e);
        } catch (VmmException e) {
            throw new VmmException(failure + e.getMessage(), e);
        }
    }

    /**
     * A descriptor of an fdset. It shares its open file description with whoever passed it in, and so with every VMM that
     * has been given it: a lock on that would keep none of them out. So it is opened anew, where that is possible; unless
     * whoever passed it in has locked it, and keeps others out himself.
     */
    private static Fd ofFdSet(String path, FdSets fdsets, boolean share) {
        Fd passed = fdsets.open(path, Fd.O_RDWR);
        Fd own = passed.tryReopen(Fd.O_RDWR);
        if (own == null) {
            return passed;
        }
        try {
            if (!own.tryLock(share) && passed.tryLock(share)) {
                own.close();
                return passed;
            }
        } catch (ErrnoException e) {
            // no locks here, as prepare() will tell
        }
        passed.close();
        return own;
    }

    private static RamFile openOrCreate(String path) {
        try {
            return new RamFile(path, Fd.open(path, Fd.O_RDWR), false);
        } catch (ErrnoException e) {
            if (e.errno() == Errno.EISDIR) {
                return new RamFile(path, temporary(path), false);
            } else if (e.errno() != Errno.ENOENT) {
                throw e;
            }
        }
        try {
            return new RamFile(path, Fd.open(path, Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL, 0600), true);
        } catch (ErrnoException e) {
            if (e.errno() != Errno.EEXIST) {
                throw e;
            }
            // Somebody else has just made it; or it is a link to nowhere, which this open refuses with ENOENT.
            return new RamFile(path, Fd.open(path, Fd.O_RDWR), false);
        }
    }

    /** A file without a name in a directory; a live update can take it if the directory lies on a tmpfs. */
    private static Fd temporary(String directory) {
        try {
            return Fd.open(directory, Fd.O_RDWR | Fd.O_TMPFILE, 0600);
        } catch (ErrnoException e) {
            if (e.errno() != Errno.EOPNOTSUPP && e.errno() != Errno.EISDIR) {
                throw e;
            }
        }
        // A file system without O_TMPFILE: the name lives for a moment only.
        String path = directory + "/holdover-ram-" + ProcessHandle.current().pid() + "-" + System.nanoTime();
        Fd fd = Fd.open(path, Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL, 0600);
        delete(path);
        return fd;
    }

    /** A file that is handed over, with its lock, which belongs to the open file description. */
    static RamFile adopt(RamConfig config, Fd fd) {
        RamFile file = new RamFile(config.memPath(), fd, false);
        try {
            if (file.check(config) == 0 && !file.device) {
                throw new VmmException("guest RAM file " + config.memPath() + " that is handed over is empty");
            }
            return file;
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    private void prepare(RamConfig config) {
        lock(config.share());
        long size = check(config);
        if (size == 0 && !device) {
            resize(config.offset() + config.size());
        }
    }

    /** What kind of file it is, and whether RAM fits it; an empty one does. Returns its size. */
    private long check(RamConfig config) {
        fileSystem = fd.fileSystem();
        FileStat stat = fd.stat();
        long size = stat.size();
        if (stat.isRegular()) {
            if (fileSystem.isHugetlbfs()) {
                pageSize = fileSystem.blockSize();
            }
        } else if (stat.isCharacterDevice()) {
            device = true;
            String sysfs = "/sys/dev/char/" + stat.major() + ":" + stat.minor();
            requireDax(sysfs);
            size = attribute(sysfs + "/size");
            deviceSize = size;
            pageSize = attribute(sysfs + "/align");
        } else {
            throw notMemory();
        }
        requireMultiple("size", config.size());
        requireMultiple("offset", config.offset());
        long needed = config.offset() + config.size();
        if (!device && (fileSystem.isTmpfs() || fileSystem.isHugetlbfs())) {
            requireRoom(config.size(), needed);
        }
        if (size < needed && (size > 0 || device)) {
            throw new VmmException("backing store size 0x" + Long.toHexString(size)
                    + " is too small for 'size' option 0x" + Long.toHexString(config.size())
                    + " plus 'offset' option 0x" + Long.toHexString(config.offset()) + ": give " + path
                    + " that size, or the guest less RAM");
        }
        return size;
    }

    private VmmException notMemory() {
        return new VmmException("can't use backing store " + path
                + " for guest RAM: it is neither a regular file nor a directory nor a DAX device");
    }

    private void requireDax(String sysfs) {
        try {
            if (Files.readSymbolicLink(Path.of(sysfs, "subsystem")).endsWith("dax")) {
                return;
            }
        } catch (IOException e) {
            // a device that sysfs does not know is no DAX device
        }
        throw notMemory();
    }

    private long attribute(String sysfs) {
        try {
            return Long.parseLong(Files.readString(Path.of(sysfs)).trim());
        } catch (IOException | NumberFormatException e) {
            throw new VmmException("can't use DAX device " + path + " for guest RAM: cannot read " + sysfs, e);
        }
    }

    private void requireMultiple(String option, long value) {
        if (value % pageSize != 0) {
            throw new VmmException("'" + option + "' option 0x" + Long.toHexString(value)
                    + " must be a multiple of the page size 0x" + Long.toHexString(pageSize) + " of " + path);
        }
    }

    /** What lies in memory must fit into it; a tmpfs too small for RAM would be met as SIGBUS in the running guest. */
    private void requireRoom(long size, long needed) {
        Ram.requireHostMemory(size);
        if (needed > fileSystem.capacity()) {
            throw new VmmException("guest RAM of " + ByteSize.text(needed) + " does not fit the file system of " + path
                    + ", which holds " + ByteSize.text(fileSystem.capacity())
                    + ": mount it with a larger size=, or use backend=memfd");
        }
    }

    /** Exclusively if the guest's stores reach the file, else against those whose do. */
    private void lock(boolean share) {
        try {
            if (!fd.tryLock(share)) {
                lockedOut = true;
                throw new VmmException("guest RAM file " + path
                        + " is in use by another VMM, or as another guest RAM of this one (its lock is held): end that"
                        + " one first, or use another file; a file holds one guest's RAM only");
            }
        } catch (ErrnoException e) {
            System.err.println("vmm: guest RAM file " + path + " cannot be locked, "
                    + e.errno().name() + " (" + e.errno().text()
                    + "): nothing keeps another VMM from using it as well");
        }
    }

    private void resize(long needed) {
        try {
            fd.truncate(needed);
        } catch (ErrnoException e) {
            throw new VmmException(
                    "can't give backing store " + path + " the size of guest RAM, " + ByteSize.text(needed) + ": "
                            + e.errno().name() + " (" + e.errno().text() + ")",
                    e);
        }
    }

    Fd fd() {
        return fd;
    }

    /** Bytes that the mapping's address and size must be a multiple of. */
    long pageSize() {
        return pageSize;
    }

    boolean isDevice() {
        return device;
    }

    /**
     * Where a DAX device says which RAM it holds: its last 4 KiB, in a mapping of as little as it allows; null if guest RAM
     * reaches that far.
     */
    Mapping mapLabel(RamConfig config) {
        long last = (deviceSize / pageSize - 1) * pageSize;
        return config.offset() + config.size() <= last ? Mapping.file(fd, last, pageSize, pageSize, true, true) : null;
    }

    /** Whether its pages are ordinary memory, which huge pages can be asked for. */
    boolean isTmpfs() {
        return !device && fileSystem.isTmpfs();
    }

    /** Whether its pages are written back to storage. */
    boolean isOnStorage() {
        return !device && !fileSystem.isTmpfs() && !fileSystem.isHugetlbfs();
    }

    /** As {@link Ram#whyLost}. */
    String whyLost(long needed) {
        if (device) {
            return null;
        }
        long size = fd.stat().size();
        if (size < needed) {
            return "guest RAM file " + path + " was cut to " + size + " bytes (needs " + needed
                    + "): the guest cannot go on";
        }
        if (fd.fileSystem().isFull()) {
            return "the file system of guest RAM file " + path
                    + " is full, it has no page left for the guest: the guest cannot go on";
        }
        return null;
    }

    /** Closes the file, and deletes it if it was created here; unless another VMM was faster to lock it. */
    void discard() {
        if (created && !lockedOut) {
            delete(path);
        }
        fd.close();
    }

    private static void delete(String path) {
        try {
            Files.deleteIfExists(Path.of(path));
        } catch (IOException e) {
            // the failure that made it useless is told already
        }
    }

    @Override
    public void close() {
        fd.close();
    }
}
