package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A negotiated connection to a control socket. No call waits for ever. */
final class ControlClient implements AutoCloseable {
    private static final long MOST_NANOS = Patience.host().nanos(60_000);

    private final SocketChannel channel;
    private final Selector selector;
    private final StringBuilder received = new StringBuilder();

    private ControlClient(SocketChannel channel) throws IOException {
        this.channel = channel;
        channel.configureBlocking(false);
        this.selector = Selector.open();
        channel.register(selector, SelectionKey.OP_READ);
    }

    /**
     * Connects and negotiates.
     *
     * @throws IOException if nobody listens there, or whoever does ends before it has answered
     */
    static ControlClient connect(Path control) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.connect(UnixDomainSocketAddress.of(control));
            ControlClient client = new ControlClient(channel);
            assertThat(client.line()).contains("QMP");
            client.ask("{'execute': 'qmp_capabilities'}");
            return client;
        } catch (IOException | RuntimeException | Error e) {
            channel.close();
            throw e;
        }
    }

    private String line() throws IOException {
        long deadline = System.nanoTime() + MOST_NANOS;
        ByteBuffer buffer = ByteBuffer.allocate(65536);
        int end;
        while ((end = received.indexOf("\r\n")) < 0) {
            long left = (deadline - System.nanoTime()) / 1_000_000;
            assertThat(left).as("milliseconds left to wait for an answer").isPositive();
            selector.select(left);
            selector.selectedKeys().clear();
            int n = channel.read(buffer.clear());
            if (n < 0) {
                throw new EOFException("the VMM closed its control socket");
            }
            received.append(new String(buffer.array(), 0, n, StandardCharsets.UTF_8));
        }
        String line = received.substring(0, end);
        received.delete(0, end + 2);
        return line;
    }

    /** Sends a request and does not wait for what comes of it; {@link #answer} does. */
    void send(String request) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap((request + "\n").getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    /** The next reply, without the events before it. */
    String answer() throws IOException {
        String line = line();
        while (line.contains("\"event\": ")) {
            line = line();
        }
        return line;
    }

    /** The reply to a request, if none is outstanding. */
    String ask(String request) throws IOException {
        send(request);
        return answer();
    }

    @Override
    public void close() throws IOException {
        selector.close();
        channel.close();
    }
}
