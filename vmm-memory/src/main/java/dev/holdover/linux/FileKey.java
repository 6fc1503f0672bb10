package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What tells a file from every other file of its file system, also from one that is given its inode number once it is
 * deleted: the inode number and the time of its birth (statx(2)), or where the file system keeps no such time, its handle
 * (name_to_handle_at(2)), which holds the inode's generation. Where there is neither, as on ramfs, the inode number is all
 * there is.
 *
 * <p>A copy of the file has another key; a file that is renamed, linked, written or cut keeps its own. Some file systems
 * (vfat, FUSE) number their inodes anew with each mount, and the keys of their files change then.
 */
public final class FileKey {
    /** Bytes that a key takes. */
    public static final int SIZE = 160;

    private static final int BY_INODE = 0;
    private static final int BY_BIRTH = 1;
    private static final int BY_HANDLE = 2;

    private static final int STATX_BTIME = 0x800;
    private static final int MAX_HANDLE_SZ = 128;

    private final MemorySegment bytes;

    private FileKey(MemorySegment bytes) {
        this.bytes = bytes;
    }

    /** The key of an open file. Blocks as fstat(2) does. */
    public static FileKey of(Fd file) {
        // inode@0, kind@8; with a birth: seconds@16, nanoseconds@24; with a handle: type@16, length@20, handle@32
        MemorySegment key = Arena.ofAuto().allocate(SIZE, 8);
        key.set(ValueLayout.JAVA_LONG, 0, file.stat().inode());
        key.set(ValueLayout.JAVA_INT, 8, BY_INODE);
        try (Arena arena = Arena.ofConfined()) {
            if (!addBirth(file, key, arena)) {
                addHandle(file, key, arena);
            }
        }
        return new FileKey(key);
    }

    private static boolean addBirth(Fd file, MemorySegment key, Arena arena) {
        MemorySegment statx = arena.allocate(Fd.STATX_SIZE, 8);
        long result = file.tryStatx(arena, 0, STATX_BTIME, statx);
        if (result != 0 || (statx.get(ValueLayout.JAVA_INT, 0) & STATX_BTIME) == 0) {
            return false;
        }
        key.set(ValueLayout.JAVA_INT, 8, BY_BIRTH);
        key.set(ValueLayout.JAVA_LONG, 16, statx.get(ValueLayout.JAVA_LONG, 80));
        key.set(ValueLayout.JAVA_INT, 24, statx.get(ValueLayout.JAVA_INT, 88));
        return true;
    }

    private static void addHandle(Fd file, MemorySegment key, Arena arena) {
        long empty = Fd.cString(arena, "").address();
        MemorySegment handle = arena.allocate(8 + MAX_HANDLE_SZ, 8);
        MemorySegment mount = arena.allocate(ValueLayout.JAVA_INT);
        handle.set(ValueLayout.JAVA_INT, 0, MAX_HANDLE_SZ);
        long result = Syscall.call(
                Syscall.NAME_TO_HANDLE_AT,
                file.number(),
                empty,
                handle.address(),
                mount.address(),
                Fd.AT_EMPTY_PATH,
                0);
        int length = handle.get(ValueLayout.JAVA_INT, 0);
        if (result != 0 || length < 0 || length > MAX_HANDLE_SZ) {
            return; // EOPNOTSUPP: its file system has none
        }
        key.set(ValueLayout.JAVA_INT, 8, BY_HANDLE);
        key.set(ValueLayout.JAVA_INT, 16, handle.get(ValueLayout.JAVA_INT, 4));
        key.set(ValueLayout.JAVA_INT, 20, length);
        MemorySegment.copy(handle, 8, key, 32, length);
    }

    /** Writes its {@link #SIZE} bytes to a segment. */
    public void write(MemorySegment to) {
        MemorySegment.copy(bytes, 0, to, 0, SIZE);
    }

    /** Whether those bytes are the key of this file. */
    public boolean isIn(MemorySegment from) {
        for (long at = 0; at < SIZE; at += 8) {
            if (bytes.get(ValueLayout.JAVA_LONG, at) != from.get(ValueLayout.JAVA_LONG, at)) {
                return false;
            }
        }
        return true;
    }
}
