package dev.holdover.liveupdate.wire;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * A descriptor that a client passed. A file of FUSE or of a network file system answers fstat(2), fstatfs(2), ioctl(2) and
 * close(2) when its server does, if ever, so luod's thread calls none of these on a file whose kind it does not know. Its
 * kind is found out by calls that no server sees: readlink(2) of /proc/self/fd and fcntl(2) F_GET_SEALS.
 *
 * <p>Any thread.
 */
public final class ForeignFd {
    /** So many files of one uid may wait for close(2); {@link #isStuck} refuses that uid from then on. */
    static final int MAX_CLOSING = 64;

    private static final int THREADS = 8;

    /** By uid, only if it is not 0. */
    private static final ConcurrentHashMap<Integer, Integer> CLOSING = new ConcurrentHashMap<>();

    private static final ThreadPoolExecutor CLOSERS = closers();

    private ForeignFd() {}

    private static ThreadPoolExecutor closers() {
        ThreadPoolExecutor closers = new ThreadPoolExecutor(
                THREADS,
                THREADS,
                10,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(),
                task -> Thread.ofPlatform().daemon().name("luod close").unstarted(task));
        closers.allowCoreThreadTimeOut(true);
        return closers;
    }

    /** Whether it is a session of the kernel's. Files have names that start with a slash, so none looks like one. */
    public static boolean isSession(Fd fd) {
        return link(fd).startsWith("anon_inode:[luo_session]");
    }

    /** Whether it is a file of tmpfs or hugetlbfs, a memfd for one. No other file system has seals. */
    public static boolean isInMemory(Fd fd) {
        return Memfd.trySeals(fd) >= 0;
    }

    /** close(2). A file that may have a server is closed by a thread of its own; until then it counts for that uid. */
    public static void close(Fd fd, int uid) {
        if (fd.isClosed() || !link(fd).startsWith("/") || isInMemory(fd)) {
            fd.close();
            return;
        }
        CLOSING.merge(uid, 1, Integer::sum);
        CLOSERS.execute(() -> {
            try {
                fd.close();
            } finally {
                CLOSING.computeIfPresent(uid, (of, count) -> count == 1 ? null : count - 1);
            }
        });
    }

    /** Whether the servers of files that this uid passed do not answer: it may pass no more of them. */
    public static boolean isStuck(int uid) {
        return CLOSING.getOrDefault(uid, 0) >= MAX_CLOSING;
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
