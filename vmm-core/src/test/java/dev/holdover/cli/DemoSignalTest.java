package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a signal to the demo leaves behind: nothing. */
@NeedsKvm
class DemoSignalTest {
    private static final int DEADLINE_SECONDS = Patience.host().seconds(60);

    @TempDir
    private Path dir;

    private Path temporary;

    private Process start() throws IOException {
        temporary = Files.createDirectory(dir.resolve("tmp"));
        List<String> command = Shell.vmm("", "demo");
        command.add(1, "-Djava.io.tmpdir=" + temporary);
        return new Shell(dir).start("exec \"$@\"", command);
    }

    private void awaitOutput(Process demo, String text) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
        while (!Files.readString(dir.resolve("stdout")).contains(text)) {
            assertThat(demo.isAlive()).as(said()).isTrue();
            assertThat(System.nanoTime()).as(text).isLessThan(deadline);
            Thread.sleep(5);
        }
    }

    private String said() throws IOException {
        return Files.readString(dir.resolve("stderr"));
    }

    @ParameterizedTest
    @CsvSource({"INT, 130, to stand by", "TERM, 143, counted to", "HUP, 129, now it is handed over"})
    void endsTheOtherProcessAndRemovesItsSocket(String signal, int code, String when) throws Exception {
        Process demo = start();
        try {
            awaitOutput(demo, when);
            List<ProcessHandle> others = demo.children().toList();
            new ProcessBuilder("/bin/sh", "-c", "kill -" + signal + " " + demo.pid())
                    .start()
                    .waitFor();
            assertThat(demo.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS)).isTrue();
            assertThat(demo.exitValue()).isEqualTo(code);
            assertThat(others).noneMatch(ProcessHandle::isAlive);
            assertThat(said()).isEmpty();
            try (Stream<Path> left = Files.list(temporary)) {
                assertThat(left).isEmpty();
            }
        } finally {
            demo.destroyForcibly();
        }
    }

    @Test
    void anotherProcessThatCannotStartIsHeard() throws Exception {
        // A socket's path that is too long: only the other process finds out.
        temporary = Files.createDirectory(dir.resolve("t".repeat(120)));
        List<String> command = Shell.vmm("", "demo");
        command.add(1, "-Djava.io.tmpdir=" + temporary);
        Shell.Outcome outcome = new Shell(dir).run("exec \"$@\"", command);
        assertThat(outcome.err())
                .startsWith("vmm demo: the second VMM process does not start: socket path " + temporary)
                .hasLineCount(1);
        assertThat(outcome.code()).isEqualTo(ExitCode.FAILED);
        try (Stream<Path> left = Files.list(temporary)) {
            assertThat(left).isEmpty();
        }
    }
}
