package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.linux.Patience;
import dev.holdover.testing.NeedsKvm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example that users are shown. */
class ShellExampleTest {
    @TempDir
    private Path dir;

    private record Outcome(int code, String said) {}

    private Outcome example(String... wrapper) throws Exception {
        Path output = dir.resolve("output");
        List<String> command = new ArrayList<>(List.of(wrapper));
        command.addAll(List.of(
                System.getProperty("java.home") + "/bin/jshell",
                "-J-Djava.util.prefs.userRoot=" + dir,
                "-R--enable-native-access=ALL-UNNAMED",
                "--execution",
                "jdi:hostname(127.0.0.1),timeout(300000)",
                "--class-path",
                Path.of("target/classes").toAbsolutePath() + ":" + System.getProperty("jdk.module.path", "") + ":"
                        + System.getProperty("java.class.path"),
                "docs/guest.jsh"));
        Process shell = new ProcessBuilder(command)
                .directory(Path.of("..").toFile())
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        try {
            assertThat(shell.waitFor(Patience.host().seconds(120), TimeUnit.SECONDS))
                    .isTrue();
        } finally {
            shell.destroyForcibly();
        }
        return new Outcome(shell.exitValue(), Files.readString(output));
    }

    @NeedsKvm
    @Test
    void doesWhatItSays() throws Exception {
        Outcome outcome = example();
        assertThat(outcome.said())
                .containsPattern("registers: rip=\\w+ rflags=\\w+ .* rcx=1234567 ")
                .containsPattern("rounds: +(\\d+) in RAM, \\d+ in EBP")
                .containsPattern("STATE +\\d+ us")
                .containsPattern("restored: +\\d+ rounds, the same boot")
                .doesNotContain("Error", "Exception");
        assertThat(outcome.code()).as(outcome.said()).isZero();
    }

    /** Whether this host has KVM or not: /dev has nothing but memory here. */
    @Test
    void withoutKvmSaysSoInASentence() throws Exception {
        assumeTrue(Files.isWritable(Path.of("/proc/1/oom_score_adj")), "root, for a mount namespace");
        Outcome outcome =
                example("unshare", "-m", "sh", "-c", "mount -t tmpfs none /dev && mkdir /dev/shm && exec \"$@\"", "sh");
        assertThat(outcome.said()
                        .lines()
                        .filter(line -> !line.contains("java.util.prefs") && !line.startsWith("INFO:")))
                .singleElement()
                .asString()
                .startsWith("cannot open /dev/kvm: ENOENT (No such file or directory): ");
        assertThat(outcome.code()).isEqualTo(1);
    }
}
