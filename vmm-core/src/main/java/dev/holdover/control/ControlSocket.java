package dev.holdover.control;

import dev.holdover.json.Json;
import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.SocketFile;
import dev.holdover.linux.UnixSocket;
import dev.holdover.machine.LiveUpdate;
import dev.holdover.machine.Machine;
import dev.holdover.memory.FdSets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A control socket: listens, serves clients of QMP, and carries events to them.
 *
 * <p>Two threads: one moves bytes and never waits for a client, nor for a command; the other runs the commands, one
 * after another. Neither is the guest's.
 */
public final class ControlSocket implements AutoCloseable {
    static final int MAX_CLIENTS = 8;

    private final SocketFile socket;
    private final EventLoop loop;
    private final EventLoop worker;
    private final Events events = new Events(this::broadcast);
    private final Guest guest;
    private final Migration migration;
    private final FdSets fdsets;
    private final ObjectCommands objects;
    private final List<Command> stranded;

    // On the loop's thread only.
    private final List<ControlClient> clients = new ArrayList<>();
    /** Made for the first client: linking all commands takes milliseconds, which no guest is to wait for. */
    private CommandTable commands;

    private long watch;
    /** Closed for a moment when there are no more, to tell a client so instead of letting it wait. */
    private Fd spare = openSpare();

    private boolean closed;
    private volatile boolean givenAway;

    /** Makes the guest that commands act on; it tells its changes as events. */
    @FunctionalInterface
    interface GuestMaker {
        Guest make(Events events, ControlSocket control);
    }

    /**
     * Listens at a path (mode 0600) and serves a machine, which does not run yet.
     *
     * @param liveUpdate the machine's part in live updates; null for none
     * @throws dev.holdover.linux.VmmException if that is not possible, say because another process listens there
     */
    public static ControlSocket open(String path, FdSets fdsets, Machine machine, LiveUpdate liveUpdate) {
        return open(listen(path), fdsets, machine, liveUpdate);
    }

    /** As the other, on a socket that another VMM listened on; takes it over. */
    public static ControlSocket open(SocketFile socket, FdSets fdsets, Machine machine, LiveUpdate liveUpdate) {
        return new ControlSocket(
                socket,
                fdsets,
                (events, control) -> new MachineGuest(machine, fdsets, liveUpdate, events, control),
                null);
    }

    private static SocketFile listen(String path) {
        return SocketFile.listen("the control socket", path);
    }

    /** Listens at a path and serves no machine: fdsets and memory backends only. */
    public static ControlSocket openWithoutMachine(String path, FdSets fdsets) {
        return new ControlSocket(listen(path), fdsets, (events, control) -> new NoGuest(events), null);
    }

    ControlSocket(String path, FdSets fdsets, GuestMaker maker) {
        this(listen(path), fdsets, maker, null);
    }

    /** Serves a guest that could not be restored: what may be done with it are the commands {@code stranded}. */
    static ControlSocket open(String path, FdSets fdsets, GuestMaker maker, List<Command> stranded) {
        return new ControlSocket(listen(path), fdsets, maker, stranded);
    }

    private ControlSocket(SocketFile socket, FdSets fdsets, GuestMaker maker, List<Command> stranded) {
        this.socket = socket;
        this.fdsets = fdsets;
        this.stranded = stranded;
        guest = maker.make(events, this);
        migration = new Migration(guest, events);
        objects = new ObjectCommands(fdsets, guest);
        loop = new EventLoop("control", ControlSocket::failed);
        worker = new EventLoop("control commands", ControlSocket::failed);
        loop.run(this::listen);
    }

    /** The guest needs nobody here to run on. */
    private static void failed(Throwable cause) {
        System.err.println("vmm: the control socket failed and is closed, the guest runs on: " + cause);
    }

    private static Fd openSpare() {
        try {
            return Fd.open("/dev/null", Fd.O_RDONLY);
        } catch (ErrnoException e) {
            return null; // the next accept will find out, too
        }
    }

    private void listen() {
        watch = loop.watch(socket.listener().fd(), Epoll.EPOLLIN, events -> accept());
    }

    private void accept() {
        UnixSocket accepted;
        try {
            accepted = socket.listener().accept();
        } catch (ErrnoException e) {
            refuseForLackOfDescriptors(e);
            return;
        }
        if (accepted == null) {
            return;
        }
        ControlClient client = new ControlClient(accepted, loop, worker, new QmpSession(commands()), clients::remove);
        if (clients.size() >= MAX_CLIENTS) {
            client.refuse("this VMM serves " + MAX_CLIENTS + " control clients at a time: end one first");
            return;
        }
        clients.add(client);
        client.start();
    }

    private CommandTable commands() {
        if (commands == null) {
            commands = new CommandTable(
                    new GuestCommands(guest, migration),
                    new FdCommands(fdsets),
                    objects,
                    new MigrationCommands(migration),
                    stranded == null ? new LiveUpdateCommands(guest, migration).commands() : stranded);
        }
        return commands;
    }

    /** Takes the client off the queue, where it would be found ready again and again. */
    private void refuseForLackOfDescriptors(ErrnoException e) {
        if (spare != null && (e.errno() == Errno.EMFILE || e.errno() == Errno.ENFILE)) {
            spare.close();
            try {
                UnixSocket refused = socket.listener().accept();
                if (refused != null) {
                    refused.close();
                }
            } catch (ErrnoException again) {
                // somebody else took the descriptor; the next round tells
            }
            spare = openSpare();
        } else if (e.errno() != Errno.ENOMEM && e.errno() != Errno.ENOBUFS) {
            throw e;
        }
    }

    /** Any thread. */
    private void broadcast(Map<String, Object> event) {
        loop.run(() -> {
            if (clients.isEmpty()) {
                return;
            }
            String line = Json.write(event);
            for (ControlClient client : List.copyOf(clients)) {
                client.event(line);
            }
        });
    }

    /** What it listens on. */
    SocketFile socket() {
        return socket;
    }

    /** Another VMM listens there now: no new client is served here, and the name stays. */
    void giveAway() {
        givenAway = true;
        loop.run(() -> {
            loop.unwatch(watch);
            watch = 0;
        });
    }

    /** Waits until a client says quit; only without a machine. */
    public void awaitQuit() throws InterruptedException {
        ((NoGuest) guest).awaitQuit();
    }

    /** Tells clients that a signal ends the VMM; before {@link #close}. */
    public void signalled() {
        events.shutdown(false, "host-signal");
    }

    /**
     * Lets the command that runs finish, gives clients what they can take at once, and removes the socket. A save that
     * runs is not waited for. Once; from then on nothing happens.
     */
    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        worker.close();
        loop.runAndWait(() -> {
            if (watch != 0) {
                loop.unwatch(watch);
            }
            for (ControlClient client : List.copyOf(clients)) {
                client.close();
            }
            if (spare != null) {
                spare.close();
            }
        });
        loop.close();
        objects.close();
        if (givenAway) {
            socket.giveAway();
        } else {
            socket.close();
        }
    }
}
