package dev.holdover.luod;

import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_FINISH;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_GET_NAME;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_PRESERVE_FD;
import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_RETRIEVE_FD;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.HeldMessage;
import dev.holdover.liveupdate.SessionErrors;
import dev.holdover.liveupdate.wire.ForeignFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * luod keeps the files itself, for hosts whose kernel cannot: a VMM can then be replaced, the kernel not. A session's
 * descriptor is a socket to luod. All of it ends with luod's process.
 */
final class HoldBackend implements Backend {
    /** Requests served in a row before others get their turn. */
    private static final int TURN = 16;
    /** Descriptors of one session that are out at the same time; each costs one here. */
    private static final int MAX_LENT = 32;
    /** Descriptors of a request; one belongs to it. */
    private static final int MAX_FDS = 2;

    private final EventLoop loop;
    private final Runnable onFree;
    private final Map<String, Held> outgoing = new HashMap<>();
    private final Set<Held> all = new HashSet<>();
    private final Set<HeldFiles.Inode> preserved = new HashSet<>();
    private final MemorySegment request = Arena.ofAuto().allocate(2 * HeldMessage.REQUEST_SIZE, 8);
    private final MemorySegment reply = Arena.ofAuto().allocate(HeldMessage.REPLY_SIZE, 8);

    /** {@code onFree} is told on the loop's thread when the VMM of a session that was turned releases it. */
    HoldBackend(EventLoop loop, Runnable onFree) {
        this.loop = loop;
        this.onFree = onFree;
    }

    /** A session, and everybody who refers to it. */
    private final class Held implements Holding {
        final HeldFiles files;
        private final Set<Lent> lent = new HashSet<>();
        private boolean turned;
        private boolean held = true;

        Held(HeldFiles files) {
            this.files = files;
        }

        @Override
        public Fd lend(int uid) {
            if (lent.size() >= MAX_LENT) {
                throw new ErrnoException("session " + files.name + " is out " + MAX_LENT + " times", Errno.EMFILE);
            }
            UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
            pair[0].fd().setNonBlocking(true);
            Lent end = new Lent(this, pair[0], uid, turned);
            lent.add(end);
            end.watch = loop.watch(pair[0].fd(), Epoll.EPOLLIN, events -> serve(end));
            return pair[1].fd();
        }

        @Override
        public boolean isFree() {
            for (Lent end : lent) {
                if (!end.incoming) {
                    return false;
                }
            }
            return true;
        }

        @Override
        public void close() {
            held = false;
            freeIfUnused();
        }

        void returned(Lent end) {
            lent.remove(end);
            freeIfUnused();
            if (turned && !end.incoming && isFree()) {
                onFree.run();
            }
        }

        private void freeIfUnused() {
            if (!held && lent.isEmpty()) {
                files.free();
                outgoing.remove(files.name, this);
                all.remove(this);
            }
        }
    }

    /** luod's end of a descriptor that was given away. */
    private static final class Lent {
        final Held session;
        final UnixSocket socket;
        /** Of the client that it was given to. */
        final int uid;
        /** Given away after the generation turned: to the VMM that takes the files up. */
        final boolean incoming;

        long watch;

        Lent(Held session, UnixSocket socket, int uid, boolean incoming) {
            this.session = session;
            this.socket = socket;
            this.uid = uid;
            this.incoming = incoming;
        }
    }

    @Override
    public String name() {
        return "hold";
    }

    @Override
    public Holding create(String session) {
        if (outgoing.containsKey(session)) {
            throw SessionErrors.create(session, Errno.EEXIST);
        }
        Held held = new Held(new HeldFiles(session, preserved));
        outgoing.put(session, held);
        all.add(held);
        return held;
    }

    @Override
    public Holding retrieve(String session) {
        throw SessionErrors.retrieveSession(session, Errno.ENOENT);
    }

    @Override
    public Holding takeBack(String session, Fd given, int uid) {
        ForeignFd.close(given, uid);
        throw new VmmException("session " + session + " ended with the luod that held it");
    }

    @Override
    public String whyNoTurn() {
        return null;
    }

    @Override
    public void settle() {}

    @Override
    public void turn(byte[] registry, TurnDecision decision) {
        decision.requireTurn(); // what there is to do needs luod's thread
    }

    @Override
    public void turned(Holding holding) {
        Held held = (Held) holding;
        held.turned = true;
        held.files.turn();
        outgoing.remove(held.files.name, held);
    }

    @Override
    public byte[] takeRegistry() {
        return null;
    }

    private void serve(Lent end) {
        for (int i = 0; i < TURN; i++) {
            UnixSocket.Received received = end.socket.receive(request, MAX_FDS);
            if (Errno.EAGAIN.is(received.bytes())) {
                return;
            }
            if (Errno.EINTR.is(received.bytes())) {
                continue;
            }
            List<Fd> fds = new ArrayList<>(received.fds());
            boolean replied = received.bytes() > 0 && answer(end, received, fds);
            for (Fd fd : fds) {
                ForeignFd.close(fd, end.uid);
            }
            if (!replied || ForeignFd.isStuck(end.uid)) {
                loop.unwatch(end.watch);
                end.socket.close();
                end.session.returned(end);
                return;
            }
        }
    }

    /** Answers a request; false if the client is gone or does not take its answers. */
    private boolean answer(Lent end, UnixSocket.Received received, List<Fd> fds) {
        HeldFiles files = end.session.files;
        Fd carried = null;
        Errno failed;
        // The VMM of before may only ask its session's name once the generation has turned.
        boolean over = end.session.turned && !end.incoming;
        int operation = received.bytes() == HeldMessage.REQUEST_SIZE ? HeldMessage.operation(request) : 0;
        long token = HeldMessage.token(request);
        if (received.fdsLost()) {
            failed = Errno.EMFILE;
        } else if (operation == LIVEUPDATE_SESSION_GET_NAME) {
            failed = null;
        } else if (over) {
            failed = Errno.EINVAL;
        } else if (operation == LIVEUPDATE_SESSION_PRESERVE_FD) {
            failed = fds.size() != 1 ? Errno.EBADF : files.preserve(fds.getFirst(), token);
            if (failed == null) {
                fds.clear();
            }
        } else if (operation == LIVEUPDATE_SESSION_RETRIEVE_FD) {
            carried = files.retrieve(token);
            failed = carried == null ? files.retrieveError() : null;
        } else if (operation == LIVEUPDATE_SESSION_FINISH) {
            failed = files.finish();
        } else {
            failed = Errno.EINVAL;
        }
        HeldMessage.reply(reply, failed, files.name);
        return end.socket.trySend(reply, carried == null ? List.of() : List.of(carried)) == HeldMessage.REPLY_SIZE;
    }

    @Override
    public void close() {
        for (Held held : List.copyOf(all)) {
            for (Lent end : List.copyOf(held.lent)) {
                loop.unwatch(end.watch);
                end.socket.close();
                held.lent.remove(end);
            }
            held.close();
        }
    }
}
