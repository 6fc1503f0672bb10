package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class UnixSocketTest {
    @TempDir
    Path dir;

    private final Arena arena = Arena.ofShared();

    @AfterEach
    void freeMemory() {
        arena.close();
    }

    private MemorySegment text(String text) {
        return arena.allocateFrom(ValueLayout.JAVA_BYTE, text.getBytes(StandardCharsets.UTF_8));
    }

    private static String text(MemorySegment bytes, long length) {
        return new String(bytes.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    /** A memfd that holds {@code word}. */
    private Fd memfd(int word) {
        Fd fd = Memfd.create("word", 4);
        fd.writeFully(arena.allocateFrom(ValueLayout.JAVA_INT, word), 0);
        return fd;
    }

    private int word(Fd fd) {
        MemorySegment word = arena.allocate(ValueLayout.JAVA_INT);
        assertThat(fd.readFully(word, 0)).isEqualTo(4);
        return word.get(ValueLayout.JAVA_INT, 0);
    }

    @ParameterizedTest
    @EnumSource(
            value = UnixSocket.Kind.class,
            names = {"STREAM", "SEQPACKET"})
    void connectsAcceptsAndTalks(UnixSocket.Kind kind) {
        String path = dir.resolve("s").toString();
        try (UnixSocket listener = UnixSocket.listen(kind, path)) {
            assertThat(listener.accept()).as("nobody there yet").isNull();
            try (UnixSocket client = UnixSocket.connect(kind, path);
                    UnixSocket server = listener.accept()) {
                assertThat(server.peer().pid())
                        .isEqualTo((int) ProcessHandle.current().pid());
                assertThat(client.peer()).isEqualTo(server.peer());
                assertThat(client.trySend(text("hello"), List.of())).isEqualTo(5);
                assertThat(client.trySend(text("you"), List.of())).isEqualTo(3);
                MemorySegment buffer = arena.allocate(100);
                UnixSocket.Received received = server.receive(buffer);
                String expected = kind == UnixSocket.Kind.SEQPACKET ? "hello" : "helloyou";
                assertThat(text(buffer, received.bytes())).isEqualTo(expected);
                assertThat(received.fds()).isEmpty();
            }
        }
    }

    @Test
    void aDatagramArrivesWhole() {
        String path = dir.resolve("s").toString();
        try (UnixSocket receiver = UnixSocket.listen(UnixSocket.Kind.DATAGRAM, path);
                UnixSocket sender = UnixSocket.connect(UnixSocket.Kind.DATAGRAM, path)) {
            assertThat(sender.trySend(text("READY=1"), List.of())).isEqualTo(7);
            MemorySegment buffer = arena.allocate(100);
            assertThat(text(buffer, receiver.receive(buffer).bytes())).isEqualTo("READY=1");
        }
    }

    @Test
    void aConnectionThatWouldHaveToWaitIsRefusedAtOnce() {
        String path = dir.resolve("s").toString();
        List<UnixSocket> connected = new ArrayList<>();
        try (UnixSocket listener = UnixSocket.listen(UnixSocket.Kind.STREAM, path)) {
            assertThatThrownBy(() -> {
                        for (int i = 0; i < 1000; i++) {
                            connected.add(UnixSocket.connectNow(UnixSocket.Kind.STREAM, path));
                        }
                    })
                    .hasMessage("connect " + path + ": EAGAIN (Resource temporarily unavailable)");
            listener.accept().close();
            UnixSocket.connectNow(UnixSocket.Kind.STREAM, path).close();
        } finally {
            for (UnixSocket socket : connected) {
                socket.close();
            }
        }
    }

    @Test
    void aWaitEndsWithTheTimeout() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
        try (UnixSocket here = pair[0];
                UnixSocket there = pair[1]) {
            here.setTimeout(10);
            assertThat(here.receive(arena.allocate(1)).bytes()).isEqualTo(-Errno.EAGAIN.number());
            assertThat(there.trySend(text("x"), List.of())).isOne();
            assertThat(here.receive(arena.allocate(1)).bytes()).isOne();
        }
    }

    @Test
    void anAbstractNameNeedsNoFile() {
        String name = "@holdover-test-" + ProcessHandle.current().pid();
        try (UnixSocket listener = UnixSocket.listen(UnixSocket.Kind.STREAM, name);
                UnixSocket client = UnixSocket.connect(UnixSocket.Kind.STREAM, name);
                UnixSocket server = listener.accept()) {
            assertThat(server.trySend(text("x"), List.of())).isOne();
            assertThat(client.receive(arena.allocate(9)).bytes()).isOne();
        }
    }

    @Test
    void theSocketFileIsItsOwnersOnly() throws Exception {
        Path path = dir.resolve("s");
        try (UnixSocket listener = UnixSocket.listen(UnixSocket.Kind.STREAM, path.toString())) {
            assertThat(listener.accept()).isNull();
            assertThat((int) Files.getAttribute(path, "unix:mode") & 0xFFF).isEqualTo(0600);
        }
    }

    @Test
    void aPathInUseIsRefusedAndKept() throws Exception {
        Path path = Files.writeString(dir.resolve("s"), "mine");
        assertThatThrownBy(() -> UnixSocket.listen(UnixSocket.Kind.STREAM, path.toString()))
                .hasMessage("bind " + path + ": EADDRINUSE (Address already in use)");
        assertThat(path).hasContent("mine");
        assertThatThrownBy(() -> UnixSocket.connect(UnixSocket.Kind.STREAM, path.toString()))
                .hasMessage("connect " + path + ": ECONNREFUSED (Connection refused)");
    }

    @Test
    void aPathThatIsTooLongIsRefusedWithItsLength() {
        String longest = "/tmp/" + "é".repeat(51); // 107 bytes
        assertThatThrownBy(() -> UnixSocket.connect(UnixSocket.Kind.STREAM, longest))
                .hasMessageContaining("ENOENT");
        assertThatThrownBy(() -> UnixSocket.listen(UnixSocket.Kind.STREAM, longest + "x"))
                .isInstanceOf(VmmException.class)
                .hasMessage(
                        "socket path " + longest + "x has 108 bytes, a unix socket's has 1 to 107: use a shorter one");
        assertThatThrownBy(() -> UnixSocket.connect(UnixSocket.Kind.STREAM, "")).isInstanceOf(VmmException.class);
        assertThatThrownBy(() -> UnixSocket.connect(UnixSocket.Kind.STREAM, "/tmp/a\0b"))
                .isInstanceOf(VmmException.class);
    }

    @ParameterizedTest
    @EnumSource(
            value = UnixSocket.Kind.class,
            names = {"STREAM", "SEQPACKET"})
    void severalDescriptorsComeInOrderAndCloseOnExec(UnixSocket.Kind kind) {
        UnixSocket[] pair = UnixSocket.pair(kind);
        try (UnixSocket here = pair[0];
                UnixSocket there = pair[1]) {
            List<Fd> sent = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                sent.add(memfd(100 + i));
            }
            assertThat(here.trySend(text("five"), sent)).isEqualTo(4);
            for (Fd fd : sent) {
                fd.close();
            }
            UnixSocket.Received received = there.receive(arena.allocate(100));
            assertThat(received.bytes()).isEqualTo(4);
            assertThat(received.fdsLost()).isFalse();
            assertThat(received.fds()).hasSize(5);
            for (int i = 0; i < 5; i++) {
                Fd fd = received.fds().get(i);
                assertThat(word(fd)).isEqualTo(100 + i);
                assertThat(Fd.isOpenAcrossExec(fd.number())).isFalse();
                fd.close();
            }
        }
    }

    /** A client that pipelines: each line's descriptors come with that line's bytes. */
    @Test
    void descriptorsOfTwoMessagesAreNotMixedInAStream() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        try (UnixSocket here = pair[0];
                UnixSocket there = pair[1];
                Fd one = memfd(1);
                Fd two = memfd(2)) {
            here.trySend(text("one\n"), List.of(one));
            here.trySend(text("two\n"), List.of(two));
            MemorySegment buffer = arena.allocate(100);
            UnixSocket.Received first = there.receive(buffer);
            assertThat(text(buffer, first.bytes())).isEqualTo("one\n");
            assertThat(first.fds()).hasSize(1);
            assertThat(word(first.fds().get(0))).isEqualTo(1);
            UnixSocket.Received second = there.receive(buffer);
            assertThat(text(buffer, second.bytes())).isEqualTo("two\n");
            assertThat(word(second.fds().get(0))).isEqualTo(2);
            first.fds().get(0).close();
            second.fds().get(0).close();
        }
    }

    @Test
    void asManyDescriptorsAsTheKernelAllowsFit() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        try (UnixSocket here = pair[0];
                UnixSocket there = pair[1];
                Fd fd = memfd(7)) {
            List<Fd> many = new ArrayList<>();
            for (int i = 0; i < UnixSocket.MAX_FDS; i++) {
                many.add(fd);
            }
            assertThat(here.trySend(text("x"), many)).isOne();
            UnixSocket.Received received = there.receive(arena.allocate(1));
            assertThat(received.fds()).hasSize(UnixSocket.MAX_FDS);
            assertThat(received.fdsLost()).isFalse();
            closeAll(received.fds());
            many.add(fd);
            assertThatThrownBy(() -> here.trySend(text("x"), many)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    /** SO_PASSCRED adds a control message of its own, for which there is then no room: it must be told, not lost. */
    @Test
    void descriptorsTheKernelDroppedAreReported() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        try (UnixSocket here = pair[0];
                UnixSocket there = pair[1];
                Fd fd = memfd(7)) {
            int solSocket = 1;
            int soPassCred = 16;
            MemorySegment on = arena.allocateFrom(ValueLayout.JAVA_INT, 1);
            long set = Syscall.call(Syscall.SETSOCKOPT, there.fd().number(), solSocket, soPassCred, on.address(), 4, 0);
            assertThat(set).isZero();
            here.trySend(text("few"), List.of(fd, fd));
            UnixSocket.Received few = there.receive(arena.allocate(9));
            assertThat(few.fds()).as("found behind the credentials").hasSize(2);
            assertThat(few.fdsLost()).isFalse();
            closeAll(few.fds());

            List<Fd> many = new ArrayList<>();
            for (int i = 0; i < UnixSocket.MAX_FDS; i++) {
                many.add(fd);
            }
            here.trySend(text("many"), many);
            UnixSocket.Received received = there.receive(arena.allocate(9));
            assertThat(received.fdsLost()).isTrue();
            assertThat(received.fds()).hasSizeBetween(1, UnixSocket.MAX_FDS - 1);
            closeAll(received.fds());
        }
    }

    private static void closeAll(List<Fd> fds) {
        for (Fd fd : fds) {
            fd.close();
        }
    }

    @Test
    void sendingToNobodyIsEpipeAndNoSignal() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        try (UnixSocket here = pair[0]) {
            pair[1].close();
            assertThat(Errno.EPIPE.is(here.trySend(text("x"), List.of()))).isTrue();
            assertThat(here.receive(arena.allocate(1)).bytes())
                    .as("end of the stream")
                    .isZero();
        }
    }

    @Test
    void receivingFromANonBlockingSocketIsEagain() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        try (UnixSocket here = pair[0];
                UnixSocket there = pair[1]) {
            here.fd().setNonBlocking(true);
            assertThat(Errno.EAGAIN.is(here.receive(arena.allocate(1)).bytes())).isTrue();
            assertThat(there.fd().isClosed()).isFalse();
        }
    }

    @Test
    void peekingLeavesBytesAndDescriptorsAndStopsBehindAMessageWithDescriptors() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        try (UnixSocket to = pair[0];
                UnixSocket from = pair[1];
                Fd memfd = memfd(7)) {
            to.trySend(text("ab"), List.of());
            to.trySend(text("cd"), List.of(memfd));
            to.trySend(text("ef"), List.of());
            MemorySegment buffer = arena.allocate(16);
            assertThat(from.peek(buffer)).isEqualTo(4);
            assertThat(text(buffer, 4)).isEqualTo("abcd");
            assertThat(from.receive(buffer.asSlice(0, 2)).fds()).isEmpty();
            UnixSocket.Received received = from.receive(buffer.asSlice(0, 2));
            assertThat(text(buffer, received.bytes())).isEqualTo("cd");
            assertThat(received.fds()).hasSize(1);
            assertThat(word(received.fds().getFirst())).isEqualTo(7);
            received.fds().getFirst().close();
        }
    }
}
