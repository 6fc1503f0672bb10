package dev.holdover.control;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.SessionException;
import dev.holdover.liveupdate.Tokens;
import dev.holdover.memory.FdSets;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * A guest that could not be restored, in a session that nobody but this process holds: its control socket, on which
 * somebody decides what becomes of it. The guest is discarded by {@code live-update-discard} only: {@code quit} is refused
 * until another process has restored it.
 */
public final class Stranded implements AutoCloseable {
    /** What is to be done. */
    public enum Order {
        /** Restore it again: what was in the way may be gone. */
        RETRY,
        /** End the session with all that is in it. */
        DISCARD,
        /** Another VMM has finished the session. */
        LEAVE
    }

    private final Session session;
    private final String guest;
    private final BlockingQueue<Order> orders = new LinkedBlockingQueue<>();
    private final ControlSocket socket;

    /**
     * Listens at a path (mode 0600).
     *
     * @param session stays the caller's
     * @param guest its name
     */
    public Stranded(String path, FdSets fdsets, Session session, String guest) {
        this.session = session;
        this.guest = guest;
        this.socket = ControlSocket.open(
                path,
                fdsets,
                (events, control) -> new NoGuest(
                        events,
                        "the guest " + guest + " could not be restored: live-update-retry, live-update-give or"
                                + " live-update-discard",
                        this::leave),
                List.of(
                        new Command("live-update-retry", call -> order(Order.RETRY)),
                        new Command("live-update-discard", call -> order(Order.DISCARD)),
                        new Command("live-update-give", this::give)));
    }

    /** Waits until somebody has decided. */
    public Order await() throws InterruptedException {
        return orders.take();
    }

    private Object order(Order order) {
        orders.add(order);
        return null;
    }

    /** Passes a descriptor of the session to whoever is at the other end of the socket that came with the command. */
    private Object give(Call call) throws QmpException {
        Fd fd = call.takeFd();
        if (fd == null) {
            throw new QmpException("No file descriptor supplied via SCM_RIGHTS");
        }
        try (UnixSocket to = new UnixSocket(fd);
                Arena arena = Arena.ofConfined()) {
            to.fd().setNonBlocking(true);
            MemorySegment one = arena.allocate(1);
            ErrnoException.check("send the session over the socket given", to.trySend(one, List.of(session.fd())));
        }
        return null;
    }

    private void leave() {
        try {
            session.retrieve(Tokens.STATE).close();
        } catch (SessionException e) {
            if (e.errno() == Errno.ENOENT) {
                orders.add(Order.LEAVE);
                return;
            }
            throw e;
        }
        throw new VmmException("this VMM is all that holds the guest " + guest
                + ": live-update-discard gives the guest up, live-update-give passes it on");
    }

    @Override
    public void close() {
        socket.close();
    }
}
