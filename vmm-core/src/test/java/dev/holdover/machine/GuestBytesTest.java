package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.linux.Patience;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The guests' committed bytes are those of their sources. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GuestBytesTest {
    /** Other binutils may choose other encodings. */
    private static final String BINUTILS = "2.40";

    private record Result(int exitCode, String output) {}

    private static Result run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(Patience.host().seconds(50), TimeUnit.SECONDS))
                .isTrue();
        return new Result(process.exitValue(), output);
    }

    private static String assembler() throws InterruptedException {
        try {
            return run("as", "--version").output().lines().findFirst().orElse("");
        } catch (IOException e) {
            return "none";
        }
    }

    @Test
    void areThoseOfTheirSources() throws Exception {
        String assembler = assembler();
        assumeTrue(assembler.endsWith(" " + BINUTILS), "needs GNU as " + BINUTILS + ", here is " + assembler);
        Result result = run("sh", "src/test/guests/assemble", "--check");
        assertThat(result.output()).isEmpty();
        assertThat(result.exitCode()).isZero();
    }
}
