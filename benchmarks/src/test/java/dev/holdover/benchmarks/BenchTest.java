package dev.holdover.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchTest {
    @TempDir
    private Path dir;

    private void refuses(int code, String sentence, String... arguments) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream console = System.err;
        System.setErr(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        int got;
        try {
            got = Bench.commandLine().execute(arguments);
        } finally {
            System.setErr(console);
        }
        assertThat(bytes.toString(StandardCharsets.UTF_8)).isEqualTo("vmm bench: " + sentence + "\n");
        assertThat(got).isEqualTo(code);
    }

    @Test
    void aFilterThatSelectsNothingIsBadUsageAndLeavesEarlierResults() throws IOException {
        Files.writeString(dir.resolve("lines.jsonl"), "earlier");
        refuses(
                2,
                "no benchmark has 'Kold' in its name; see ./vmm bench --help",
                "-o",
                dir.toString(),
                "Restore",
                "Kold");
        assertThat(dir.resolve("lines.jsonl")).hasContent("earlier");
    }

    @Test
    void aPageOfNothingIsRefused() throws IOException {
        refuses(1, "no results in " + dir + ": run it without --report first", "--report", "-o", dir.toString());
        Files.writeString(dir.resolve("host.json"), "{}");
        refuses(1, "no results in " + dir + ": run it without --report first", "--report", "-o", dir.toString());
        assertThat(dir.resolve("index.html")).doesNotExist();
    }
}
