package dev.holdover.liveupdate;

import dev.holdover.linux.Errno;

/**
 * The VMM holds its session itself, for a user who calls reboot(2) while it lives. {@code systemctl kexec} does not: it
 * ends services first, and with the last descriptor the session.
 */
public final class DeviceAgent extends OwnAgent {
    /** Opens nothing yet. */
    public DeviceAgent() {}

    @Override
    public String name() {
        return "device";
    }

    @Override
    public Session claim(String id) {
        try (LiveUpdateDevice device = LiveUpdateDevice.open()) {
            return device.retrieve(SessionName.of(id));
        } catch (SessionException e) {
            if (e.errno() == Errno.ENOENT && LiveUpdateDevice.exists()) {
                return null;
            }
            throw e;
        }
    }

    @Override
    public void finish(String id, Session incoming) {
        incoming.finish();
        incoming.close();
    }

    @Override
    String lack() {
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
