package dev.holdover.virtio;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A network device on a tap: virtio 1.2, section 5.1, without a control queue. Frames go between the tap and guest RAM
 * without a copy of ours, with the header that both have in common.
 *
 * <p>The tap is read only while the driver has given buffers; frames then wait in the tap's own queue, and are dropped
 * there. A frame that the tap refuses (a wrong header, an interface that is down) is dropped and counted.
 */
public final class VirtioNet extends VirtioDevice {
    private static final int ID = 1;
    private static final int RX = 0;
    private static final int TX = 1;

    private static final long F_CSUM = 1L << 0;
    private static final long F_GUEST_CSUM = 1L << 1;
    private static final long F_MAC = 1L << 5;
    private static final long F_GUEST_TSO4 = 1L << 7;
    private static final long F_GUEST_TSO6 = 1L << 8;
    private static final long F_HOST_TSO4 = 1L << 11;
    private static final long F_HOST_TSO6 = 1L << 12;
    private static final long F_MRG_RXBUF = 1L << 15;
    private static final long F_STATUS = 1L << 16;

    /** struct virtio_net_hdr_v1, little-endian as the host is; the last field: how many buffers the frame takes. */
    static final int HEADER = 12;

    static final int NUM_BUFFERS = 10;
    /** Header, Ethernet header with a VLAN tag, and as much as an IP packet holds. */
    static final int MAX_FRAME = HEADER + 18 + 65535;

    private final Tap tap;
    private final FdWatch watch;
    private final AtomicLong droppedIn = new AtomicLong();
    private final AtomicLong droppedOut = new AtomicLong();

    private MacAddress mac;

    // The loop thread's.
    private boolean mergeable;
    private ReceiveBuffers received;
    private VirtQueue receiveQueue;
    private boolean wantsFrame;
    private boolean wantsRoom;
    private boolean gone;

    /** Takes the tap over. */
    public VirtioNet(Tap tap, MacAddress mac, EventLoop.FailureHandler onFailure) {
        super("net " + tap.name(), ID, 2, offered(tap), new ConfigSpace(configBytes(mac, true)), onFailure);
        this.tap = tap;
        this.mac = mac;
        this.watch = new FdWatch(loop(), tap.fd(), new Ready());
    }

    private static long offered(Tap tap) {
        long sending = F_CSUM | F_HOST_TSO4 | F_HOST_TSO6;
        long receiving = tap.hasOffloads() ? F_GUEST_CSUM | F_GUEST_TSO4 | F_GUEST_TSO6 : 0;
        return F_MAC | F_STATUS | F_MRG_RXBUF | sending | receiving;
    }

    /** struct virtio_net_config: mac@0 (6), status@6 (2; 1 = link up). */
    private static byte[] configBytes(MacAddress mac, boolean linkUp) {
        byte[] config = new byte[8];
        for (int i = 0; i < 6; i++) {
            config[i] = mac.octet(i);
        }
        config[6] = (byte) (linkUp ? 1 : 0);
        return config;
    }

    /** The tap's descriptor; stays this device's. */
    public Fd descriptor() {
        return tap.fd();
    }

    /** Whether the tap may leave checksums and segmentation to the guest. */
    public boolean hasOffloads() {
        return tap.hasOffloads();
    }

    public VirtioNetState state() {
        return new VirtioNetState(mac);
    }

    /** Takes over a saved guest's address, before the transport is restored. */
    public void restore(VirtioNetState state) {
        mac = state.mac();
        initConfig(configBytes(mac, true));
    }

    /** Frames from the tap that were larger than the driver's buffers. Any thread. */
    public long droppedIn() {
        return droppedIn.get();
    }

    /** Frames from the driver that the tap did not take. Any thread. */
    public long droppedOut() {
        return droppedOut.get();
    }

    private final class Ready implements EventLoop.Handler {
        @Override
        public void ready(int events) {
            if ((events & ~Epoll.EPOLLIN) != 0) {
                wantsRoom = false;
                serve(TX);
            }
            if ((events & ~Epoll.EPOLLOUT) != 0) {
                serve(RX);
            }
            watchTap();
        }
    }

    private void watchTap() {
        watch.want((wantsFrame ? Epoll.EPOLLIN : 0) | (wantsRoom ? Epoll.EPOLLOUT : 0));
    }

    @Override
    void starting(long negotiated) {
        mergeable = (negotiated & F_MRG_RXBUF) != 0;
        received = null;
        tap.setOffloads(
                (negotiated & F_GUEST_CSUM) != 0, (negotiated & F_GUEST_TSO4) != 0, (negotiated & F_GUEST_TSO6) != 0);
    }

    @Override
    void halted() {
        if (received != null) {
            receiveQueue.putBack(received.release());
        }
        wantsFrame = false;
        wantsRoom = false;
        watchTap();
    }

    @Override
    void process(int index, VirtQueue queue) {
        if (index == RX) {
            receive(queue);
        } else {
            send(queue);
        }
        interrupt(queue);
        watchTap();
    }

    private void receive(VirtQueue queue) {
        if (received == null) {
            receiveQueue = queue;
            received = new ReceiveBuffers(queue.memory(), mergeable);
        }
        wantsFrame = false;
        for (int budget = queue.size(); !gone && received.gather(queue) > 0; budget--) {
            wantsFrame = true;
            if (budget == 0 || halting()) {
                return; // it is called again while the tap is readable
            }
            long n = received.read(tap.fd());
            if (Errno.EAGAIN.is(n)) {
                return;
            }
            if (n >= HEADER && received.fits(n)) {
                received.deliver(n, queue);
            } else if (n > 0) {
                droppedIn.getAndIncrement();
            } else if (Errno.EFAULT.is(n)) {
                throw ramLost("a read of tap " + tap.name());
            } else if (!Errno.EINTR.is(n)) {
                linkLost();
            }
            wantsFrame = false;
        }
    }

    /** The interface was deleted. */
    private void linkLost() {
        gone = true;
        changeConfig(configBytes(mac, false));
    }

    private void send(VirtQueue queue) {
        int budget = queue.size();
        while (!halting()) {
            if (budget-- == 0) {
                again(TX);
                return;
            }
            DescriptorChain chain = queue.next();
            if (chain == null) {
                return;
            }
            if (!trySend(chain.readable)) {
                queue.putBack(1);
                wantsRoom = true;
                return;
            }
            queue.push(chain.head(), 0);
            queue.publish();
        }
    }

    /** Sends or drops a frame; returns false if the tap has no room at the moment. */
    private boolean trySend(GuestBuffers frame) {
        if (frame.byteSize() < HEADER) {
            throw new MalformedRequestException("frame of " + frame.byteSize() + " bytes, without a header");
        }
        if (gone || frame.byteSize() > MAX_FRAME) {
            droppedOut.getAndIncrement();
            return true;
        }
        while (true) {
            long n = tap.fd().tryWritev(frame.iovecs(), frame.count());
            if (Errno.EAGAIN.is(n)) {
                return false;
            }
            if (Errno.EFAULT.is(n)) {
                throw ramLost("a write to tap " + tap.name());
            }
            if (!Errno.EINTR.is(n)) {
                if (n < 0) {
                    droppedOut.getAndIncrement();
                }
                return true;
            }
        }
    }

    /** Also closes the tap, which vanishes if it was made for this. */
    @Override
    public void close() {
        super.close();
        tap.close();
    }
}
