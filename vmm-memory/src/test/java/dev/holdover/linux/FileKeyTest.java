package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FileKeyTest {
    @TempDir
    private Path dir;

    private static MemorySegment key(Path file) {
        try (Fd fd = Fd.open(file.toString(), Fd.O_RDWR)) {
            MemorySegment key = Arena.ofAuto().allocate(FileKey.SIZE, 8);
            FileKey.of(fd).write(key);
            return key;
        }
    }

    private static boolean has(Path file, MemorySegment key) {
        try (Fd fd = Fd.open(file.toString(), Fd.O_RDWR)) {
            return FileKey.of(fd).isIn(key);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/dev/shm", ""})
    void aFileKeepsItsOwn(String where) throws IOException {
        Path parent = where.isEmpty() ? dir : Files.createTempDirectory(Path.of(where), "holdover-key-");
        Path file = Files.writeString(parent.resolve("file"), "a");
        Path other = parent.resolve("other");
        try {
            MemorySegment key = key(file);
            Files.writeString(file, "longer");
            Files.createLink(other, file);
            assertThat(has(other, key)).as("another name").isTrue();
            Files.delete(file);
            assertThat(has(other, key)).as("the last name").isTrue();

            Files.copy(other, file);
            assertThat(has(file, key)).as("a copy").isFalse();
            // Where the inode number is given again at once, the new file has it now.
            Files.delete(other);
            Files.delete(file);
            Files.writeString(file, "a");
            assertThat(has(file, key)).as("a file made anew").isFalse();
        } finally {
            Files.deleteIfExists(file);
            Files.deleteIfExists(other);
            if (!where.isEmpty()) {
                Files.delete(parent);
            }
        }
    }

    @Test
    void aFileWithoutANameHasOne() {
        try (Fd memfd = Memfd.create("a", 4096);
                Fd another = Memfd.create("b", 4096)) {
            MemorySegment key = Arena.ofAuto().allocate(FileKey.SIZE, 8);
            FileKey.of(memfd).write(key);
            assertThat(FileKey.of(memfd).isIn(key)).isTrue();
            assertThat(FileKey.of(another).isIn(key)).isFalse();
        }
    }
}
