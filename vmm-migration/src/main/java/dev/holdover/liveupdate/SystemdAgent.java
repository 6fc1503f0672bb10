package dev.holdover.liveupdate;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * systemd (v261 or later) holds the session in the unit's file descriptor store, through {@code systemctl kexec}: see
 * sd_pid_notify_with_fds(3), sd_listen_fds(3) and FILE_DESCRIPTOR_STORE.md.
 *
 * <p>The session is one of our own, preserved early, and not a plain memfd in the store, which systemd would preserve only
 * when everything has stopped. The unit needs {@code FileDescriptorStoreMax=} and {@code FileDescriptorStorePreserve=yes}.
 */
public final class SystemdAgent extends OwnAgent {
    /** Where the first descriptor is that systemd passes. */
    private static final int FIRST_FD = 3;

    private static final int TIMEOUT_MILLIS = 10_000;

    private final Map<String, String> environment;
    private final String inherited;
    /** Names whose descriptors this object has handed out: the numbers may be others' by now. */
    private final Set<String> claimed = new HashSet<>();

    /** As systemd has started this process. */
    public SystemdAgent() {
        this(System.getenv(), System.getProperty("dev.holdover.inherited-fds"));
    }

    /** {@code inherited} are the numbers of the descriptors open when the JVM began, joined by commas; null: unknown. */
    SystemdAgent(Map<String, String> environment, String inherited) {
        this.environment = environment;
        this.inherited = inherited;
    }

    @Override
    public String name() {
        return "systemd";
    }

    /**
     * Once for an id. systemd keeps its reference until {@link #finish}, and passes it to a VMM that is started anew. A
     * session that waits for the next kernel is discarded: its unit was stopped while a kernel was loaded, and somebody
     * starts it without a kexec.
     */
    @Override
    public Session claim(String id) {
        if (environment.get("NOTIFY_SOCKET") == null) {
            throw noSystemd("NOTIFY_SOCKET is not set");
        }
        String name = SessionName.of(id);
        String[] names = environment.getOrDefault("LISTEN_FDNAMES", "").split(":", -1);
        int count = passed();
        for (int i = 0; i < count && i < names.length; i++) {
            if (names[i].equals(name)) {
                if (!claimed.add(name)) {
                    throw new VmmException("systemd passes the session of " + id
                            + " once to a process, and it was taken:" + " restart the unit to get it again");
                }
                Fd fd = Fd.adopt(FIRST_FD + i, "the session of " + id);
                fd.setCloseOnExec(true);
                Session session = Session.of(fd);
                if (!session.isOutgoing()) {
                    return session;
                }
                System.err.println("vmm: the guest " + id + " was preserved for the next kernel, but no kexec came: it"
                        + " is given up");
                try (session) {
                    release(id);
                }
                return null;
            }
        }
        return null;
    }

    /** How many descriptors were passed to this very process, and are there. */
    private int passed() {
        String pid = environment.getOrDefault("LISTEN_PID", "");
        if (!pid.equals(Long.toString(ProcessHandle.current().pid()))) {
            return 0;
        }
        int count;
        try {
            count = Integer.parseInt(environment.getOrDefault("LISTEN_FDS", "0"));
        } catch (NumberFormatException e) {
            throw new VmmException("LISTEN_FDS is " + environment.get("LISTEN_FDS") + ", systemd sets a number", e);
        }
        for (int i = 0; i < count; i++) {
            // The JVM may have taken the number of one that is not there.
            if (inherited != null && !("," + inherited + ",").contains("," + (FIRST_FD + i) + ",")) {
                throw new VmmException("LISTEN_FDS says that file descriptor " + (FIRST_FD + i)
                        + " was passed, but it was not: start ./vmm as the unit's main process");
            }
        }
        return count;
    }

    @Override
    public void finish(String id, Session incoming) {
        incoming.finish();
        notify("FDSTOREREMOVE=1\nFDNAME=" + SessionName.of(id), null);
        incoming.close();
    }

    @Override
    String lack() {
        if (environment.get("NOTIFY_SOCKET") == null) {
            return noSystemd("NOTIFY_SOCKET is not set").getMessage();
        }
        if (environment.get("FDSTORE") == null) {
            return noSystemd("FDSTORE is not set, so the unit has no FileDescriptorStoreMax=")
                    .getMessage();
        }
        return LiveUpdateDevice.lack();
    }

    @Override
    Session create(String id) {
        if (environment.get("FDSTORE") == null) {
            throw noSystemd("FDSTORE is not set, so the unit has no FileDescriptorStoreMax=");
        }
        Session session;
        try (LiveUpdateDevice device = LiveUpdateDevice.open()) {
            session = device.create(SessionName.of(id));
        }
        try {
            store(id, session.fd());
            return session;
        } catch (VmmException | ErrnoException e) {
            session.close();
            throw e;
        }
    }

    /** FDPOLL=0: what is stored stays, whatever poll(2) says of it. */
    public void store(String id, Fd session) {
        notify("FDSTORE=1\nFDNAME=" + SessionName.of(id) + "\nFDPOLL=0", session);
        barrier();
    }

    @Override
    public void release(String id) {
        notify("FDSTOREREMOVE=1\nFDNAME=" + SessionName.of(id), null);
        barrier();
    }

    /** The service is up: READY=1. */
    public void ready() {
        notify("READY=1", null);
    }

    private void notify(String message, Fd fd) {
        try (UnixSocket socket = connect();
                Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, message.getBytes(StandardCharsets.UTF_8));
            long sent;
            do {
                sent = socket.trySend(bytes, fd == null ? List.of() : List.of(fd));
            } while (Errno.EINTR.is(sent));
            ErrnoException.check("send to NOTIFY_SOCKET " + environment.get("NOTIFY_SOCKET"), sent);
        }
    }

    private UnixSocket connect() {
        String path = environment.get("NOTIFY_SOCKET");
        if (path == null) {
            throw noSystemd("NOTIFY_SOCKET is not set");
        }
        UnixSocket socket = UnixSocket.connect(UnixSocket.Kind.DATAGRAM, path);
        socket.setTimeout(Patience.host().millis(TIMEOUT_MILLIS));
        return socket;
    }

    /** Waits until systemd has worked through what was sent: it then closes the one descriptor of BARRIER=1. */
    private void barrier() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        try (UnixSocket here = pair[0];
                Arena arena = Arena.ofConfined()) {
            try (UnixSocket there = pair[1]) {
                notify("BARRIER=1", there.fd());
            }
            here.setTimeout(Patience.host().millis(TIMEOUT_MILLIS));
            UnixSocket.Received received;
            do {
                received = here.receive(arena.allocate(1));
            } while (Errno.EINTR.is(received.bytes()));
            if (received.bytes() != 0) {
                throw new VmmException("systemd does not answer BARRIER=1 on NOTIFY_SOCKET within "
                        + Patience.text(Patience.host().millis(TIMEOUT_MILLIS))
                        + ": has the unit NotifyAccess=main or all?");
            }
        }
    }

    private static VmmException noSystemd(String what) {
        return new VmmException(what + ": --live-update systemd is for a unit of systemd 261 or later with Type=notify,"
                + " FileDescriptorStoreMax=16 and FileDescriptorStorePreserve=yes");
    }
}
