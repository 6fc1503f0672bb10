package dev.holdover.luod;

import dev.holdover.linux.PeerProcess;
import dev.holdover.linux.UnixSocket;

/**
 * A client that had subscribed and whose connection is gone, while its process runs, as far as is known: out of
 * descriptors, or cut off. A reboot would cost its guest. On luod's thread.
 */
final class Adrift implements AutoCloseable {
    final String id;
    final UnixSocket.Peer peer;
    private final PeerProcess process;

    /** Takes the client's process over. */
    Adrift(LuodClient client) {
        this.id = client.id;
        this.peer = client.peer;
        this.process = client.process;
    }

    boolean hasExited() {
        return process.hasExited();
    }

    String text() {
        return id + " (pid " + peer.pid() + ")";
    }

    @Override
    public void close() {
        process.close();
    }
}
