package dev.holdover.liveupdate;

import dev.holdover.linux.Fd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A descriptor that a client passed. A file of FUSE or NFS answers fstat(2), ioctl(2) and close(2) when its server does,
 * if ever: luod's thread must not ask it. What kind a descriptor is, /proc tells without asking.
 */
final class ForeignFd {
    private ForeignFd() {}

    /** Whether it is a session of the kernel's; no file has a name that starts so. */
    static boolean isSession(Fd fd) {
        return link(fd).startsWith("anon_inode:[luo_session]");
    }

    /** close(2), on a thread of its own if it is a file, which may wait for its server. */
    static void close(Fd fd) {
        String link = fd.isClosed() ? "" : link(fd);
        if (link.startsWith("/") && !link.startsWith("/memfd:")) {
            Thread.ofPlatform().daemon().name("luod close").start(fd::close);
        } else {
            fd.close();
        }
    }

    private static String link(Fd fd) {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd.number()))
                    .toString();
        } catch (IOException e) {
            return "/"; // unknown
        }
    }
}
