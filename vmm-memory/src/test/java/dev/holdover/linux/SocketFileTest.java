package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CyclicBarrier;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SocketFileTest {
    @TempDir
    private Path dir;

    private String path() {
        return dir.resolve("s").toString();
    }

    @Test
    void isForItsOwnerOnlyAndGoneAtTheEnd() throws IOException {
        try (SocketFile socket = SocketFile.listen("the socket", path())) {
            assertThat(socket.listener().accept()).isNull();
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(Path.of(path()))))
                    .isEqualTo("rw-------");
        }
        assertThat(Path.of(path())).doesNotExist();
    }

    @Test
    void replacesAStaleSocketOnly() throws IOException {
        UnixSocket.listen(UnixSocket.Kind.STREAM, path()).close();
        assertThat(Path.of(path())).exists();
        try (SocketFile socket = SocketFile.listen("the socket", path())) {
            assertThat(socket.listener().fd().isClosed()).isFalse();
            assertThatThrownBy(() -> SocketFile.listen("the socket", path()))
                    .isInstanceOf(VmmException.class)
                    .hasMessage("the socket " + path() + " cannot be made, EADDRINUSE (Address already in use):"
                            + " another process listens on it; name another path");
        }
        Files.writeString(Path.of(path()), "mine");
        assertThatThrownBy(() -> SocketFile.listen("the socket", path())).hasMessageContaining("no socket");
        assertThat(Path.of(path())).hasContent("mine");
        assertThatThrownBy(() -> SocketFile.listen("the socket", dir + "/none/s"))
                .hasMessage("the socket " + dir + "/none/s cannot be made, ENOENT (No such file or directory): name a"
                        + " path in a directory that can be written");
    }

    /** Both find the stale socket, and one of them must not take the other's away. */
    @Test
    void oneOfTwoAtAStaleSocketGetsIt() throws Exception {
        CyclicBarrier start = new CyclicBarrier(2);
        for (int round = 0; round < 500; round++) {
            UnixSocket.listen(UnixSocket.Kind.STREAM, path()).close();
            List<SocketFile> made = new CopyOnWriteArrayList<>();
            List<Throwable> refused = new CopyOnWriteArrayList<>();
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                threads.add(Thread.ofPlatform().start(() -> {
                    try {
                        start.await();
                        made.add(SocketFile.listen("the socket", path()));
                    } catch (Exception e) {
                        refused.add(e);
                    }
                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
            assertThat(made).as("round %s", round).hasSize(1);
            assertThat(refused)
                    .singleElement(InstanceOfAssertFactories.THROWABLE)
                    .hasMessageContaining("EADDRINUSE");
            UnixSocket.connect(UnixSocket.Kind.STREAM, path()).close();
            made.getFirst().close();
        }
    }

    @Test
    void waitsForWhoeverIsAtTheSameDirectory() throws Exception {
        UnixSocket.listen(UnixSocket.Kind.STREAM, path()).close();
        Object before = Files.getAttribute(Path.of(path()), "unix:ino");
        Thread waits;
        try (Fd directory = Fd.open(dir.toString(), Fd.O_RDONLY | Fd.O_DIRECTORY)) {
            assertThat(directory.tryFlock()).isZero();
            waits = Thread.ofPlatform()
                    .start(() -> SocketFile.listen("the socket", path()).close());
            assertThat(waits.join(Duration.ofMillis(100))).as("it waits").isFalse();
            assertThat(Files.getAttribute(Path.of(path()), "unix:ino")).isEqualTo(before);
        }
        waits.join();
        assertThat(Path.of(path())).doesNotExist();
    }

    @Test
    void leavesASocketThatSomebodyElsePutThere() throws IOException {
        SocketFile socket = SocketFile.listen("the socket", path());
        Files.delete(Path.of(path()));
        try (UnixSocket other = UnixSocket.listen(UnixSocket.Kind.STREAM, path())) {
            socket.close();
            assertThat(other.fd().isClosed()).isFalse();
            assertThat(Path.of(path())).exists();
        }
    }
}
