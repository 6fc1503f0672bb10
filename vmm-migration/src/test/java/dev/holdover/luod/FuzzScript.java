package dev.holdover.luod;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.json.Json;
import dev.holdover.json.JsonException;
import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.liveupdate.wire.LineSocket;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What the fuzzers of luod's protocol have in common. An input is a script, one step a line, which a fuzzer can change and
 * people can read:
 *
 * <pre>
 * &gt;TEXT    a line          .TEXT   a piece of one     *CN      N hundred times the character C
 * </pre>
 */
public final class FuzzScript {
    public static final long PATIENCE_NANOS = Patience.host().nanos(20_000);

    private static final int MAX_STEPS = 100;
    private static final long SIOCOUTQ = 0x5411;

    private FuzzScript() {}

    /** What runs an input, and says what it has heard the other side say. */
    @FunctionalInterface
    public interface Target {
        Set<String> run(byte[] script) throws Exception;
    }

    /** Runs every input of a corpus, a directory beside the test; all that was heard. */
    public static Set<String> runAll(Class<?> test, String corpus, Target target) throws Exception {
        File[] inputs = Path.of(test.getResource(corpus).toURI()).toFile().listFiles();
        assertThat(inputs).isNotEmpty();
        Set<String> heard = new HashSet<>();
        for (File input : inputs) {
            try {
                heard.addAll(target.run(Files.readAllBytes(input.toPath())));
            } catch (AssertionError e) {
                throw new AssertionError(input.getName(), e);
            }
        }
        return heard;
    }

    public static List<byte[]> steps(byte[] script) {
        List<byte[]> steps = new ArrayList<>();
        int start = 0;
        for (int i = 0; i <= script.length && steps.size() < MAX_STEPS; i++) {
            if (i == script.length || script[i] == '\n') {
                if (i > start) {
                    steps.add(Arrays.copyOfRange(script, start, i));
                }
                start = i + 1;
            }
        }
        return steps;
    }

    /** Byte {@code i} of a step, 0 if it is shorter. */
    public static int at(byte[] step, int i) {
        return i < step.length ? step[i] & 0xff : 0;
    }

    public static byte[] from(byte[] step, int i) {
        return Arrays.copyOfRange(step, Math.min(i, step.length), step.length);
    }

    public static byte[] line(byte[] text) {
        byte[] line = Arrays.copyOf(text, text.length + 1);
        line[text.length] = '\n';
        return line;
    }

    /** For {@code *}: the character at {@code i}, and how often behind it. */
    public static byte[] many(byte[] step, int i) {
        byte[] bytes = new byte[100 * (at(step, i + 1) & 0x3f)];
        Arrays.fill(bytes, (byte) at(step, i));
        return bytes;
    }

    /** Sends to a non-blocking socket, the descriptors with the first byte; less if the other side has had enough. */
    public static void send(UnixSocket socket, byte[] bytes, List<Fd> fds) {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment all = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
            List<Fd> carried = fds;
            for (long done = 0; done < bytes.length; ) {
                long n = socket.trySend(all.asSlice(done), carried);
                if (Errno.EAGAIN.is(n)) {
                    if (System.nanoTime() - deadline > 0) {
                        throw new AssertionError("nobody reads");
                    }
                    Thread.onSpinWait();
                } else if (n < 0) {
                    return;
                } else {
                    done += n;
                    carried = List.of();
                }
            }
        }
    }

    /** Waits until the other side has read everything, or is gone. */
    public static void awaitRead(UnixSocket socket) {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment unread = arena.allocate(ValueLayout.JAVA_INT);
            do {
                if (System.nanoTime() - deadline > 0) {
                    throw new AssertionError("nobody reads");
                }
                socket.fd().ioctl("SIOCOUTQ", SIOCOUTQ, unread.address());
            } while (unread.get(ValueLayout.JAVA_INT, 0) > 0);
        }
    }

    /** What the other side says: whatever it is told, it keeps to the protocol itself. */
    public static final class Heard {
        private final String key;
        private final Set<String> names;
        private final ByteArrayOutputStream begun = new ByteArrayOutputStream();
        /** The other side has closed the connection. */
        public boolean ended;

        /** {@code key} is the member that says what a line is; what it was is added to {@code names}. */
        public Heard(String key, Set<String> names) {
            this.key = key;
            this.names = names;
        }

        /** Reads what is there; the descriptors that came are the caller's. */
        public List<Fd> read(UnixSocket socket) {
            List<Fd> fds = new ArrayList<>();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment bytes = arena.allocate(LineSocket.MAX_LINE);
                while (true) {
                    UnixSocket.Received received = socket.receive(bytes);
                    fds.addAll(received.fds());
                    if (received.bytes() <= 0) {
                        ended = !Errno.EAGAIN.is(received.bytes());
                        return fds;
                    }
                    take(bytes.asSlice(0, received.bytes()).toArray(ValueLayout.JAVA_BYTE));
                }
            }
        }

        private void take(byte[] bytes) {
            for (byte b : bytes) {
                begun.write(b);
                if (begun.size() > LineSocket.MAX_LINE) {
                    throw new AssertionError("a line of more than " + LineSocket.MAX_LINE + " bytes: " + begun);
                }
                if (b == '\n') {
                    check(begun.toString(StandardCharsets.UTF_8));
                    begun.reset();
                }
            }
        }

        private void check(String line) {
            try {
                Map<String, Object> message = Json.object(Json.parse(line));
                if (message == null || !(message.get(key) instanceof String name)) {
                    throw new AssertionError("not of the protocol: " + line);
                }
                names.add(name);
            } catch (JsonException e) {
                throw new AssertionError("no JSON: " + line, e);
            }
        }
    }
}
