package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Commands of sh(1), and the VMM as one of them. */
final class Shell {
    private static final int DEADLINE_SECONDS = Patience.host().seconds(30);

    private final Path dir;
    private final ProcessBuilder builder = new ProcessBuilder();

    /** Its commands run in {@code dir}, where their output is kept. */
    Shell(Path dir) {
        this.dir = dir;
        builder.directory(dir.toFile());
    }

    record Outcome(int code, String out, String err) {}

    Shell with(String variable, String value) {
        builder.environment().put(variable, value);
        return this;
    }

    Shell without(String variable) {
        builder.environment().remove(variable);
        return this;
    }

    /**
     * Starts a script, with arguments {@code $1} and so on. It ignores no signal, whatever started the tests: nohup and a
     * shell's & leave some ignored, which neither a shell nor a JVM undoes.
     */
    Process start(String script, List<String> arguments) throws IOException {
        List<String> command =
                new ArrayList<>(List.of("/usr/bin/env", "--default-signal", "/bin/sh", "-c", script, "sh"));
        command.addAll(arguments);
        return builder.command(command)
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(dir.resolve("stdout").toFile())
                .redirectError(dir.resolve("stderr").toFile())
                .start();
    }

    Outcome run(String script, List<String> arguments) throws IOException, InterruptedException {
        Process process = start(script, arguments);
        try {
            assertThat(process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS))
                    .as("end of: %s %s", script, arguments)
                    .isTrue();
        } finally {
            process.destroyForcibly();
        }
        return new Outcome(
                process.exitValue(), Files.readString(dir.resolve("stdout")), Files.readString(dir.resolve("stderr")));
    }

    Outcome run(String script) throws IOException, InterruptedException {
        return run(script, List.of());
    }

    /** What starts the VMM under test in a JVM of its own, as the launcher would with these inherited descriptors. */
    static List<String> vmm(String inherited, String... arguments) {
        List<String> command = new ArrayList<>(List.of(
                System.getProperty("java.home") + "/bin/java",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xlog:disable",
                "-Xlog:all=error:stderr",
                "--enable-native-access=ALL-UNNAMED",
                "--add-exports=java.base/jdk.internal.foreign.abi=ALL-UNNAMED",
                "--add-exports=java.base/jdk.internal.foreign.abi.x64=ALL-UNNAMED",
                "--add-exports=java.base/jdk.internal.access=ALL-UNNAMED",
                "--add-exports=java.base/jdk.internal.loader=ALL-UNNAMED",
                "-Ddev.holdover.inherited-fds=" + inherited,
                "-cp",
                System.getProperty("jdk.module.path", "") + ":" + System.getProperty("java.class.path"),
                "dev.holdover.cli.Main"));
        command.addAll(List.of(arguments));
        return command;
    }
}
