package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** run, standby and ctl handover, each a process. */
@NeedsKvm
class StandbyTest {
    @TempDir
    private Path dir;

    private final List<Process> processes = new ArrayList<>();

    @AfterEach
    void end() throws InterruptedException {
        for (Process process : processes) {
            process.destroyForcibly();
            process.waitFor(Patience.host().seconds(20), TimeUnit.SECONDS);
        }
    }

    private Process start(String socket, String... arguments) throws Exception {
        Path out = Files.createDirectories(dir.resolve("out" + processes.size()));
        Process process = new Shell(out).start("exec \"$@\"", Shell.vmm("", arguments));
        processes.add(process);
        long deadline = System.nanoTime() + Patience.host().nanos(30_000);
        while (!Files.exists(dir.resolve(socket))) {
            assertThat(System.nanoTime()).as(socket + " is there").isLessThan(deadline);
            Thread.sleep(10);
        }
        return process;
    }

    private String path(String name) {
        return dir.resolve(name).toString();
    }

    private Shell.Outcome vmm(String... arguments) throws IOException, InterruptedException {
        return new Shell(dir).run("exec \"$@\"", Shell.vmm("", arguments));
    }

    private void startGuest() throws Exception {
        String kernel = Guests.path("idle.elf").toString();
        start("control", "run", "-k", kernel, "-m", "16M", "--serial", "null", "--control", path("control"));
    }

    @Test
    void tellsWhoAskedAndKeepsTheControlSocket() throws Exception {
        startGuest();
        start("standby", "standby", "--listen", path("standby"));
        Shell.Outcome twice = vmm("standby", "--listen", path("standby"));
        assertThat(twice.err()).contains("EADDRINUSE", "another process listens on it");
        assertThat(twice.code()).isEqualTo(ExitCode.FAILED);
        Shell.Outcome outcome = vmm("ctl", path("control"), "handover", path("standby"));
        assertThat(outcome.err()).isEmpty();
        assertThat(outcome.out()).contains("total-us", "enter-us");
        assertThat(processes.getFirst().waitFor(Patience.host().seconds(20), TimeUnit.SECONDS))
                .isTrue();
        assertThat(vmm("ctl", path("control"), "query-status").out()).contains("\"running\": true");
    }

    @Test
    void theOrderMayComeBeforeTheSockets() throws Exception {
        FutureTask<Integer> early = WaitingCommand.start("ctl", path("control"), "query-status", "--wait", "3600");
        startGuest();
        assertThat(early.get(60, TimeUnit.SECONDS)).isZero();
        FutureTask<Integer> order =
                WaitingCommand.start("ctl", path("control"), "handover", path("standby"), "--wait=3600");
        start("standby", "standby", "--listen", path("standby"));
        assertThat(order.get(60, TimeUnit.SECONDS)).isZero();
        assertThat(processes.getFirst().waitFor(20, TimeUnit.SECONDS)).isTrue();
        assertThat(vmm("ctl", path("control"), "query-status").out()).contains("\"running\": true");
    }

    @Test
    void keepsAGuestThatNobodyTakes() throws Exception {
        startGuest();
        Shell.Outcome nobody = vmm("ctl", path("control"), "handover", path("nobody"), "--wait", "1");
        assertThat(nobody.err())
                .contains("ENOENT", "standby --listen", ", after waiting 1 s for it")
                .hasLineCount(1);
        assertThat(nobody.code()).isEqualTo(ExitCode.FAILED);
        Shell.Outcome other = vmm("ctl", path("control"), "handover", path("control"));
        assertThat(other.err()).contains("EPROTOTYPE").hasLineCount(1);
        assertThat(other.code()).isEqualTo(ExitCode.FAILED);
        assertThat(vmm("ctl", path("control"), "query-status").out()).contains("\"running\": true");
    }
}
