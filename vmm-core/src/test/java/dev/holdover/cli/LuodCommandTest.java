package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.holdover.linux.Patience;
import dev.holdover.liveupdate.LuodAgent;
import dev.holdover.liveupdate.LuodControl;
import dev.holdover.machine.IdleListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** luod and luoctl as commands, each a process. */
@Timeout(120)
class LuodCommandTest {
    @TempDir
    Path dir;

    private Process luod;

    @AfterEach
    void end() throws InterruptedException {
        if (luod != null) {
            luod.destroyForcibly();
            luod.waitFor(Patience.host().seconds(20), TimeUnit.SECONDS);
        }
    }

    private String socket() {
        return dir.resolve("run/luod.sock").toString();
    }

    private void start() throws Exception {
        Path out = Files.createDirectories(dir.resolve("luod"));
        luod = new Shell(out).start("exec \"$@\"", Shell.vmm("", "luod", "--backend", "hold", "--socket", socket()));
        long deadline = System.nanoTime() + Patience.host().nanos(30_000);
        while (!Files.readString(out.resolve("stdout")).contains("listening")) {
            assertThat(luod.isAlive())
                    .as("luod runs: %s", Files.readString(out.resolve("stderr")))
                    .isTrue();
            assertThat(System.nanoTime()).as("luod listens").isLessThan(deadline);
            Thread.sleep(10);
        }
    }

    private String said() throws IOException {
        return Files.readString(dir.resolve("luod/stderr"));
    }

    private Shell.Outcome luoctl(String... arguments) throws Exception {
        List<String> command = new java.util.ArrayList<>(List.of("luoctl"));
        command.addAll(List.of(arguments));
        command.addAll(List.of("--socket", socket()));
        return new Shell(dir).run("exec \"$@\"", Shell.vmm("", command.toArray(String[]::new)));
    }

    @Test
    void anUpdateFromTheCommandLine() throws Exception {
        start();
        assertThat((int) Files.getAttribute(Path.of(socket()), "unix:mode") & 0xFFF)
                .isEqualTo(0600);
        assertThat(luoctl("list").out()).isEqualTo("no client has subscribed, and no guest waits\n");
        Shell.Outcome refused = luoctl("kexec");
        assertThat(refused.code()).isOne();
        assertThat(refused.err())
                .isEqualTo("vmm luoctl kexec: luod refuses kexec, ENOENT (No such file or directory): no"
                        + " client has subscribed, nothing would be kept; --force if that is meant\n");
        IdleListener vmm = new IdleListener();
        try (LuodAgent agent = new LuodAgent(socket());
                LuodControl control = new LuodControl(socket())) {
            agent.subscribe("vm1", vmm);
            long deadline = System.nanoTime() + Patience.host().nanos(20_000);
            while (control.status().clients() != 1) {
                assertThat(System.nanoTime()).as("subscribed").isLessThan(deadline);
            }
            assertThat(luoctl("kexec")).isEqualTo(new Shell.Outcome(0, """
                            vm1: PREPARING
                            vm1: PREPARED
                            vm1: PRESERVING
                            vm1: READY
                            all sessions wait for their next VMMs
                            """, ""));
            assertThat(vmm.turned.await(Patience.host().seconds(20), TimeUnit.SECONDS))
                    .isTrue();
        }
        assertThat(luoctl("status").out()).isEqualTo("""
                        backend: hold
                        phase: IDLE
                        clients: 0
                        guests of the last update not up again: 1
                        an update now: possible
                        """);
        assertThat(luoctl("list").out()).startsWith("vm1  UNCLAIMED  uid ");
        // It does not end with a guest in its hands.
        luod.destroy();
        long deadline = System.nanoTime() + Patience.host().nanos(20_000);
        while (!said().contains("guests would be lost if it ended now")) {
            assertThat(System.nanoTime()).as("it says why it stays").isLessThan(deadline);
            Thread.sleep(10);
        }
        assertThat(luoctl("discard", "vm1").out()).isEqualTo("discarded vm1\n");
        assertThat(luod.waitFor(Patience.host().seconds(20), TimeUnit.SECONDS))
                .as("then it ends")
                .isTrue();
        assertThat(Path.of(socket())).doesNotExist();
    }

    @Test
    void luodMayComeAfterWhoAsksIt() throws Exception {
        FutureTask<Integer> status = WaitingCommand.start("luoctl", "status", "--wait=3600", "--socket", socket());
        start();
        assertThat(status.get(60, TimeUnit.SECONDS)).isZero();
    }

    @Test
    void whatIsWrongIsOneSentence() throws Exception {
        Shell.Outcome alone = luoctl("status", "--wait", "0");
        assertThat(alone.code()).isOne();
        assertThat(alone.err())
                .isEqualTo("vmm luoctl status: cannot reach luod at " + socket()
                        + ", ENOENT (No such file or directory): is ./vmm luod running?\n");
        refused(2, "load", "give the next kernel's command line with one of --cmdline and --reuse-cmdline", "/boot/x");
        refused(
                1,
                "load",
                "the next kernel's command line lacks kho=on: such a kernel loses every guest; add 'kho=on"
                        + " liveupdate=on'",
                "/boot/x",
                "--cmdline",
                "quiet");
        refused(
                1,
                "load",
                "cannot open kernel /nonexistent, ENOENT (No such file or directory)",
                "/nonexistent",
                "--cmdline",
                "kho=on liveupdate=on");
    }

    private void refused(int code, String command, String sentence, String... arguments) throws Exception {
        List<String> words = new java.util.ArrayList<>(List.of("luoctl", command));
        words.addAll(List.of(arguments));
        Shell.Outcome outcome = new Shell(dir).run("exec \"$@\"", Shell.vmm("", words.toArray(String[]::new)));
        assertThat(outcome.code()).as(outcome.err()).isEqualTo(code);
        assertThat(outcome.err()).startsWith("vmm luoctl " + command + ": " + sentence);
        assertThat(outcome.err().strip().lines()).hasSize(1);
    }

    @Test
    void withoutLiveUpdateTheKernelsBackEndSaysSo() throws Exception {
        assumeFalse(Files.exists(Path.of("/dev/liveupdate")), "this kernel has live update");
        Shell.Outcome outcome = new Shell(dir)
                .run(
                        "exec \"$@\"",
                        Shell.vmm("", "luod", "--socket", dir.resolve("s").toString()));
        assertThat(outcome.code()).isOne();
        assertThat(outcome.err())
                .isEqualTo(
                        "vmm luod: cannot open /dev/liveupdate, ENOENT (No such file or directory): this kernel has no"
                                + " live update; it needs CONFIG_LIVEUPDATE and 'kho=on liveupdate=on' on its command line\n");
        assertThat(dir.resolve("s")).doesNotExist();
    }
}
