package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileNamesTest {
    @TempDir
    Path directory;

    @Test
    void renameReplacesTheFileThatHadTheName() throws IOException {
        Path from = Files.writeString(directory.resolve("from"), "new");
        Path to = Files.writeString(directory.resolve("to"), "old");

        FileNames.rename(from.toString(), to.toString());

        assertThat(from).doesNotExist();
        assertThat(to).hasContent("new");
        assertThatThrownBy(() -> FileNames.rename(from.toString(), to.toString()))
                .isInstanceOf(ErrnoException.class)
                .hasMessageContaining("rename " + from)
                .hasMessageContaining("ENOENT");
    }

    @Test
    void unlinkTellsWhyItCouldNot() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "");

        assertThat(FileNames.tryUnlink(file.toString())).isZero();
        assertThat(file).doesNotExist();
        assertThat(Errno.ENOENT.is(FileNames.tryUnlink(file.toString()))).isTrue();
        assertThat(Errno.EISDIR.is(FileNames.tryUnlink(directory.toString()))).isTrue();
    }

    @Test
    void seekDataFindsTheDataBehindAHole() {
        try (Fd memfd = Memfd.create("holes", 1 << 20);
                Arena arena = Arena.ofConfined()) {
            assertThat(Errno.ENXIO.is(memfd.trySeekData(0))).isTrue();

            MemorySegment byteOfData = arena.allocate(1);
            memfd.writeFully(byteOfData, 0x43210);

            assertThat(memfd.trySeekData(0)).isEqualTo(0x43000);
            assertThat(memfd.trySeekData(0x43005)).isEqualTo(0x43005);
            assertThat(Errno.ENXIO.is(memfd.trySeekData(0x44000))).isTrue();
        }
    }
}
