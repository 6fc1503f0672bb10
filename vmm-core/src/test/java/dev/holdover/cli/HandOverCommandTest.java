package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.Letters;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A guest that goes from process to process, with its console and its control socket. */
@NeedsKvm
class HandOverCommandTest {
    private static final int PROCESSES = 6;

    @TempDir
    Path dir;

    private Vmms vmms;

    @BeforeEach
    void begin() {
        vmms = new Vmms(dir);
    }

    @AfterEach
    void endAll() throws InterruptedException {
        vmms.endAll();
    }

    @Test
    void aGuestGoesFromProcessToProcess() throws Exception {
        Process now = vmms.start(
                "run.errors",
                "run",
                "--bios",
                Guests.path("count.bin").toString(),
                "-m",
                "16M",
                "--serial",
                "file:" + vmms.path("serial"),
                "--control",
                vmms.path("control"));
        vmms.await("the guest writes", "serial", "abc");
        for (int i = 1; i < PROCESSES; i++) {
            String socket = vmms.path("listen" + i);
            Process next = vmms.start("standby" + i, "standby", "--listen", socket);
            vmms.await("the other VMM is ready", "standby" + i, "ready on");
            Shell.Outcome outcome = ctl("handover", socket);
            assertThat(outcome.err()).isEmpty();
            assertThat(outcome.code()).isZero();
            assertThat(outcome.out()).contains("total-us");
            assertThat(Vmms.exitCode(now)).isZero();
            assertThat(ctl("query-status").out()).contains("running");
            now = next;
        }
        assertThat(ctl("quit").code()).isZero();
        assertThat(Vmms.exitCode(now)).isZero();
        assertThat(dir.resolve("control")).doesNotExist();
        Letters.assertInTurn(vmms.said("serial"));
    }

    private Shell.Outcome ctl(String... words) throws IOException, InterruptedException {
        List<String> arguments = new ArrayList<>(List.of("ctl", vmms.path("control")));
        arguments.addAll(List.of(words));
        return new Shell(dir).run("exec \"$@\"", Shell.vmm("", arguments.toArray(new String[0])));
    }
}
