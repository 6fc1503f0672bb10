package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@link Patience#VARIABLE}, as a user sets it. */
class PatienceVariableTest {
    @TempDir
    Path dir;

    private Shell.Outcome vmm(String patience, String... arguments) throws Exception {
        return new Shell(dir).with(Patience.VARIABLE, patience).run("exec \"$@\"", Shell.vmm("", arguments));
    }

    @ParameterizedTest
    @ValueSource(strings = {"fast", "0", ""})
    void aWrongOneIsRefusedBeforeAnythingIsDone(String value) throws Exception {
        Path socket = dir.resolve("luod.sock");
        Shell.Outcome outcome = vmm(value, "luod", "--backend", "hold", "--socket", socket.toString());
        assertThat(outcome.err())
                .isEqualTo(
                        "vmm: HOLDOVER_PATIENCE=" + value + ": expected a number from 1 to 1000, by which time limits"
                                + " are multiplied, such as 20; or unset it, and the host's speed is measured\n");
        assertThat(outcome.out()).isEmpty();
        assertThat(outcome.code()).isEqualTo(ExitCode.USAGE);
        assertThat(socket).doesNotExist();
    }

    @Test
    void theFastReaderOfOptionsRefusesItToo() throws Exception {
        Shell.Outcome outcome = vmm("0.5", "ctl", dir.resolve("none").toString(), "stop");
        assertThat(outcome.err()).startsWith("vmm: HOLDOVER_PATIENCE=0.5: expected a number from 1 to 1000");
        assertThat(outcome.code()).isEqualTo(ExitCode.USAGE);
    }

    @Test
    void aFactorIsTaken() throws Exception {
        assertThat(vmm("2.5", "--version").code()).isEqualTo(ExitCode.OK);
    }
}
