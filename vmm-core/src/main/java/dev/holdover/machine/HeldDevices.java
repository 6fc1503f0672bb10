package dev.holdover.machine;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.SessionException;
import dev.holdover.liveupdate.Tokens;
import dev.holdover.passthrough.VfioConfig;
import java.util.List;

/**
 * Devices of the host that a live update kept for a guest, bound as they were. Into the session and out of it go the
 * iommufd first, then the devices in the order of the machine's configuration.
 *
 * @param iommufd by which they reach the guest's RAM
 */
record HeldDevices(Fd iommufd, List<Fd> devices) implements AutoCloseable {
    /**
     * Puts a guest's devices into an outgoing session that has its RAM; they stay the caller's.
     *
     * @return false if the kernel keeps none, and the user wants all of them reset then
     * @throws VmmException if the kernel keeps none, or not all, and the update must not go on
     */
    static boolean preserve(Session session, List<VfioConfig> configs, Fd iommufd, List<Fd> devices) {
        try {
            session.preserve(iommufd, Tokens.iommufd(0));
        } catch (SessionException e) {
            if (e.errno() != Errno.ENOENT) {
                throw e;
            }
            VfioConfig kept = firstNotReset(configs);
            if (kept != null) {
                throw new VmmException(
                        "the guest has " + kept.host() + " of the host, and this kernel keeps no such device"
                                + " through a kexec (" + e.errno().name()
                                + "): end the guest first, or start it with --vfio " + kept.host()
                                + ",on-kexec=reset, if its driver survives a device that is reset under it",
                        e);
            }
            return false;
        }
        for (int i = 0; i < devices.size(); i++) {
            preserve(session, configs.get(i), devices.get(i), Tokens.vfio(i));
        }
        return true;
    }

    /** A device that the user does not want reset; null if all may be. */
    private static VfioConfig firstNotReset(List<VfioConfig> configs) {
        for (VfioConfig config : configs) {
            if (!config.resetOnKexec()) {
                return config;
            }
        }
        return null;
    }

    private static void preserve(Session session, VfioConfig config, Fd device, long token) {
        try {
            session.preserve(device, token);
        } catch (SessionException e) {
            if (e.errno() != Errno.ENOENT) {
                throw e;
            }
            // Nor may it be reset: what is in the session already does not come out, and would be waited for.
            throw new VmmException(
                    "the guest has " + config.host() + " of the host, and this kernel keeps an iommufd through a kexec,"
                            + " but not that device (" + e.errno().name() + "): end the guest first",
                    e);
        }
    }

    /**
     * Takes them out of an incoming session. What has been taken is closed if this fails; the session has it still.
     *
     * @return null if the session has none, and the user wants all of them reset then
     * @throws SessionException if one is missing
     */
    static HeldDevices retrieve(Session session, List<VfioConfig> configs) {
        Fd iommufd;
        try {
            iommufd = session.retrieve(Tokens.iommufd(0));
        } catch (SessionException e) {
            if (e.errno() != Errno.ENOENT || firstNotReset(configs) != null) {
                throw e;
            }
            return null;
        }
        try {
            return new HeldDevices(iommufd, Retrieval.all(session, Tokens.ofVfio(configs.size())));
        } catch (RuntimeException e) {
            iommufd.close();
            throw e;
        }
    }

    /** For one who does not take them over after all. */
    @Override
    public void close() {
        for (Fd device : devices) {
            device.close();
        }
        iommufd.close();
    }
}
