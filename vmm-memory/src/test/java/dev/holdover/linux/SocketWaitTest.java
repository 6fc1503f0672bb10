package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class SocketWaitTest {
    private static final Duration LONG = Duration.ofHours(1);

    @TempDir
    private Path dir;

    private UnixSocket listener;
    private int attempts;

    @AfterEach
    void close() {
        if (listener != null) {
            listener.close();
        }
    }

    private String path() {
        return dir.resolve("s").toString();
    }

    /** Connects; before the third attempt something happens. */
    private Supplier<UnixSocket> connecting(String path, Runnable beforeTheThird) {
        return () -> {
            if (++attempts == 3) {
                beforeTheThird.run();
            }
            return UnixSocket.connect(UnixSocket.Kind.STREAM, path);
        };
    }

    private void listen(String path) {
        listener = UnixSocket.listen(UnixSocket.Kind.STREAM, path);
    }

    private void assertFailsAtOnce(SocketWait wait, String path, Errno errno) {
        assertThatThrownBy(() -> wait.connect(path, connecting(path, () -> {})))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
        assertThat(attempts).isOne();
    }

    @Test
    void waitsForASocketThatIsNotThereYet() {
        SocketWait wait = SocketWait.upTo(LONG);
        wait.connect(path(), connecting(path(), () -> listen(path()))).close();
        assertThat(attempts).isEqualTo(3);
        assertThat(wait.told()).isEmpty();
    }

    @Test
    void waitsUntilAStaleSocketIsReplaced() {
        UnixSocket.listen(UnixSocket.Kind.STREAM, path()).close();
        SocketWait.upTo(LONG)
                .connect(path(), connecting(path(), () -> {
                    FileNames.tryUnlink(path());
                    listen(path());
                }))
                .close();
        assertThat(attempts).isEqualTo(3);
    }

    @Test
    void waitsForANameInTheAbstractNamespace() {
        String name = "@holdover-test-" + ProcessHandle.current().pid();
        SocketWait.upTo(LONG)
                .connect(name, connecting(name, () -> listen(name)))
                .close();
        assertThat(attempts).isEqualTo(3);
    }

    @Test
    void waitsForADirectoryOnlyIfTheOwnerOfTheSocketMakesIt() {
        String path = dir.resolve("run/s").toString();
        assertFailsAtOnce(SocketWait.upTo(LONG), path, Errno.ENOENT);
        attempts = 0;
        SocketWait.withDirectoryUpTo(LONG)
                .connect(path, connecting(path, () -> {
                    assertThat(dir.resolve("run").toFile().mkdir()).isTrue();
                    listen(path);
                }))
                .close();
        assertThat(attempts).isEqualTo(3);
    }

    @Test
    void doesNotWaitForWhatIsNoSocket() throws IOException {
        Files.writeString(dir.resolve("s"), "text");
        assertFailsAtOnce(SocketWait.upTo(LONG), path(), Errno.ECONNREFUSED);
    }

    @Test
    void doesNotWaitBelowAFile() throws IOException {
        Files.writeString(dir.resolve("s"), "text");
        assertFailsAtOnce(SocketWait.upTo(LONG), path() + "/s", Errno.ENOTDIR);
    }

    @Test
    void doesNotWaitForASocketOfAnotherKind() {
        listener = UnixSocket.listen(UnixSocket.Kind.SEQPACKET, path());
        assertFailsAtOnce(SocketWait.upTo(LONG), path(), Errno.EPROTOTYPE);
    }

    @Test
    void doesNotWaitIfItIsNotTo() {
        SocketWait wait = SocketWait.upTo(Duration.ZERO);
        assertFailsAtOnce(wait, path(), Errno.ENOENT);
        assertThat(wait.told()).isEmpty();
    }

    @Test
    void tellsForHowLongItHasWaitedInVain() {
        SocketWait wait = SocketWait.upTo(Duration.ofSeconds(1));
        assertThatThrownBy(() -> wait.connect(path(), connecting(path(), () -> {})))
                .isInstanceOf(ErrnoException.class)
                .hasMessageContaining("ENOENT");
        assertThat(attempts).isGreaterThan(1);
        assertThat(wait.told()).matches(", after waiting [1-9][0-9]* s for it");
    }

    @Test
    void anInterruptEndsIt() {
        Supplier<UnixSocket> connecting = connecting(path(), Thread.currentThread()::interrupt);
        assertThatThrownBy(() -> SocketWait.upTo(LONG).connect(path(), connecting))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("interrupted while waiting for the socket " + path());
        assertThat(Thread.interrupted()).isTrue();
    }
}
