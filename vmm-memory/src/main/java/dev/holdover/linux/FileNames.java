package dev.holdover.linux;

import java.lang.foreign.Arena;

/** Names of files, apart from their contents: rename(2) and unlink(2). May block as the file system does. */
public final class FileNames {
    private FileNames() {}

    /** Gives a file another name on the same file system; a file that had it is replaced, in one step. */
    public static void rename(String from, String to) {
        try (Arena arena = Arena.ofConfined()) {
            long source = Fd.cString(arena, from).address();
            long target = Fd.cString(arena, to).address();
            ErrnoException.check("rename " + from + " to " + to, Syscall.call(Syscall.RENAME, source, target));
        }
    }

    /** Removes a name; returns 0 or {@code -errno}. */
    public static long tryUnlink(String path) {
        try (Arena arena = Arena.ofConfined()) {
            return Syscall.call(Syscall.UNLINK, Fd.cString(arena, path).address());
        }
    }
}
