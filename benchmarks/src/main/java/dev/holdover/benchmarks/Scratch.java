package dev.holdover.benchmarks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A directory that is gone with its owner. */
final class Scratch implements AutoCloseable {
    private final Path path;

    private Scratch(Path path) {
        this.path = path;
    }

    /** On tmpfs, where RAM lies in memory. */
    static Scratch inMemory() throws IOException {
        return new Scratch(Files.createTempDirectory(Path.of("/dev/shm"), "holdover-bench"));
    }

    /** Where the system keeps temporary files. */
    static Scratch onDisk() throws IOException {
        return new Scratch(Files.createTempDirectory("holdover-bench"));
    }

    Path path() {
        return path;
    }

    @Override
    public void close() {
        try (Stream<Path> all = Files.walk(path)) {
            List<Path> paths = all.sorted(Comparator.reverseOrder()).toList();
            for (Path each : paths) {
                Files.delete(each);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
