package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Fd;
import dev.holdover.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.Callable;

/** Between the two sides of a hand-over: passes their messages on until one side hangs up. */
final class Line implements AutoCloseable {
    private static final int MOST_BYTES = 256 << 10;
    private static final int LOOK_MILLIS = 20;

    private final UnixSocket listener;
    private UnixSocket outgoing;
    private UnixSocket incoming;

    /** What is done about the message that is to be disturbed. */
    interface Disturbance {
        /** It was sent, and is not there yet. */
        void begin() throws Exception;

        /** It is there. */
        void end() throws Exception;
    }

    /** Listens where the outgoing side is to connect to. */
    Line(String path) {
        listener = UnixSocket.listen(UnixSocket.Kind.SEQPACKET, path);
    }

    /** Waits until the outgoing side has connected, and connects to the incoming one. */
    void connect(String standby) {
        try (Epoll epoll = new Epoll()) {
            epoll.add(listener.fd(), Epoll.EPOLLIN, 0);
            assertThat(epoll.await(Vmms.PATIENCE_SECONDS * 1000))
                    .as("the outgoing side connects")
                    .isPositive();
        }
        outgoing = listener.accept();
        incoming = UnixSocket.connect(UnixSocket.Kind.SEQPACKET, standby);
    }

    /** Passes messages on until a side hangs up, or the caller has had enough; the n-th one, from 1 on, is disturbed. */
    void pass(int disturbed, Disturbance disturbance, Callable<Boolean> enough) throws Exception {
        try (Epoll epoll = new Epoll();
                Arena arena = Arena.ofConfined()) {
            epoll.add(outgoing.fd(), Epoll.EPOLLIN, 0);
            epoll.add(incoming.fd(), Epoll.EPOLLIN, 1);
            MemorySegment packet = arena.allocate(MOST_BYTES);
            int number = 0;
            while (!enough.call()) {
                for (int i = 0, ready = epoll.await(LOOK_MILLIS); i < ready; i++) {
                    boolean there = epoll.data(i) == 0;
                    UnixSocket.Received received = (there ? outgoing : incoming).receive(packet);
                    try {
                        if (received.bytes() <= 0) {
                            return;
                        }
                        number++;
                        if (number == disturbed) {
                            disturbance.begin();
                        }
                        (there ? incoming : outgoing).trySend(packet.asSlice(0, received.bytes()), received.fds());
                        if (number == disturbed) {
                            disturbance.end();
                        }
                    } finally {
                        received.fds().forEach(Fd::close);
                    }
                }
            }
        }
    }

    @Override
    public void close() {
        listener.close();
        if (outgoing != null) {
            outgoing.close();
        }
        if (incoming != null) {
            incoming.close();
        }
    }
}
