package dev.holdover.luod;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RegistryFileTest {
    private static final Registry REGISTRY = new Registry(List.of(new Registry.Entry("vm0", 1000)), List.of());

    @TempDir
    Path dir;

    private Path path;
    private RegistryFile file;

    @BeforeEach
    void name() {
        path = dir.resolve("registry");
        file = new RegistryFile(path);
    }

    @Test
    void whatIsWrittenIsReadUnderTheSameBootOnly() throws IOException {
        assertThat(file.read()).isEmpty();
        file.write(REGISTRY);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                .isEqualTo("rw-------");
        assertThat(file.read()).contains(REGISTRY);
        Files.write(path, REGISTRY.writeOfBoot("another"));
        assertThat(file.read()).isEmpty();
        Files.write(path, REGISTRY.write());
        assertThat(file.read()).as("of an earlier version").contains(REGISTRY);
    }

    @Test
    void whatOthersMayWriteIsNotRead() throws IOException {
        file.write(REGISTRY);
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw--w----"));
        assertThat(file.read()).isEmpty();
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-r--r--"));
        assertThat(file.read()).contains(REGISTRY);
        Files.move(path, dir.resolve("elsewhere"));
        Files.createSymbolicLink(path, dir.resolve("elsewhere"));
        assertThatThrownBy(file::read).isInstanceOf(VmmException.class).hasMessageContaining("ELOOP");
    }

    @Test
    void anotherUsersIsNotRead() throws IOException {
        assumeTrue(UnixSocket.Peer.self().uid() == 0, "only root can give a file away");
        file.write(REGISTRY);
        Files.setAttribute(path, "unix:uid", 65534);
        assertThat(file.read()).isEmpty();
    }
}
