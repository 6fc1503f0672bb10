package dev.holdover.memory;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileKey;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.zip.CRC32C;

/**
 * The last page of a file, behind the guest's RAM, which says which RAM the file holds where its file system keeps no
 * attributes. docs/vmstate.md gives its bytes.
 *
 * <p>The page has two slots, which are written in turn, each with a sequence number and a CRC: a write that is torn by a
 * crash of the host leaves the other. A slot names the file that it stands in ({@link FileKey}), so a copy of the file is
 * no marked one.
 */
final class MarkPage {
    /** Bytes of a page. */
    static final long SIZE = 4096;

    /** "HOLDRAM" and 2; a DAX device's label has 1. */
    private static final long MAGIC = 0x024d4152444c4f48L;

    private static final long SLOT_DISTANCE = 2048;
    private static final int SLOT_SIZE = 256;
    private static final int CRC = 8;
    private static final int CRC_FROM = 16;
    private static final int SEQUENCE = 16;
    private static final int IDENTITY = 24;
    private static final int KEY = 56;

    private final Fd file;
    private final long offset;

    private MarkPage(Fd file, long offset) {
        this.file = file;
        this.offset = offset;
    }

    /**
     * The page of a file that has one, whatever it says; null if the file has none.
     *
     * @param end where the guest's RAM ends in the file
     */
    static MarkPage find(Fd file, long end) {
        long size = file.stat().size();
        long last = size - SIZE;
        if (last < end || last % SIZE != 0) {
            return null;
        }
        MarkPage page = new MarkPage(file, last);
        MemorySegment bytes = page.bytes();
        return isOurs(slot(bytes, 0)) || isOurs(slot(bytes, 1)) ? page : null;
    }

    /** Where a page is appended to a file: behind its end and that of the guest's RAM, whichever is later. */
    static MarkPage next(Fd file, long end) {
        long size = Math.max(file.stat().size(), end);
        return new MarkPage(file, (size + SIZE - 1) / SIZE * SIZE);
    }

    /** Where the page ends in the file. */
    long end() {
        return offset + SIZE;
    }

    /** What it says of this file; null if it says nothing, or is damaged, or says it of another file. */
    RamIdentity read() {
        MemorySegment bytes = bytes();
        int newest = newest(bytes, FileKey.of(file));
        return newest < 0 ? null : RamIdentity.decode(slot(bytes, newest).asSlice(IDENTITY, RamIdentity.SIZE));
    }

    /** Writes it in the place of what the page says; returns 0 or {@code -errno}: the page says the same as before then. */
    long tryReplace(RamIdentity identity) {
        MemorySegment bytes = bytes();
        FileKey key = FileKey.of(file);
        int newest = newest(bytes, key);
        if (newest < 0) {
            return tryAppend(identity);
        }
        MemorySegment slot = slot(bytes, 1 - newest);
        long sequence = slot(bytes, newest).get(ValueLayout.JAVA_LONG, SEQUENCE);
        fill(slot, identity, key, sequence + 1);
        return tryWrite(slot, offset + (1 - newest) * SLOT_DISTANCE);
    }

    /** Writes a whole new page; returns 0 or {@code -errno}. */
    long tryAppend(RamIdentity identity) {
        MemorySegment bytes = Arena.ofAuto().allocate(SIZE, 8);
        fill(slot(bytes, 0), identity, FileKey.of(file), 1);
        return tryWrite(bytes, offset);
    }

    private MemorySegment bytes() {
        MemorySegment bytes = Arena.ofAuto().allocate(SIZE, 8);
        file.readFully(bytes, offset);
        return bytes;
    }

    private static MemorySegment slot(MemorySegment bytes, int number) {
        return bytes.asSlice(number * SLOT_DISTANCE, SLOT_SIZE);
    }

    private static boolean isOurs(MemorySegment slot) {
        return slot.get(ValueLayout.JAVA_LONG, 0) == MAGIC;
    }

    /** The slot that was written last, of those that are whole and name this file; -1 if there is none. */
    private static int newest(MemorySegment bytes, FileKey key) {
        int newest = -1;
        long highest = 0;
        for (int i = 0; i < 2; i++) {
            MemorySegment slot = slot(bytes, i);
            long sequence = slot.get(ValueLayout.JAVA_LONG, SEQUENCE);
            boolean whole = isOurs(slot) && slot.get(ValueLayout.JAVA_INT, CRC) == crc(slot);
            if (whole && sequence > highest && key.isIn(slot.asSlice(KEY, FileKey.SIZE))) {
                newest = i;
                highest = sequence;
            }
        }
        return newest;
    }

    private static void fill(MemorySegment slot, RamIdentity identity, FileKey key, long sequence) {
        slot.fill((byte) 0);
        slot.set(ValueLayout.JAVA_LONG, 0, MAGIC);
        slot.set(ValueLayout.JAVA_LONG, SEQUENCE, sequence);
        identity.encode(slot.asSlice(IDENTITY, RamIdentity.SIZE));
        key.write(slot.asSlice(KEY, FileKey.SIZE));
        slot.set(ValueLayout.JAVA_INT, CRC, crc(slot));
    }

    private static int crc(MemorySegment slot) {
        CRC32C crc = new CRC32C();
        crc.update(slot.asSlice(CRC_FROM).asByteBuffer());
        return (int) crc.getValue();
    }

    private long tryWrite(MemorySegment bytes, long at) {
        long done = 0;
        while (done < bytes.byteSize()) {
            long n = file.tryPwrite(bytes.asSlice(done), at + done);
            if (n == 0) {
                return -Errno.EIO.number();
            }
            if (n < 0 && !Errno.EINTR.is(n)) {
                return n;
            }
            done += Math.max(n, 0);
        }
        return 0;
    }
}
