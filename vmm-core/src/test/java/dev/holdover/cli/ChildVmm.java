package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import java.io.EOFException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The VMM in a process of its own, driven over its control socket. Nothing here waits for ever. */
final class ChildVmm {
    private static final long MOST_NANOS = Patience.host().nanos(60_000);

    private final Path errors;
    private final Process process;
    private final ControlClient client;

    private ChildVmm(Path errors, Process process, ControlClient client) {
        this.errors = errors;
        this.process = process;
        this.client = client;
    }

    /** Starts it with `--control` added, and negotiates. */
    static ChildVmm start(Path directory, List<String> arguments) throws IOException, InterruptedException {
        Path control = directory.resolve("control");
        Path errors = directory.resolve("errors");
        Files.deleteIfExists(control);
        List<String> all = new ArrayList<>(arguments);
        all.addAll(List.of("--control", control.toString()));
        Process process = new ProcessBuilder(Shell.vmm("", all.toArray(new String[0])))
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(errors.toFile())
                .redirectErrorStream(true)
                .start();
        try {
            return new ChildVmm(errors, process, connect(control, process, errors));
        } catch (IOException | InterruptedException | RuntimeException | Error e) {
            process.destroyForcibly();
            throw e;
        }
    }

    private static ControlClient connect(Path control, Process process, Path errors)
            throws IOException, InterruptedException {
        long start = System.nanoTime();
        while (true) {
            try {
                return ControlClient.connect(control);
            } catch (IOException e) {
                boolean late = System.nanoTime() - start > MOST_NANOS;
                if (late || !process.isAlive()) {
                    throw new AssertionError("no control socket: " + Files.readString(errors), e);
                }
            }
            TimeUnit.MILLISECONDS.sleep(2);
        }
    }

    /** Sends a request and does not wait for what comes of it. */
    void send(String request) throws IOException {
        client.send(request);
    }

    /** The reply to a request, without the events before it. */
    String ask(String request) throws IOException {
        try {
            return client.ask(request);
        } catch (EOFException e) {
            throw new IOException(e.getMessage() + ": " + Files.readString(errors), e);
        }
    }

    /** Prepares a save that leaves RAM where it is. */
    void keepRam() throws IOException {
        assertThat(ask("{'execute': 'migrate-set-capabilities', 'arguments': {'capabilities':"
                        + " [{'capability': 'x-ignore-shared', 'state': true}]}}"))
                .isEqualTo("{\"return\": {}}");
        assertThat(ask("{'execute': 'migrate-set-parameters', 'arguments': {'mode': 'cpr-reboot'}}"))
                .isEqualTo("{\"return\": {}}");
    }

    static String migrate(Path state) {
        return "{'execute': 'migrate', 'arguments': {'uri': 'file:" + state + "'}}";
    }

    /** Saves the guest and waits for it; what query-migrate says then. */
    String save(Path state) throws IOException, InterruptedException {
        keepRam();
        assertThat(ask(migrate(state))).isEqualTo("{\"return\": {}}");
        long start = System.nanoTime();
        while (true) {
            String answer = ask("{'execute': 'query-migrate'}");
            if (answer.contains("\"completed\"")) {
                return answer;
            }
            assertThat(answer).doesNotContain("failed");
            assertThat(System.nanoTime() - start).as("nanoseconds of a save").isLessThan(MOST_NANOS);
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    /** SIGKILL, and its end. */
    void kill() throws InterruptedException {
        process.destroyForcibly();
        assertThat(process.waitFor(Patience.host().seconds(30), TimeUnit.SECONDS))
                .as("end after SIGKILL")
                .isTrue();
    }

    /** Kills it, if it lives, and lets go of its socket. */
    void end() throws IOException, InterruptedException {
        kill();
        client.close();
    }
}
