package dev.holdover.luod;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.SocketFile;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.SessionException;
import dev.holdover.liveupdate.SessionName;
import dev.holdover.liveupdate.wire.ForeignFd;
import dev.holdover.liveupdate.wire.LuodProtocol;
import dev.holdover.liveupdate.wire.Reason;
import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.TimelineEvent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/**
 * The live-update daemon: holds guests' sessions while their VMMs are away. The protocol is in the package's comment and
 * in docs/luod.md.
 *
 * <p>Everything happens on one thread, which never waits for a client; sync(2) and reboot(2) have another.
 *
 * <p>Who may do what: an id belongs to the uid that subscribed it, as the socket tells (SO_PEERCRED). Only that uid, root
 * and luod's own user may claim its session; a second client for an id that is subscribed is refused. Administration is
 * for root and luod's own user.
 */
public final class Luod implements AutoCloseable {
    static final int MAX_CLIENTS = 1024;

    /** Of one uid, unless it may administer luod: the others' clients have room, too. */
    static final int MAX_CLIENTS_OF_UID = 256;

    private static final int TICK_MILLIS = 20;

    private final LuodOptions options;
    private final int uid = UnixSocket.Peer.self().uid();
    private final SocketFile socket;
    private final RegistryFile registryFile;
    /** Of the update that this luod came up after. */
    private final List<TimelineEvent> stamps;

