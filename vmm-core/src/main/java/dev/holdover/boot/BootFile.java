package dev.holdover.boot;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileStat;
import dev.holdover.linux.VmmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;

/**
 * A file of the user's that goes into the guest: opened and measured, its head at hand for whoever looks for a header.
 * The bulk is read straight into guest RAM. One thread; whoever opens it closes it.
 */
final class BootFile implements AutoCloseable {
    /** Enough for every header that is looked for: multiboot 2 has the longest way, 32 KiB. */
    static final int HEAD_SIZE = 32768;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path path;
    private final Fd fd;
    private final long size;
    private final Arena arena = Arena.ofConfined();
    private MemorySegment head;

    private BootFile(Path path, Fd fd, long size) {
        this.path = path;
        this.fd = fd;
        this.size = size;
    }

    /** Opens a regular file that is not empty; throws {@link VmmException} for what is not one, or cannot be read. */
    static BootFile open(Path path) {
        Fd fd;
        try {
            // Nobody may write to a FIFO of that name: do not wait for it.
            fd = Fd.open(path.toString(), Fd.O_RDONLY | Fd.O_NONBLOCK);
        } catch (ErrnoException e) {
            throw new VmmException(
                    path + ": cannot be opened: " + e.errno() + " (" + e.errno().text() + ")", e);
        }
        try {
            FileStat stat = fd.stat();
            if (!stat.isRegular()) {
                throw new VmmException(
                        path + (stat.isDirectory() ? ": is a directory" : ": is not a regular file") + "; name a file");
            }
            if (stat.size() == 0) {
                throw new VmmException(path + ": is empty (0 bytes)");
            }
            return new BootFile(path, fd, stat.size());
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** The file's size in bytes, more than 0. */
    long size() {
        return size;
    }

    /** The last part of its path. */
    String name() {
        return path.getFileName().toString();
    }

    /** The refusal of this file: a sentence that begins with its path. */
    VmmException refuse(String reason) {
        return new VmmException(path + ": " + reason);
    }

    /** The file's first bytes, {@link #HEAD_SIZE} or all. */
    MemorySegment head() {
        if (head == null) {
            MemorySegment bytes = arena.allocate(Math.min(size, HEAD_SIZE));
            read(0, bytes);
            head = bytes;
        }
        return head;
    }

    private void requireInHead(long offset, int length) {
        if (offset > head().byteSize() - length) {
            throw refuse("is cut off: it has " + size + " bytes, and its header goes on to byte " + (offset + length));
        }
    }

    /** An unsigned byte of the head. */
    int u8(long offset) {
        requireInHead(offset, 1);
        return head.get(ValueLayout.JAVA_BYTE, offset) & 0xff;
    }

    /** A little-endian unsigned 16-bit number of the head. */
    int u16(long offset) {
        requireInHead(offset, 2);
        return head.get(SHORT, offset) & 0xffff;
    }

    /** A little-endian unsigned 32-bit number of the head. */
    long u32(long offset) {
        requireInHead(offset, 4);
        return head.get(INT, offset) & 0xffffffffL;
    }

    /** A little-endian 64-bit number of the head. */
    long u64(long offset) {
        requireInHead(offset, 8);
        return head.get(LONG, offset);
    }

    /** Whether the file holds this little-endian 32-bit number there, within its head. */
    boolean has32(long offset, int value) {
        return offset <= head().byteSize() - 4 && head.get(INT, offset) == value;
    }

    /** Whether all of these bytes are in the file. No overflow for any argument. */
    boolean holds(long offset, long length) {
        return offset >= 0 && length >= 0 && offset <= size && length <= size - offset;
    }

    /** Fills {@code to} from the file. */
    void read(long offset, MemorySegment to) {
        long n;
        try {
            n = fd.readFully(to, offset);
        } catch (ErrnoException e) {
            throw new VmmException(
                    path + ": cannot be read: " + e.errno() + " (" + e.errno().text() + ")", e);
        }
        if (n < to.byteSize()) {
            throw refuse("ended at byte " + (offset + n) + " while it was read, though it had " + size + " bytes");
        }
    }

    @Override
    public void close() {
        fd.close();
        arena.close();
    }
}
