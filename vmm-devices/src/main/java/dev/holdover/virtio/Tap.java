package dev.holdover.virtio;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A tap interface: a descriptor that carries one Ethernet frame a read or write, each behind a 12-byte virtio-net
 * header. Non-blocking. Documentation/networking/tuntap.rst.
 */
public final class Tap implements AutoCloseable {
    public static final String NAME = "tap";

    private static final String DEVICE = "/dev/net/tun";
    private static final int ALL_OFFLOADS = TapIoctl.TUN_F_CSUM | TapIoctl.TUN_F_TSO4 | TapIoctl.TUN_F_TSO6;

    private final Fd fd;
    private final String name;
    private final boolean offloads;

    /**
     * Takes over a descriptor of a tap with IFF_VNET_HDR, or a message socket with frames of the same form (which has
     * no offloads).
     *
     * @param name the interface's, for people
     */
    public Tap(Fd fd, String name) {
        this(fd, name, makeReady(fd, name));
    }

    private Tap(Fd fd, String name, boolean offloads) {
        this.fd = fd;
        this.name = name;
        this.offloads = offloads;
    }

    /** A tap that another process has made ready and serves still: nothing is set here. Takes the descriptor over. */
    public static Tap adopt(Fd fd, String name, boolean offloads) {
        return new Tap(fd, name, offloads);
    }

    private static boolean makeReady(Fd fd, String name) {
        fd.setNonBlocking(true);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocateFrom(ValueLayout.JAVA_INT, VirtioNet.HEADER);
            long result = fd.tryIoctl(TapIoctl.TUNSETVNETHDRSZ, size.address());
            if (!Errno.ENOTTY.is(result)) {
                ErrnoException.check("ioctl TUNSETVNETHDRSZ of tap " + name, result);
            }
        }
        return fd.tryIoctl(TapIoctl.TUNSETOFFLOAD, ALL_OFFLOADS) == 0;
    }

    /** Opens the interface of that name, made if it does not exist; VmmException that says what to do. */
    public static Tap open(String name) {
        Fd fd;
        try {
            fd = Fd.open(DEVICE, Fd.O_RDWR);
        } catch (ErrnoException e) {
            throw new VmmException(
                    "cannot open " + DEVICE + " for tap " + name + ": " + text(e.errno())
                            + (e.errno() == Errno.EACCES || e.errno() == Errno.EPERM
                                    ? "; give yourself access to it"
                                    : "; load the module: modprobe tun"),
                    e);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = arena.allocate(TapIoctl.IFREQ_SIZE, 8);
            request.setString(0, name);
            request.set(ValueLayout.JAVA_SHORT, TapIoctl.IFREQ_FLAGS, (short)
                    (TapIoctl.IFF_TAP | TapIoctl.IFF_NO_PI | TapIoctl.IFF_VNET_HDR));
            long result = fd.tryIoctl(TapIoctl.TUNSETIFF, request.address());
            if (result < 0) {
                Errno errno = Errno.of(-result);
                throw new VmmException("cannot use tap " + name + ": " + text(errno) + advice(errno, name));
            }
            return new Tap(fd, name);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    private static String text(Errno errno) {
        return errno.name() + " (" + errno.text() + ")";
    }

    private static String advice(Errno errno, String name) {
        if (errno == Errno.EBUSY) {
            return "; another program has it: stop that one or take another tap";
        }
        if (errno == Errno.EPERM) {
            return "; have root make it for you: ip tuntap add dev " + name + " mode tap user $USER";
        }
        if (errno == Errno.EINVAL) {
            return "; an interface of that name exists that is no tap of one queue: take another name";
        }
        return "";
    }

    Fd fd() {
        return fd;
    }

    String name() {
        return name;
    }

    /** Whether the host may leave checksums and segmentation to the reader of frames. */
    boolean hasOffloads() {
        return offloads;
    }

    /** Sets which of them it may leave. */
    void setOffloads(boolean checksums, boolean tso4, boolean tso6) {
        if (offloads) {
            // The kernel refuses segmentation without checksums, and so does virtio.
            int flags = checksums ? TapIoctl.TUN_F_CSUM : 0;
            flags |= checksums && tso4 ? TapIoctl.TUN_F_TSO4 : 0;
            flags |= checksums && tso6 ? TapIoctl.TUN_F_TSO6 : 0;
            fd.tryIoctl(TapIoctl.TUNSETOFFLOAD, flags);
        }
    }

    @Override
    public void close() {
        fd.close();
    }
}
