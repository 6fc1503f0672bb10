package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
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
