package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A guest that goes from process to process, with its console and its control socket. */
class HandOverCommandTest {
    private static final int PATIENCE_SECONDS = 60;
    private static final int PROCESSES = 6;

    @TempDir
    Path dir;

    private final List<Process> started = new ArrayList<>();

    @AfterEach
    void endAll() {
        started.forEach(Process::destroyForcibly);
    }

    private Process start(Path errors, String... arguments) throws IOException {
        Process process = new ProcessBuilder(Shell.vmm("", arguments))
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(errors.toFile())
                .start();
        started.add(process);
        return process;
    }

    private static void await(String what, Path file, String text) throws IOException, InterruptedException {
        long start = System.nanoTime();
        while (!Files.exists(file) || (text != null && !Files.readString(file).contains(text))) {
            assertThat(System.nanoTime() - start).as(what).isLessThan(PATIENCE_SECONDS * 1_000_000_000L);
            TimeUnit.MILLISECONDS.sleep(10);
        }
    }

    private static int exitCode(Process process) throws InterruptedException {
        assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS))
                .as("its end")
                .isTrue();
        return process.exitValue();
    }

    @Test
    void aGuestGoesFromProcessToProcess() throws Exception {
        Path control = dir.resolve("control");
        Path serial = dir.resolve("serial");
        Process now = start(
                dir.resolve("run.errors"),
                "run",
                "--bios",
                Guests.path("count.bin").toString(),
                "-m",
                "16M",
                "--serial",
                "file:" + serial,
                "--control",
                control.toString());
        await("the guest writes", serial, "abc");
        for (int i = 1; i < PROCESSES; i++) {
            Path errors = dir.resolve("standby" + i);
            Path socket = dir.resolve("listen" + i);
            Process next = start(errors, "standby", "--listen", socket.toString());
            await("the other VMM is ready", errors, "ready on");
            Shell.Outcome outcome = ctl(control, "handover", socket.toString());
            assertThat(outcome.err()).isEmpty();
            assertThat(outcome.code()).isZero();
            assertThat(outcome.out()).contains("total-us");
            assertThat(exitCode(now)).isZero();
            assertThat(ctl(control, "query-status").out()).contains("running");
            now = next;
        }
        assertThat(ctl(control, "quit").code()).isZero();
        assertThat(exitCode(now)).isZero();
        assertThat(control).doesNotExist();
        String letters = Files.readString(serial, StandardCharsets.ISO_8859_1).replaceFirst("^[^a-z]*", "");
        for (int i = 1; i < letters.length(); i++) {
            char expected = letters.charAt(i - 1) == 'z' ? 'a' : (char) (letters.charAt(i - 1) + 1);
            assertThat(letters.charAt(i)).as("letter %s", i).isEqualTo(expected);
        }
    }

    private Shell.Outcome ctl(Path control, String... words) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("ctl", control.toString()));
        arguments.addAll(List.of(words));
        Process process = new ProcessBuilder(Shell.vmm("", arguments.toArray(new String[0]))).start();
        started.add(process);
        try (BufferedReader out = process.inputReader();
                BufferedReader err = process.errorReader()) {
            String text = String.join("\n", out.lines().toList());
            String errors = String.join("\n", err.lines().toList());
            return new Shell.Outcome(process.waitFor(), text, errors);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
