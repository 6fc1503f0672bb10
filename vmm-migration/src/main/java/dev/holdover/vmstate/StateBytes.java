package dev.holdover.vmstate;

import static dev.holdover.vmstate.StateFormat.hex;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileStat;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.VmmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The bytes of a state with a sound header: its image in memory, its RAM pages still in the file. Says part by part
 * what is damaged. Memory is taken for what the header claims only after the claim is within the limits and the file.
 */
final class StateBytes implements AutoCloseable {
    private final String name;
    private final long size;
    private final Fd fd;
    private final boolean ownsFd;
    private final MemorySegment memory;
    private Mapping imageMapping;
    private Mapping tableMapping;
    private MemorySegment image;
    private StateHeader header;

    private StateBytes(String name, long size, Fd fd, boolean ownsFd, MemorySegment memory) {
        this.name = name;
        this.size = size;
        this.fd = fd;
        this.ownsFd = ownsFd;
        this.memory = memory;
    }

    /** A state in memory, which stays the caller's. */
    static StateBytes of(MemorySegment memory) {
        StateBytes state = new StateBytes("in memory", memory.byteSize(), null, false, memory);
        MemorySegment fixed = memory.asSlice(0, Math.min(memory.byteSize(), StateFormat.FIXED_SIZE));
        state.image = memory.asSlice(0, StateHeader.claimedImageLength(state.name, fixed, state.size));
        state.header = StateHeader.read(state.name, state.image, state.size);
        return state;
    }

    static StateBytes open(String path) {
        Fd fd;
        try {
            // O_NONBLOCK: a FIFO would wait for a writer.
            fd = Fd.open(path, Fd.O_RDONLY | Fd.O_NONBLOCK);
        } catch (ErrnoException e) {
            throw new VmmException(
                    "can't open state " + path + ": " + e.errno().name() + " ("
                            + e.errno().text() + ")",
                    e);
        }
        try {
            return open(fd, path, true);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** A state in a file or memfd, which is to stay open as long as this is. */
    static StateBytes open(Fd fd) {
        return open(fd, fd.name(), false);
    }

    private static StateBytes open(Fd fd, String name, boolean ownsFd) {
        FileStat stat = fd.stat();
        if (!stat.isRegular()) {
            throw new VmmException("can't read state " + name + ": it is neither a regular file nor a memfd");
        }
        StateBytes state = new StateBytes(name, stat.size(), fd, ownsFd, null);
        try {
            state.readImage();
            return state;
        } catch (RuntimeException e) {
            state.close();
            throw e;
        }
    }

    private void readImage() {
        long length;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment start = arena.allocate(Math.min(size, StateFormat.FIXED_SIZE));
            read(0, start);
            length = StateHeader.claimedImageLength(name, start, size);
        }
        imageMapping = buffer(length);
        image = imageMapping.segment();
        read(0, image);
        header = StateHeader.read(name, image, size);
    }

    /** Memory that does not count against the JVM's limits, and fails with a sentence. */
    private Mapping buffer(long length) {
        try {
            return Mapping.ofThread(length);
        } catch (ErrnoException e) {
            throw cannotRead(e);
        }
    }

    private VmmException cannotRead(ErrnoException e) {
        return new VmmException(
                "can't read state " + name + ": " + e.errno().name() + " ("
                        + e.errno().text() + ")",
                e);
    }

    /** Reads bytes of the state, which must all be there. Blocks. */
    void read(long offset, MemorySegment into) {
        if (memory != null) {
            MemorySegment.copy(memory, offset, into, 0, into.byteSize());
            return;
        }
        long n;
        try {
            n = fd.readFully(into, offset);
        } catch (ErrnoException e) {
            throw cannotRead(e);
        }
        if (n < into.byteSize()) {
            throw new StateException(name, "it was cut to " + (offset + n) + " bytes while it was read");
        }
    }

    String name() {
        return name;
    }

    long size() {
        return size;
    }

    StateHeader header() {
        return header;
    }

    /** The chunk table, which the file holds wholly. */
    MemorySegment chunkTable() {
        long length = (long) header.chunks() * StateFormat.CHUNK_ENTRY_SIZE;
        if (memory != null || length == 0) {
            return memory == null ? MemorySegment.NULL : memory.asSlice(header.chunkTableOffset(), length);
        }
        if (tableMapping == null) {
            Mapping mapping = buffer(length);
            tableMapping = mapping;
            read(header.chunkTableOffset(), mapping.segment());
        }
        return tableMapping.segment();
    }

    Timeline timeline() {
        long offset = header.timelineOffset();
        if (offset + Timeline.SIZE <= image.byteSize()) {
            return new Timeline(image.asSlice(offset, Timeline.SIZE).asReadOnly(), offset);
        }
        return null;
    }

    SectionView section(SectionEntry entry) {
        MemorySegment bytes = image.asSlice(entry.offset(), entry.length()).asReadOnly();
        return new SectionView(name, entry, bytes);
    }

    /** Whether the file has another length than its header says; null if it has not. */
    String lengthDamage() {
        long expected = header.fileLength();
        if (size > expected) {
            return (size - expected) + " bytes follow behind its end at offset " + expected
                    + ", which do not belong to it";
        }
        if (size == expected) {
            return null;
        }
        String where = "within its RAM pages";
        if (size < header.timelineOffset() + Timeline.SIZE) {
            where = "within its timeline at offset " + header.timelineOffset();
        } else if (size < header.imageLength()) {
            for (int i = 0; i < header.sections().size(); i++) {
                SectionEntry entry = header.sections().get(i);
                if (size >= entry.offset()) {
                    where = "within section " + entry.id() + " at offset " + entry.offset();
                }
            }
        } else if (size >= header.chunkTableOffset()) {
            where = "within its chunk table at offset " + header.chunkTableOffset();
        }
        return "it is cut off after " + size + " of " + expected + " bytes, " + where + "; copy it again";
    }

    /** What is damaged of a section; null if nothing is. */
    String sectionDamage(SectionEntry entry) {
        String what = "section " + entry.id() + " at offset " + entry.offset();
        long end = entry.offset() + entry.length();
        long padded = StateFormat.align(end);
        if (padded > image.byteSize()) {
            return what + " is cut off: " + Math.clamp(image.byteSize() - entry.offset(), 0, entry.length())
                    + " of its " + entry.length() + " bytes are there";
        }
        int crc = StateFormat.crc(image.asSlice(entry.offset(), entry.length()));
        if (crc != entry.crc()) {
            return what + " is damaged: the CRC32C of its " + entry.length() + " bytes is " + hex(crc)
                    + " where the header says " + hex(entry.crc());
        }
        if (!StateFormat.isZero(image, end, padded)) {
            return "the padding behind " + what + " is damaged: it is not zero";
        }
        return null;
    }

    @Override
    public void close() {
        if (imageMapping != null) {
            imageMapping.close();
        }
        if (tableMapping != null) {
            tableMapping.close();
        }
        if (ownsFd) {
            fd.close();
        }
    }
}
