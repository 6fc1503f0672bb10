package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.testing.NeedsKvm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example that users are shown. */
@NeedsKvm
class ShellExampleTest {
    @TempDir
    private Path dir;

    @Test
    void doesWhatItSays() throws Exception {
        Path output = dir.resolve("output");
        Process shell = new ProcessBuilder(
                        System.getProperty("java.home") + "/bin/jshell",
                        "-J-Djava.util.prefs.userRoot=" + dir,
                        "-R--enable-native-access=ALL-UNNAMED",
                        "--class-path",
                        Path.of("target/classes").toAbsolutePath() + ":" + System.getProperty("jdk.module.path", "")
                                + ":" + System.getProperty("java.class.path"),
                        "docs/guest.jsh")
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
        String said = Files.readString(output);
        assertThat(said)
                .containsPattern("registers: rip=\\w+ rflags=\\w+ .* rcx=1234567 ")
                .containsPattern("rounds: +(\\d+) in RAM, \\d+ in EBP")
                .containsPattern("STATE +\\d+ us")
                .containsPattern("restored: +\\d+ rounds, the same boot")
                .doesNotContain("Error", "Exception");
        assertThat(shell.exitValue()).as(said).isZero();
    }
}