    private final EventLoop loop;
    private final EventLoop worker;
    private final Backend backend;
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "luod clock");
        thread.setDaemon(true);
        return thread;
    });
    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile Throwable failure;

    // On the loop's thread only.
    private long watch;
    private final Set<LuodClient> clients = new LinkedHashSet<>();
    private final Map<String, LuodClient> subscribers = new LinkedHashMap<>();
    /** By id. Those that were found to have ended go when somebody asks. */
    private final Map<String, Adrift> adrift = new LinkedHashMap<>();
    /** Sessions that clients prepared with an earlier luod and gave back; for the next update. */
    private final Map<String, Holding> parked = new LinkedHashMap<>();
    /** Incoming ones. */
    private final Map<String, Kept> kept = new LinkedHashMap<>();

    private Update update;
    private long updates;
    private boolean starting;
    private boolean forced;
    private ScheduledFuture<?> ticks;

    /** Closed for a moment when there are no more, to end a connection instead of letting it wait. */
    private Fd spare = openSpare();

    /** No further update begins. */
    private boolean ending;

    private boolean closed;

    /** Listens, and takes over what an earlier luod has left; throws {@link VmmException} if that is not possible. */
    public static Luod open(LuodOptions options) {
        return new Luod(options);
    }

    private Luod(LuodOptions options) {
        this.options = options;
        makeDirectory(options.socket());
        socket = SocketFile.listen("the socket of luod", options.socket());
        registryFile = new RegistryFile(Path.of(options.socket() + ".registry"));
        try {
            openTo(options.group());
            loop = new EventLoop("luod", this::failed);
            worker = new EventLoop("luod reboot", this::failed);
            backend = options.hold() ? new HoldBackend(loop, this::serveWaiting) : new KernelBackend();
            Registry registry = options.hold() ? new Registry(List.of(), List.of()) : takeRegistry();
            stamps = registry.stamps();
            for (Registry.Entry entry : registry.sessions()) {
                kept.put(entry.id(), new Kept(entry.id(), entry.uid(), null));
            }
        } catch (RuntimeException e) {
            clock.shutdownNow();
            socket.close();
            throw e;
        }
        loop.run(() -> watch = loop.watch(socket.listener().fd(), Epoll.EPOLLIN, events -> accept()));
    }

    private static void makeDirectory(String path) {
        Path directory = Path.of(path).getParent();
        if (path.startsWith("@") || directory == null || Files.isDirectory(directory)) {
            return;
        }
        try {
            Files.createDirectories(directory);
        } catch (IOException e) {
            throw new VmmException("cannot make directory " + directory + " for the socket of luod: " + e, e);
        }
    }

    private void openTo(String group) {
        if (group == null) {
            return;
        }
        Path path = Path.of(options.socket());
        try {
            PosixFileAttributeView file = Files.getFileAttributeView(path, PosixFileAttributeView.class);
            file.setGroup(path.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByGroupName(group));
            file.setPermissions(PosixFilePermissions.fromString("rw-rw----"));
        } catch (IOException e) {
            throw new VmmException("cannot give the socket of luod to group " + group + ": " + e, e);
        }
    }

    /**
     * What the last luod knew: beside the socket if one of this boot has been here, else from its session, which can be
     * had once and is therefore written down at once.
     */
    private Registry takeRegistry() {
        Optional<Registry> beside = registryFile.read();
        if (beside.isPresent()) {
            return beside.get();
        }
        byte[] registry = backend.takeRegistry();
        if (registry == null) {
            return new Registry(List.of(), List.of());
        }
        Registry left = Registry.read(registry);
        List<TimelineEvent> stamped = new ArrayList<>(left.stamps());
        stamped.add(TimelineEvent.now(Phase.AGENT_UP));
        Registry taken = new Registry(left.sessions(), stamped);
        write(taken);
        return taken;
    }

    /** Writes down, for a luod that is started anew under this kernel, what is kept. */
    private void writeRegistry() {
        if (!options.hold()) {
            write(new Registry(entriesKept(), stamps));
        }
    }

    private void write(Registry registry) {
        try {
            registryFile.write(registry);
        } catch (IOException | ErrnoException e) {
            log("cannot write the registry beside " + options.socket()
                    + ", a luod started anew would let only root claim: " + e);
        }
    }

    private List<Registry.Entry> entriesKept() {
        List<Registry.Entry> entries = new ArrayList<>();
        for (Kept session : kept.values()) {
            entries.add(new Registry.Entry(session.id, session.uid));
        }
        return entries;
    }

    private static void log(String sentence) {
        System.err.println("luod: " + sentence);
    }

    /** A bug. luod ends: sessions of the kernel's are with their clients, and a new luod goes on from there. */
    private void failed(Throwable cause) {
        failure = cause;
        ended.countDown();
    }

    /** Waits until luod is closed or fails. */
    public void await() throws InterruptedException {
        ended.await();
        if (failure != null) {
            throw new VmmException("luod failed: " + failure, failure);
        }
    }

    int uid() {
        return uid;
    }

    Backend backend() {
        return backend;
    }

    long prepareNanos() {
        return TimeUnit.SECONDS.toNanos(options.prepareSeconds());
    }

    long readyNanos() {
        return TimeUnit.SECONDS.toNanos(options.readySeconds());
    }

    // ---- connections

    private void accept() {
        UnixSocket accepted;
        try {
            accepted = socket.listener().accept();
        } catch (ErrnoException e) {
            if (!makeRoom()) {
                refuseOne();
            }
            return;
        }
        if (accepted == null) {
            return;
        }
        LuodClient client;
        try {
            client = new LuodClient(this, loop, accepted);
        } catch (ErrnoException e) {
            accepted.close();
            return;
        }
        boolean full = clients.size() >= MAX_CLIENTS && !makeRoom();
        boolean tooMany = !client.isAdmin() && clientsOf(client.peer.uid()) >= MAX_CLIENTS_OF_UID;
        if (full || tooMany || (!client.isAdmin() && ForeignFd.isStuck(client.peer.uid()))) {
            client.process.close();
            accepted.close();
            return;
        }
        clients.add(client);
        client.start();
    }

    /** Takes a client off the queue, where it would be found ready again and again. */
    private void refuseOne() {
        if (spare != null) {
            spare.close();
        }
        try {
            UnixSocket refused = socket.listener().accept();
            if (refused != null) {
                refused.close();
            }
        } catch (ErrnoException e) {
            // somebody else took the descriptor; the next round tells
        }
        spare = openSpare();
    }

    private static Fd openSpare() {
        try {
            return Fd.open("/dev/null", Fd.O_RDONLY);
        } catch (ErrnoException e) {
            return null; // the next accept will find out, too
        }
    }

    /** Ends the oldest connection that has subscribed nothing and waits for nothing. */
    private boolean makeRoom() {
        for (LuodClient client : clients) {
            if (client.id == null && !client.watches && !isWaiting(client)) {
                client.close();
                return true;
            }
        }
        return false;
    }

    private int clientsOf(int uid) {
        int count = 0;
        for (LuodClient client : clients) {
            count += client.peer.uid() == uid ? 1 : 0;
        }
        return count;
    }

    private boolean isWaiting(LuodClient client) {
        for (Kept session : kept.values()) {
            if (session.waiting.contains(client)) {
                return true;
            }
        }
        return false;
    }

    void left(LuodClient client) {
        clients.remove(client);
        for (Kept session : kept.values()) {
            session.waiting.remove(client);
        }
        if (client.id != null && subscribers.get(client.id) == client) {
            subscribers.remove(client.id);
            Holding given = parked.remove(client.id);
            if (given != null) {
                given.close();
            }
            Adrift left = setAdrift(client);
            Update.Participant participant = update == null ? null : update.participant(client.id);
            if (participant != null && participant.client == client) {
                guarded(() -> {
                    if (left == null) {
                        update.left(participant);
                    } else {
                        update.adrift(participant, left);
                    }
                });
            }
        } else {
            client.process.close();
        }
        if (client.watches) {
            client.watches = false;
            if (update == null || update.phase() != Update.Phase.TURNING) {
                giveUp("luoctl, which asked for it, has ended");
            }
        }
    }

    /** Takes note of a client whose process runs on; null if it has ended, or has nothing left to lose here. */
    private Adrift setAdrift(LuodClient client) {
        // A client within luod's own process, as tests have, ends with its connection.
        boolean own = client.peer.pid() == UnixSocket.Peer.self().pid();
        if (own || closed || client.released || client.process.hasExited()) {
            client.process.close();
            return null;
        }
        dropExited();
        Adrift left = new Adrift(client);
        adrift.put(client.id, left);
        return left;
    }

    /** Those of an update that runs stay until it has noticed. */
    private void dropExited() {
        for (Adrift left : List.copyOf(adrift.values())) {
            if (left.hasExited() && (update == null || update.participant(left.id) == null)) {
                adrift.remove(left.id).close();
            }
        }
    }

    /** Who runs without a connection, as a sentence; null if nobody. */
    private String whoIsAdrift() {
        dropExited();
        if (adrift.isEmpty()) {
            return null;
        }
        List<String> texts = new ArrayList<>();
        for (Adrift left : adrift.values()) {
            texts.add(left.text());
        }
        return "clients run whose connections are gone, and would be lost: " + first(texts)
                + "; end them, or give them up with luoctl discard ID or --force";
    }

    /** In their order, unlike {@link Map#of}. */
    private static Map<String, Object> members(String first, Object one, String second, Object two) {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put(first, one);
        members.put(second, two);
        return members;
    }

    // ---- clients

    void subscribe(LuodClient client, String id, LuodClient.Carried given) {
        String name = SessionName.of(id);
        if (client.id != null && !client.id.equals(id)) {
            throw new LuodClient.Refusal(Errno.EINVAL, "this connection has subscribed " + client.id);
        }
        LuodClient other = subscribers.get(id);
        if (other != null && other != client) {
            throw new LuodClient.Refusal(Errno.EEXIST, "another client has subscribed " + id);
        }
        Kept waiting = kept.get(id);
        if (waiting != null && !client.mayHave(waiting.uid)) {
            throw new LuodClient.Refusal(Errno.EPERM, "the session of " + id + " belongs to another user");
        }
        boolean again = other == client;
        Adrift again0 = adrift.remove(id);
        if (again0 != null) {
            again0.close();
        }
        client.id = id;
        subscribers.put(id, client);
        String refused = null;
        Holding back = null;
        if (given.isThere() && client.isExtended() && !again) {
            try {
                back = backend.takeBack(name, given.take(), client.peer.uid());
            } catch (VmmException | ErrnoException e) {
                refused = e.getMessage();
            }
        }
        if (client.isExtended()) {
            client.send("SUBSCRIBED", members("id", id, "version", LuodProtocol.VERSION), null);
        }
        if (refused != null) {
            client.send("ABORT", Map.of("reason", Reason.of(refused)), null);
        }
        if (again) {
            return;
        }
        if (update == null) {
            if (back != null) {
                parked.put(id, back);
            }
            return;
        }
        Holding prepared = back;
        guarded(() -> update.join(client, prepared));
    }

    /** The participant that an answer comes from; null if it belongs to no update that still runs. */
    private Update.Participant participant(LuodClient client, long number) {
        Update.Participant participant =
                update == null || update.number != number || client.id == null ? null : update.participant(client.id);
        return participant == null || participant.client != client ? null : participant;
    }

    long currentUpdate() {
        return update == null ? -1 : update.number;
    }

    void prepared(LuodClient client, long number) {
        Update.Participant participant = participant(client, number);
        if (participant != null) {
            guarded(() -> update.prepared(participant));
        }
    }

    void ready(LuodClient client, long number) {
        Update.Participant participant = participant(client, number);
        if (participant != null) {
            guarded(() -> update.ready(participant));
        }
    }

    void failed(LuodClient client, long number, String reason) {
        if (participant(client, number) != null) {
            giveUp(client.id + " failed: " + reason);
        }
    }

    void claim(LuodClient client, String id) {
        Kept session = kept.get(id);
        if (session == null) {
            session = findUnlisted(id);
        }
        if (session == null) {
            noSession(client, id);
            return;
        }
        if (!client.mayHave(session.uid)) {
            throw new LuodClient.Refusal(
                    Errno.EPERM,
                    "the session of " + id + " belongs to uid " + session.uid + ", the client is uid "
                            + client.peer.uid() + ": claim it as that user or as root");
        }
        if (session.session == null && !retrieve(client, session)) {
            return;
        }
        if (session.session.isFree()) {
            hand(session, client);
        } else if (!session.waiting.contains(client)) {
            session.waiting.add(client);
        }
    }

    /** One that no registry tells of, for it was lost: only root may have it. */
    private Kept findUnlisted(String id) {
        String name = SessionName.of(id);
        try {
            Kept found = new Kept(id, 0, backend.retrieve(name));
            kept.put(id, found);
            writeRegistry();
            return found;
        } catch (SessionException e) {
            if (e.errno() == Errno.ENOENT) {
                return null;
            }
            throw e;
        }
    }

    private boolean retrieve(LuodClient client, Kept session) {
        try {
            session.session = backend.retrieve(SessionName.of(session.id));
            return true;
        } catch (SessionException e) {
            if (e.errno() != Errno.ENOENT) {
                throw e;
            }
            kept.remove(session.id);
            writeRegistry();
            noSession(client, session.id);
            return false;
        }
    }

    private static void noSession(LuodClient client, String id) {
        if (client.isExtended()) {
            client.send("NO_SESSION", Map.of("id", id), null);
        } else {
            client.close();
        }
    }

    private void hand(Kept session, LuodClient client) {
        Fd lent;
        try {
            lent = session.session.lend(client.peer.uid());
        } catch (ErrnoException e) {
            client.refuse(e.errno(), "the session of " + session.id + " cannot be handed out: " + e.getMessage());
            return;
        }
        session.claimed = true;
        session.claimedPlain = !client.isExtended();
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("id", session.id);
        if (client.isExtended() && !stamps.isEmpty()) {
            members.put("stamps", LuodProtocol.stampsAsJson(stamps));
        }
        client.send("SESSION", members, lent);
    }

    /** The VMM of before has released a session: those who wait for it get it. */
    private void serveWaiting() {
        for (Kept session : kept.values()) {
            if (!session.waiting.isEmpty() && session.session.isFree()) {
                for (LuodClient client : List.copyOf(session.waiting)) {
                    hand(session, client);
                }
                session.waiting.clear();
            }
        }
    }

    /** A client that claimed its session from an earlier luod gives luod a reference again. */
    void claimed(LuodClient client, String id, LuodClient.Carried given) {
        if (!given.isThere()) {
            throw new LuodClient.Refusal(Errno.EBADF, "CLAIMED comes with the session");
        }
        Kept session = kept.get(id);
        if (session != null && !client.mayHave(session.uid)) {
            throw new LuodClient.Refusal(Errno.EPERM, "the session of " + id + " belongs to another user");
        }
        Holding back = backend.takeBack(SessionName.of(id), given.take(), client.peer.uid());
        if (session != null && session.session != null) {
            back.close();
            return;
        }
        if (session == null) {
            session = new Kept(id, client.peer.uid(), back);
            kept.put(id, session);
        }
        session.session = back;
        session.claimed = true;
        writeRegistry();
    }

    void finished(LuodClient client, String id) {
        Kept session = kept.get(id);
        if (session == null) {
            return;
        }
        if (!client.mayHave(session.uid)) {
            throw new LuodClient.Refusal(Errno.EPERM, "the session of " + id + " belongs to another user");
        }
        forget(session);
    }

    private void forget(Kept session) {
        kept.remove(session.id);
        if (session.session != null) {
            session.session.close();
        }
        for (LuodClient client : List.copyOf(session.waiting)) {
            noSession(client, session.id);
        }
        writeRegistry();
    }

    // ---- administration

    void status(LuodClient client) {
        String obstacle = backend.whyNoTurn();
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("backend", backend.name());
        members.put("phase", update == null ? "IDLE" : update.phase().name());
        members.put("clients", (long) subscribers.size());
        members.put("waiting", (long) kept.size());
        if (obstacle != null) {
            members.put("obstacle", obstacle);
        }
        client.send("STATUS", members, null);
    }

    void list(LuodClient client) {
        for (LuodClient subscriber : subscribers.values()) {
            Map<String, Object> members = new LinkedHashMap<>();
            members.put("id", subscriber.id);
            members.put("uid", (long) subscriber.peer.uid());
            members.put("pid", (long) subscriber.peer.pid());
            members.put("state", state(subscriber.id));
            client.send("CLIENT", members, null);
        }
        dropExited();
        for (Adrift left : adrift.values()) {
            Map<String, Object> members = new LinkedHashMap<>();
            members.put("id", left.id);
            members.put("uid", (long) left.peer.uid());
            members.put("pid", (long) left.peer.pid());
            members.put("state", Update.Step.ADRIFT.name());
            client.send("CLIENT", members, null);
        }
        for (Kept session : kept.values()) {
            Map<String, Object> members = new LinkedHashMap<>();
            members.put("id", session.id);
            members.put("uid", (long) session.uid);
            members.put("state", session.claimed ? "CLAIMED" : "UNCLAIMED");
            client.send("KEPT", members, null);
        }
        client.send("END", Map.of(), null);
    }

    private String state(String id) {
        Update.Participant participant = update == null ? null : update.participant(id);
        if (participant != null) {
            return participant.step.name();
        }
        return parked.containsKey(id) ? Update.Step.PREPARED.name() : "SUBSCRIBED";
    }

    void kexec(LuodClient client, boolean force) {
        if (ending) {
            throw new LuodClient.Refusal(Errno.ESHUTDOWN, "this luod ends");
        }
        if (update != null || starting) {
            throw new LuodClient.Refusal(Errno.EBUSY, "an update runs already; luoctl abort ends it");
        }
        List<String> lost = new ArrayList<>();
        for (Kept session : kept.values()) {
            // A client of the plain protocol that subscribed again after its claim is up.
            if (!session.claimedPlain || !subscribers.containsKey(session.id)) {
                lost.add(session.id);
            }
        }
        if (!lost.isEmpty()) {
            throw new LuodClient.Refusal(
                    Errno.EBUSY,
                    "guests of the last update are not up again and would be lost: " + first(lost)
                            + "; restore them, or give them up with luoctl discard ID");
        }
        String obstacle = backend.whyNoTurn();
        if (obstacle != null) {
            throw new LuodClient.Refusal(Errno.EINVAL, obstacle);
        }
        String left = whoIsAdrift();
        if (left != null && !force) {
            throw new LuodClient.Refusal(Errno.EBUSY, left);
        }
        if (subscribers.isEmpty() && !force) {
            throw new LuodClient.Refusal(
                    Errno.ENOENT, "no client has subscribed, nothing would be kept; --force if that is meant");
        }
        client.watches = true;
        starting = true;
        forced = force;
        worker.run(() -> {
            backend.settle();
            loop.run(this::start);
        });
    }

    /** As many names as fit well into a line. */
    private static String first(List<String> ids) {
        int shown = Math.min(ids.size(), 8);
        StringBuilder names = new StringBuilder();
        for (int i = 0; i < shown; i++) {
            String id = ids.get(i);
            names.append(i == 0 ? "" : ", ").append(id.length() > 64 ? id.substring(0, 64) + "…" : id);
        }
        return names + (shown < ids.size() ? " and " + (ids.size() - shown) + " more" : "");
    }

    private void start() {
        if (!starting || closed) {
            return; // aborted meanwhile
        }
        String left = whoIsAdrift();
        if (left != null && !forced) {
            endUpdate(left); // it went while the disks settled
            return;
        }
        starting = false;
        for (Kept session : List.copyOf(kept.values())) {
            forget(session);
        }
        update = new Update(this, ++updates, forced);
        ticks = clock.scheduleAtFixedRate(() -> loop.run(this::tick), TICK_MILLIS, TICK_MILLIS, TimeUnit.MILLISECONDS);
        for (LuodClient subscriber : List.copyOf(subscribers.values())) {
            if (update == null) {
                return;
            }
            guarded(() -> update.join(subscriber, parked.remove(subscriber.id)));
        }
        if (update != null) {
            guarded(() -> update.begin());
        }
    }

    private void tick() {
        if (update != null) {
            guarded(() -> {
                String overdue = update.tick();
                if (overdue != null) {
                    giveUp(overdue);
                }
            });
        }
    }

    /** A step of an update; if it fails the update is aborted. */
    private void guarded(Runnable step) {
        try {
            step.run();
        } catch (VmmException | ErrnoException e) {
            giveUp(e.getMessage());
        }
    }

    void progress(Update.Participant participant) {
        tellWatchers("PROGRESS", members("id", participant.id, "step", participant.step.name()));
    }

    private void tellWatchers(String event, Map<String, Object> members) {
        for (LuodClient client : List.copyOf(clients)) {
            if (client.watches) {
                client.send(event, members, null);
            }
        }
    }

    void abort(LuodClient client) {
        boolean any = giveUp("luoctl abort");
        for (Map.Entry<String, Holding> given : Map.copyOf(parked).entrySet()) {
            any = true;
            parked.remove(given.getKey());
            given.getValue().close();
            subscribers.get(given.getKey()).send("ABORT", Map.of("reason", "luoctl abort"), null);
        }
        if (!any) {
            throw new LuodClient.Refusal(Errno.ESRCH, "no update runs that could be aborted");
        }
        client.send("END", Map.of(), null);
    }

    /** Ends the update that runs, if it still can be ended. */
    private boolean giveUp(String reason) {
        boolean runs = update == null ? starting : update.decision().tryAbort();
        if (runs) {
            endUpdate(reason);
        }
        return runs;
    }

    private void endUpdate(String why) {
        String reason = Reason.of(why);
        starting = false;
        if (update != null) {
            Update over = update;
            update = null;
            ticks.cancel(false);
            over.abort(reason);
        }
        log("update aborted: " + reason);
        tellWatchers("ABORTED", Map.of("reason", reason));
        stopWatching();
    }

    private void stopWatching() {
        for (LuodClient client : clients) {
            client.watches = false;
        }
    }

    void discard(LuodClient client, String id) {
        Adrift left = adrift.get(id);
        if (left != null && update == null) {
            adrift.remove(id).close();
            client.send("END", Map.of(), null);
            return;
        }
        Kept session = kept.get(id);
        if (session == null) {
            throw new LuodClient.Refusal(Errno.ENOENT, "no session of " + id + " waits here");
        }
        if (session.session == null) {
            try {
                session.session = backend.retrieve(SessionName.of(id));
            } catch (SessionException e) {
                if (e.errno() != Errno.ENOENT) {
                    throw e;
                }
            }
        }
        forget(session);
        client.send("END", Map.of(), null);
    }

    // ---- the turn

    void turn(List<Update.Participant> participants) {
        List<Registry.Entry> entries = new ArrayList<>();
        for (Update.Participant participant : participants) {
            entries.add(new Registry.Entry(participant.id, participant.uid));
        }
        tellWatchers("TURNING", Map.of());
        byte[] registry = new Registry(entries, List.of(TimelineEvent.now(Phase.REBOOT))).write();
        Update turning = update;
        worker.run(() -> {
            try {
                backend.turn(registry, turning.decision());
                loop.run(() -> turned(participants));
            } catch (VmmException | ErrnoException e) {
                loop.run(() -> {
                    if (update == turning) { // not one that was aborted meanwhile
                        endUpdate(e.getMessage());
                    }
                });
            }
        });
    }

    /** The same processes are still there: what they put in waits for the next ones. */
    private void turned(List<Update.Participant> participants) {
        Update over = update;
        update = null;
        ticks.cancel(false);
        for (Update.Participant participant : participants) {
            backend.turned(participant.session);
            kept.put(participant.id, new Kept(participant.id, participant.uid, participant.session));
        }
        over.turned();
        tellWatchers("TURNED", Map.of());
        stopWatching();
    }

    /** Ids of guests that would be lost if luod ended now: with the hold back end, all that wait for a VMM. */
    public List<String> wouldLose() {
        List<String> ids = new ArrayList<>();
        if (options.hold()) {
            loop.runAndWait(() -> {
                for (Kept session : kept.values()) {
                    ids.add(session.id);
                }
            });
        }
        return ids;
    }

    /**
     * Begins no further update and aborts one that runs, on whatever thread. If reboot(2) has been decided on already, this
     * returns only if that fails: clients that are ready must not see their connections end before.
     */
    public void stopUpdates() {
        if (abortForEnd()) {
            return;
        }
        worker.runAndWait(() -> {}); // behind reboot(2), or the turn of the hold back end
        if (!abortForEnd()) {
            loop.runAndWait(() -> endUpdate("luod ends")); // the turn was cut short by a bug
        }
    }

    /** False if it is too late for an abort. */
    private boolean abortForEnd() {
        boolean[] none = {false};
        loop.runAndWait(() -> {
            ending = true;
            giveUp("luod ends");
            none[0] = update == null;
        });
        return none[0];
    }

    /** For tests: a task ahead of sync(2) and reboot(2). */
    void onWorker(Runnable task) {
        worker.run(task);
    }

    /** Waits until what clients have begun so far is done on both threads. */
    void awaitTasks() {
        worker.runAndWait(() -> {});
        loop.runAndWait(() -> {});
    }

    /** Aborts an update that runs, ends all connections, and removes the socket. Once. */
    @Override
    public void close() {
        stopUpdates();
        loop.runAndWait(() -> {
            if (closed) {
                return;
            }
            closed = true;
            loop.unwatch(watch);
            for (LuodClient client : List.copyOf(clients)) {
                client.close();
            }
            for (Adrift left : adrift.values()) {
                left.close();
            }
            for (Kept session : kept.values()) {
                if (session.session != null) {
                    session.session.close();
                }
            }
            backend.close();
            if (spare != null) {
                spare.close();
            }
        });
        clock.shutdownNow();
        worker.close();
        loop.close();
        socket.close();
        ended.countDown();
    }
}
