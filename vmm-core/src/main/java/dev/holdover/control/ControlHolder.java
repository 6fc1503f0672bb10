package dev.holdover.control;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.Holder;
import dev.holdover.liveupdate.Session;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Map;

/** A VMM with a {@link Stranded} guest, by its control socket. */
public final class ControlHolder implements Holder {
    private final String path;

    public ControlHolder(String path) {
        this.path = path;
    }

    @Override
    public Session claim() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
        try (UnixSocket here = pair[0];
                UnixSocket there = pair[1];
                ControlConnection vmm = ControlConnection.open(path);
                Arena arena = Arena.ofConfined()) {
            vmm.execute("live-update-give", Map.of(), there.fd());
            UnixSocket.Received received = here.receive(arena.allocate(1));
            ErrnoException.check("receive the session", received.bytes());
            List<Fd> fds = received.fds();
            if (fds.size() != 1) {
                fds.forEach(Fd::close);
                throw new VmmException(
                        "the VMM at " + path + " gave " + fds.size() + " descriptors instead of a session");
            }
            return Session.of(fds.getFirst());
        } catch (QmpException e) {
            throw new VmmException("the VMM at " + path + " gives no guest: " + e.getMessage(), e);
        }
    }

    @Override
    public void release() {
        try (ControlConnection vmm = ControlConnection.open(path)) {
            vmm.execute("quit", Map.of(), null);
        } catch (QmpException | VmmException | ErrnoException e) {
            System.err.println("vmm: the guest runs here; the VMM at " + path + ", which held it, was not told: "
                    + e.getMessage());
        }
    }
}
