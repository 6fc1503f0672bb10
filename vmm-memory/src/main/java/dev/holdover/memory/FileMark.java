package dev.holdover.memory;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileSystem;
import dev.holdover.linux.VmmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The mark by which the guest RAM in a file is known again, a {@link RamIdentity} that is kept with the file.
 *
 * <p>It stands in the extended attribute {@value RamIdentity#ATTRIBUTE} where the file system keeps user attributes
 * (xattr(7); tmpfs and memfds since Linux 6.6, ext4, xfs, btrfs), else in a page that is appended to the file ({@link
 * MarkPage}). It stays where it is: as long as a file has such a page, the page counts, so that an attribute which the file
 * system hides at times (a mount with nouser_xattr) is never taken for the newer mark.
 *
 * <p>Stateless: what is read is what the file says now. The caller holds the file's lock.
 */
public final class FileMark {
    /** The extended attribute of one file; results are those of fgetxattr(2) and fsetxattr(2), or {@code -errno}. */
    interface Attribute {
        long tryGet(MemorySegment value);

        long trySet(MemorySegment value);
    }

    private record OfFile(Fd file) implements Attribute {
        @Override
        public long tryGet(MemorySegment value) {
            return file.tryGetAttribute(RamIdentity.ATTRIBUTE, value);
        }

        @Override
        public long trySet(MemorySegment value) {
            return file.trySetAttribute(RamIdentity.ATTRIBUTE, value);
        }
    }

    private final Fd file;
    private final long end;
    private final Attribute attribute;

    /**
     * The mark of a file.
     *
     * @param file stays the caller's
     * @param end where the guest's RAM ends in it, bytes
     */
    public FileMark(Fd file, long end) {
        this(file, end, new OfFile(file));
    }

    FileMark(Fd file, long end, Attribute attribute) {
        this.file = file;
        this.end = end;
        this.attribute = attribute;
    }

    /** What stands with the file; null if there is nothing. Blocks as pread(2) does. */
    public RamIdentity read() {
        MarkPage page = page();
        return page != null ? page.read() : readAttribute();
    }

    /**
     * Replaces what stands with the file. Where the file is on storage and an older mark stood there, the new one is on
     * storage when this returns: the guest's stores may outlive a crash of the host, and with them the older mark would come
     * back. So this blocks as fsync(2) does then.
     *
     * @return null if the mark is kept; else why the file cannot have one, the first part of a sentence. None stands then,
     *     so no state of the RAM is valid
     * @throws VmmException if an older mark stands and cannot be replaced: the guest must not run, as a state that names the
     *     older mark would still be accepted
     */
    public String write(RamIdentity identity) {
        MarkPage page = page();
        if (page != null) {
            requireReplaced(page.tryReplace(identity));
            sync();
            return null;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(RamIdentity.SIZE, 8);
            boolean stands = stands(attribute.tryGet(value));
            identity.encode(value);
            long result = attribute.trySet(value);
            if (stands) {
                requireReplaced(result);
                sync();
                return null;
            }
            // Also where attributes are kept but there is no room for one.
            return result == 0 ? null : append(identity);
        }
    }

    private RamIdentity readAttribute() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(RamIdentity.SIZE, 8);
            return attribute.tryGet(value) == RamIdentity.SIZE ? RamIdentity.decode(value) : null;
        }
    }

    /** Whether there is, or may be, an attribute: one that cannot be read counts. */
    private static boolean stands(long result) {
        return !Errno.ENODATA.is(result) && !Errno.EOPNOTSUPP.is(result);
    }

    private MarkPage page() {
        // A class less on the way to a guest in a file that has just its RAM.
        return file.stat().size() > end ? MarkPage.find(file, end) : null;
    }

    private String append(RamIdentity identity) {
        FileSystem fileSystem = file.fileSystem();
        if (!file.stat().isRegular()) {
            return file.name() + " is no regular file, and keeps no mark by which this RAM is known again";
        }
        if (fileSystem.isHugetlbfs()) {
            return file.name() + " lies on hugetlbfs, which keeps no mark by which this RAM is known again";
        }
        MarkPage next = MarkPage.next(file, end);
        if (fileSystem.isTmpfs() && next.end() > fileSystem.capacity()) {
            // The guest itself would lack the page.
            return "the file system of " + file.name()
                    + " has no page left beside this RAM for the mark by which it is known again";
        }
        long result = next.tryAppend(identity);
        return result == 0
                ? null
                : file.name() + " cannot be given a page for the mark by which this RAM is known again, "
                        + text(Errno.of(-result));
    }

    private void requireReplaced(long result) {
        if (result != 0) {
            throw notReplaced(Errno.of(-result));
        }
    }

    private VmmException notReplaced(Errno errno) {
        String advice = switch (errno) {
            case ENOSPC, EDQUOT -> "make room on its file system, or use another file";
            case EACCES, EPERM, EROFS -> "make it writable to you, or use another file";
            default -> "see the kernel's log, or use another file";
        };
        return new VmmException(
                "can't let the guest run: the older mark of the RAM in " + file.name() + " cannot be replaced, "
                        + text(errno) + ", and a state that names it would still be accepted: " + advice);
    }

    private static String text(Errno errno) {
        return errno.name() + " (" + errno.text() + ")";
    }

    private void sync() {
        FileSystem fileSystem = file.fileSystem();
        if (fileSystem.isTmpfs() || fileSystem.isHugetlbfs()) {
            return;
        }
        try {
            file.sync();
        } catch (ErrnoException e) {
            throw notReplaced(e.errno());
        }
    }
}
