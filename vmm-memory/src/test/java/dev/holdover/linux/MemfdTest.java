package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class MemfdTest {
    private static final int GROW_SHRINK_SEAL = 0x7;

    /** Whatever vm.memfd_noexec says (0 or 1): F_SEAL_EXEC (0x20) would make a live update seal it against writing. */
    @Test
    void hasTheSealsItWasGivenAndNoOther() {
        try (Fd memfd = Memfd.create("test", 4096)) {
            assertThat(Memfd.trySeals(memfd)).isZero();
            Memfd.seal(memfd, Memfd.F_SEAL_GROW | Memfd.F_SEAL_SHRINK | Memfd.F_SEAL_SEAL);
            assertThat(Memfd.trySeals(memfd)).isEqualTo(GROW_SHRINK_SEAL);
            assertThat(memfd.stat().mode() & 0111)
                    .as("executable, as MFD_EXEC says")
                    .isNotZero();
        }
    }

    @Test
    void sealedItKeepsItsSize() {
        try (Fd memfd = Memfd.create("test", 4096)) {
            Memfd.seal(memfd, Memfd.F_SEAL_GROW | Memfd.F_SEAL_SHRINK | Memfd.F_SEAL_SEAL);
            assertThatThrownBy(() -> memfd.truncate(0))
                    .hasMessage("ftruncate memfd test: EPERM (Operation not permitted)");
            assertThatThrownBy(() -> memfd.truncate(8192)).hasMessageContaining("EPERM");
            assertThatThrownBy(() -> Memfd.seal(memfd, Memfd.F_SEAL_WRITE)).hasMessageContaining("EPERM");
            assertThat(memfd.stat().size()).isEqualTo(4096);
            assertThat(memfd.fileSystem().isTmpfs()).isTrue();
            assertThat(memfd.fileSystem().capacity()).isEqualTo(Long.MAX_VALUE);
        }
    }

    @Test
    void aSizeItCannotHaveLeavesNoDescriptor() throws Exception {
        assertThatThrownBy(() -> Memfd.create("impossible", -1)).hasMessageContaining("EINVAL");
        try (Stream<Path> fds = Files.list(Path.of("/proc/self/fd"))) {
            for (Path fd : fds.toList()) {
                if (Files.isSymbolicLink(fd)) {
                    assertThat(Files.readSymbolicLink(fd).toString()).doesNotContain("impossible");
                }
            }
        }
    }

    @Test
    void whatCannotBeSealedSaysSo() {
        try (EventFd fd = new EventFd()) {
            assertThat(Errno.EINVAL.is(Memfd.trySeals(fd.fd()))).isTrue();
        }
    }
}
