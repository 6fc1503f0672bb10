package dev.holdover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** On the line between the two sides of a hand-over. */
public final class Relay {
    private static final int PATIENCE_MILLIS = Patience.host().millis(30_000);
    private static final int MOST_BYTES = 256 << 10;

    private Relay() {}

    /** Something to do while a message is on its way. */
    @FunctionalInterface
    public interface Meanwhile {
        void run() throws Exception;
    }

    /** Waits for the next message and passes it on, with its descriptors. */
    public static void pass(UnixSocket from, UnixSocket to) throws Exception {
        pass(from, to, () -> {});
    }

    /** Likewise, with something between its being sent and its being there. */
    public static void pass(UnixSocket from, UnixSocket to, Meanwhile meanwhile) throws Exception {
        try (Arena arena = Arena.ofConfined();
                Epoll epoll = new Epoll()) {
            epoll.add(from.fd(), Epoll.EPOLLIN, 0);
            assertThat(epoll.await(PATIENCE_MILLIS)).as("a message in time").isPositive();
            MemorySegment packet = arena.allocate(MOST_BYTES);
            UnixSocket.Received received = from.receive(packet);
            try {
                assertThat(received.bytes()).isPositive();
                meanwhile.run();
                assertThat(to.trySend(packet.asSlice(0, received.bytes()), received.fds()))
                        .isEqualTo(received.bytes());
            } finally {
                received.fds().forEach(Fd::close);
            }
        }
    }
}
