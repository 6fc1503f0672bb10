package dev.holdover.machine;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** What this process holds; of threads Java's own, for the JVM has more or less of others as it likes. */
record Footprint(int descriptors, int mappings, int threads) {
    static Footprint now() throws IOException {
        List<String> mappings = Files.readAllLines(Path.of("/proc/self/maps"));
        return new Footprint(
                new File("/proc/self/fd").list().length,
                mappings.size(),
                Thread.getAllStackTraces().size());
    }
}
