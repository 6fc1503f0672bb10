package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** VMM processes of one test, and files in which they say how far they are. */
final class Vmms {
    static final int PATIENCE_SECONDS = Patience.host().seconds(60);

    private final Path dir;
    private final List<Process> started = new ArrayList<>();

    Vmms(Path dir) {
        this.dir = dir;
    }

    String path(String name) {
        return dir.resolve(name).toString();
    }

    /** Starts one, whose standard error goes to a file of that name. */
    Process start(String errors, String... arguments) throws IOException {
        Process process = new ProcessBuilder(Shell.vmm("", arguments))
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(dir.resolve(errors).toFile())
                .start();
        started.add(process);
        return process;
    }

    /** What is in a file so far; empty if it is not there. */
    String said(String file) throws IOException {
        Path path = dir.resolve(file);
        return Files.exists(path) ? Files.readString(path, StandardCharsets.ISO_8859_1) : "";
    }

    void await(String what, String file, String text) throws Exception {
        await(what, () -> said(file).contains(text));
    }

    /** Waits for what another process brings about. */
    static void await(String what, Callable<Boolean> condition) throws Exception {
        long start = System.nanoTime();
        while (!condition.call()) {
            assertThat(System.nanoTime() - start).as(what).isLessThan(PATIENCE_SECONDS * 1_000_000_000L);
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    static int exitCode(Process process) throws InterruptedException {
        assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS))
                .as("its end")
                .isTrue();
        return process.exitValue();
    }

    void endAll() throws InterruptedException {
        for (Process process : started) {
            process.destroyForcibly();
            process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
    }
}
