package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** In what a state may be handed over. */
class TakeOverMemoryTest {
    private static final int SIZE = 8192;

    @Test
    void aSealedMemfd() {
        try (Fd memfd = Memfd.create("state", SIZE)) {
            Memfd.seal(memfd, Memfd.F_SEAL_SHRINK);
            assertMapped(memfd);
        }
    }

    /** vm.memfd_noexec=2 forbids memfds with MFD_EXEC; {@link Memfd#create} makes this in their place. */
    @Test
    void aFileWithoutANameOnATmpfs() {
        try (Fd file = Fd.open("/dev/shm", Fd.O_RDWR | Fd.O_TMPFILE, 0600)) {
            file.truncate(SIZE);
            assertMapped(file);
        }
    }

    @Test
    void notAFileThatOthersMayCut(@TempDir Path directory) {
        String path = directory.resolve("file").toString();
        try (Fd file = Fd.open(path, Fd.O_RDWR | Fd.O_CREAT, 0600)) {
            file.truncate(SIZE);
            assertThatThrownBy(() -> TakeOver.mapState(file))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("is no memfd, sealed against being cut");
        }
    }

    private static void assertMapped(Fd state) {
        try (Mapping mapping = TakeOver.mapState(state)) {
            assertThat(mapping.segment().byteSize()).isEqualTo(SIZE);
        }
    }
}
