package dev.holdover.linux;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Supplier;

/**
 * One attempt to connect to a unix(7) socket that another process may still be making, as in a script that starts the
 * process in the background and connects to it in the next line. Of one thread.
 *
 * <p>Waiting is of use for a name that is not there (ENOENT) in a directory that is, and for a socket that nobody listens
 * on (ECONNREFUSED): a process that was killed has left it, or its new owner has not got to listen(2). Everything else,
 * a file that is no socket among it, is final.
 */
public final class SocketWait {
    /** How long commands wait if their user does not say, in seconds. */
    public static final int DEFAULT_SECONDS = 5;

    private static final int POLL_MILLIS = 10;

    private final long limitNanos;
    private final boolean directoryMayCome;
    private Duration waited = Duration.ZERO;

    private SocketWait(Duration limit, boolean directoryMayCome) {
        this.limitNanos = limit.toNanos();
        this.directoryMayCome = directoryMayCome;
    }

    /**
     * For a socket whose directory is there.
     *
     * @param limit the time after which it is abandoned; zero for one attempt without waiting
     */
    public static SocketWait upTo(Duration limit) {
        return new SocketWait(limit, false);
    }

    /** As {@link #upTo}, for a socket whose owner makes its directory, too. */
    public static SocketWait withDirectoryUpTo(Duration limit) {
        return new SocketWait(limit, true);
    }

    /**
     * Calls {@code connect} until it returns, fails for good, or the limit is reached. Blocks for at most the limit and
     * one call.
     *
     * @param path where the socket is to be; one that starts with '@' is in the abstract namespace
     * @return what {@code connect} returned
     * @throws ErrnoException the last one that {@code connect} threw
     * @throws VmmException if the thread is interrupted while it waits
     */
    public <T> T connect(String path, Supplier<T> connect) {
        long start = System.nanoTime();
        boolean paused = false;
        while (true) {
            try {
                return connect.get();
            } catch (ErrnoException e) {
                long nanos = System.nanoTime() - start;
                if (nanos >= limitNanos || !mayCome(path, e.errno())) {
                    waited = paused ? Duration.ofNanos(nanos) : Duration.ZERO;
                    throw e;
                }
            }
            pause(path);
            paused = true;
        }
    }

    private boolean mayCome(String path, Errno errno) {
        return switch (errno) {
            case ENOENT ->
                directoryMayCome
                        || Files.isDirectory(Path.of(path).toAbsolutePath().getParent());
            case ECONNREFUSED -> path.startsWith("@") || isSocketOrGone(path);
            default -> false;
        };
    }

    private static boolean isSocketOrGone(String path) {
        try (Fd there = Fd.open(path, Fd.O_PATH)) {
            return there.stat().isSocket();
        } catch (ErrnoException e) {
            return e.errno() == Errno.ENOENT; // its new owner has just removed the old one
        }
    }

    private static void pause(String path) {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VmmException("interrupted while waiting for the socket " + path, e);
        }
    }

    /** For the sentence of a failure: ", after waiting 5 s for it", or "" if it has not waited, or not in vain. */
    public String told() {
        if (waited.isZero()) {
            return "";
        }
        return ", after waiting " + (waited.toSeconds() > 0 ? waited.toSeconds() + " s" : waited.toMillis() + " ms")
                + " for it";
    }
}
