package dev.holdover.linux;

import java.util.concurrent.locks.LockSupport;

/**
 * A listening unix(7) socket with a name in the file system, which is removed again at the end.
 *
 * <p>A socket that nobody listens on any more, left by a process that was killed, is replaced. Two that find the same one
 * take turns, by a lock on its directory (flock(2)): what the second finds is the first's, which listens by then.
 */
public final class SocketFile implements AutoCloseable {
    private static final int LOCK_MILLIS = 10_000;

    private final String path;
    private final UnixSocket listener;
    private final FileStat file;

    private SocketFile(String path, UnixSocket listener, FileStat file) {
        this.path = path;
        this.listener = listener;
        this.file = file;
    }

    /** Listens at a path for streams, see {@link #listen(String, UnixSocket.Kind, String)}. */
    public static SocketFile listen(String what, String path) {
        return listen(what, UnixSocket.Kind.STREAM, path);
    }

    /** A listening socket that another process hands over, with its name. Takes the descriptor over. */
    public static SocketFile adopt(UnixSocket listener, String path) {
        try {
            return new SocketFile(path, listener, path.startsWith("@") ? null : stat(path));
        } catch (ErrnoException e) {
            return new SocketFile(path, listener, null); // its name is gone: nobody new will find it
        }
    }

    /**
     * Listens at a path, mode 0600; at one that starts with '@' in the abstract namespace, which has no modes.
     *
     * @param what names it in the sentence of a {@link VmmException}: "the control socket"
     */
    public static SocketFile listen(String what, UnixSocket.Kind kind, String path) {
        if (path.startsWith("@")) {
            return create(what, kind, path);
        }
        Fd directory = lockDirectory(what, path);
        try {
            removeStale(what, kind, path);
            return create(what, kind, path);
        } finally {
            directory.close();
        }
    }

    /**
     * Locks the directory of a path until the descriptor is closed. Where that is not possible, as in a directory that may
     * not be read, on a file system without locks, or without a directory, the descriptor is one of nothing.
     */
    private static Fd lockDirectory(String what, String path) {
        int slash = path.lastIndexOf('/');
        String name = slash < 0 ? "." : path.substring(0, slash + 1);
        Fd directory;
        try {
            directory = Fd.open(name, Fd.O_RDONLY | Fd.O_DIRECTORY);
        } catch (ErrnoException e) {
            return Fd.adopt(-1, name); // making the socket tells what is wrong
        }
        long deadline = System.nanoTime() + Patience.host().nanos(LOCK_MILLIS);
        while (Errno.EAGAIN.is(directory.tryFlock())) {
            if (System.nanoTime() - deadline >= 0) {
                directory.close();
                throw new VmmException(what + " " + path + " cannot be made, EAGAIN (Resource temporarily unavailable):"
                        + " another process has locked its directory; name a path in another one");
            }
            LockSupport.parkNanos(1_000_000);
        }
        return directory;
    }

    private static SocketFile create(String what, UnixSocket.Kind kind, String path) {
        UnixSocket listener = null;
        try {
            listener = UnixSocket.listen(kind, path);
            return new SocketFile(path, listener, path.startsWith("@") ? null : stat(path));
        } catch (ErrnoException e) {
            if (listener != null) {
                listener.close();
            }
            throw new VmmException(
                    what + " " + path + " cannot be made, " + e.errno().name() + " ("
                            + e.errno().text() + "): name a path in a directory that can be written",
                    e);
        }
    }

    /** Deletes a socket that nobody listens on; refuses anything else that is there. */
    private static void removeStale(String what, UnixSocket.Kind kind, String path) {
        FileStat there;
        try {
            there = stat(path);
        } catch (ErrnoException e) {
            return; // nothing there, or listening on it will tell why not
        }
        if (!there.isSocket()) {
            throw new VmmException(what + " " + path + " cannot be made, EEXIST (File exists): a file that is no socket"
                    + " is there; delete it or name another path");
        }
        try {
            UnixSocket.connectNow(kind, path).close();
        } catch (ErrnoException e) {
            if (e.errno() == Errno.ECONNREFUSED) {
                FileNames.tryUnlink(path);
            }
            // EAGAIN: somebody listens who does not accept just now.
            if (e.errno() != Errno.EPROTOTYPE && e.errno() != Errno.EAGAIN) {
                return; // otherwise listening on it tells what is wrong
            }
        }
        throw new VmmException(what + " " + path + " cannot be made, EADDRINUSE (Address already in use): another"
                + " process listens on it; name another path");
    }

    private static FileStat stat(String path) {
        try (Fd there = Fd.open(path, Fd.O_PATH | Fd.O_NOFOLLOW)) {
            return there.stat();
        }
    }

    public UnixSocket listener() {
        return listener;
    }

    public String path() {
        return path;
    }

    /** Stops listening, and leaves the name to the process that the socket was handed over to. */
    public void giveAway() {
        listener.close();
    }

    /** Stops listening and removes the name, unless another file has it by now. */
    @Override
    public void close() {
        try {
            if (file != null && !listener.fd().isClosed() && isOurs()) {
                FileNames.tryUnlink(path);
            }
        } finally {
            listener.close();
        }
    }

    private boolean isOurs() {
        try {
            FileStat now = stat(path);
            return now.device() == file.device() && now.inode() == file.inode();
        } catch (ErrnoException e) {
            return false; // gone already
        }
    }
}
