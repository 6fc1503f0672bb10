package dev.holdover.benchmarks;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Runs, one JSON object a line, appended by this process and by the JVMs that JMH forks. */
final class Lines {
    /** Names the file to a forked JVM. */
    static final String FILE = "dev.holdover.benchmarks.lines";

    /** Tells a forked JVM the number of its round. */
    static final String ROUND = "dev.holdover.benchmarks.round";

    private final Path file;
    private final List<Map<String, Object>> pending = new ArrayList<>();

    Lines(Path file) {
        this.file = file;
    }

    /** Of a forked JVM; null if nobody asked for lines. */
    static Lines ofFork() {
        String file = System.getProperty(FILE);
        return file == null ? null : new Lines(Path.of(file));
    }

    /** Keeps a line in memory: nothing is written while something is measured. */
    void add(Map<String, Object> line) {
        pending.add(line);
    }

    void flush() {
        StringBuilder text = new StringBuilder();
        try {
            for (Map<String, Object> line : pending) {
                text.append(JSON.std.asString(line)).append('\n');
            }
            Files.writeString(file, text, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        pending.clear();
    }

    List<Map<String, Object>> read() throws IOException {
        List<Map<String, Object>> lines = new ArrayList<>();
        if (Files.exists(file)) {
            for (String line : Files.readAllLines(file)) {
                lines.add(JSON.std.mapFrom(line));
            }
        }
        return lines;
    }
}
