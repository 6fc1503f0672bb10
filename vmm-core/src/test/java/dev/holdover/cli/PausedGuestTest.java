package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.control.ControlConnection;
import dev.holdover.testing.NeedsKvm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A guest that a user has paused is not let run by a restore. */
@NeedsKvm
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PausedGuestTest {
    @TempDir
    Path dir;

    private Vmms vmms;

    @BeforeEach
    void prepare() {
        vmms = new Vmms(dir);
    }

    @AfterEach
    void endAll() throws InterruptedException {
        vmms.endAll();
    }

    private String ctl(String... words) throws Exception {
        String[] all = new String[words.length + 2];
        all[0] = "ctl";
        all[1] = vmms.path("control");
        System.arraycopy(words, 0, all, 2, words.length);
        assertThat(Vmms.exitCode(vmms.start("ctl.errors", all)))
                .as(vmms.said("ctl.errors"))
                .isZero();
        return vmms.said("ctl.errors");
    }

    private String status() throws Exception {
        try (ControlConnection vmm = ControlConnection.open(vmms.path("control"))) {
            return vmm.execute("query-status", Map.of(), null).toString();
        }
    }

    @Test
    void aRestoreLeavesItPausedUntilSomebodySaysCont() throws Exception {
        Process first = vmms.start(
                "run.errors",
                "run",
                "--bios",
                Guests.path("count.bin").toString(),
                "-m",
                "16M",
                "--ram",
                "mem-path=" + vmms.path("ram"),
                "--serial",
                "file:" + vmms.path("serial"),
                "--control",
                vmms.path("control"));
        vmms.await("the guest writes", "serial", "abc");
        ctl("stop");
        ctl("save", vmms.path("state"));
        ctl("quit");
        assertThat(Vmms.exitCode(first)).isZero();

        // Without a control socket nothing could let it run; its state is as good as before.
        Process alone = vmms.start("alone.errors", "restore", vmms.path("state"));
        vmms.await("it says so", "alone.errors", "restore it again with --control PATH");
        alone.destroy();
        Vmms.exitCode(alone);

        vmms.start("restore.errors", "restore", vmms.path("state"), "--control", vmms.path("control"));
        vmms.await("it says so", "restore.errors", "cont lets it run");
        assertThat(status()).contains("running=false");
        long letters = Files.size(dir.resolve("serial"));
        ctl("cont");
        Vmms.await("it runs", () -> Files.size(dir.resolve("serial")) > letters);
        assertThat(status()).contains("running=true");
    }
}
