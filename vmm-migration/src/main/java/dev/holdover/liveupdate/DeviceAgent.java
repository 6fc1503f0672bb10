package dev.holdover.liveupdate;

import dev.holdover.linux.Errno;
import dev.holdover.linux.VmmException;

/**
 * The VMM holds its session itself, for a user who calls reboot(2) while it lives. {@code systemctl kexec} does not: it
 * ends services first, and with the last descriptor the session.
 */
public final class DeviceAgent extends OwnAgent {
    private final Holder holder;

    /** Opens nothing yet. */
    public DeviceAgent() {
        this(null);
    }

    /** Claims from another process, which could not restore the guest; null: from the kernel. */
    public DeviceAgent(Holder holder) {
        this.holder = holder;
    }

    /** Whether another process keeps the session until it is finished. */
    public boolean hasHolder() {
        return holder != null;
    }

    @Override
    public String name() {
        return "device";
    }

    @Override
    public Session claim(String id) {
        if (holder != null) {
            return claimFromHolder(id);
        }
        try (LiveUpdateDevice device = LiveUpdateDevice.open()) {
            return device.retrieve(SessionName.of(id));
        } catch (SessionException e) {
            if (e.errno() == Errno.ENOENT && LiveUpdateDevice.exists()) {
                return null;
            }
            throw e;
        }
    }

    private Session claimFromHolder(String id) {
        Session session = holder.claim();
        if (!session.name().equals(SessionName.of(id))) {
            String other = session.name();
            session.close(); // the holder has its own
            throw new VmmException("the other VMM holds the guest in session " + other + ", not " + id
                    + ": give the name that it was preserved under");
        }
        return session;
    }

    @Override
    public void finish(String id, Session incoming) {
        incoming.finish();
        incoming.close();
        if (holder != null) {
            holder.release();
        }
    }

    @Override
    public String lack() {
        return LiveUpdateDevice.lack();
    }

    @Override
    Session create(String id) {
        try (LiveUpdateDevice device = LiveUpdateDevice.open()) {
            return device.create(SessionName.of(id));
        }
    }

    @Override
    void release(String id) {
        // nobody else has it
    }
}
