package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.control.ControlConnection;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.Agent;
import dev.holdover.liveupdate.DeviceAgent;
import dev.holdover.liveupdate.Holder;
import dev.holdover.liveupdate.LuodAgent;
import dev.holdover.liveupdate.Session;
import dev.holdover.machine.MachineConfig;
import dev.holdover.machine.RestoreRefused;
import dev.holdover.testing.NeedsKvm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What fails around a guest that was claimed costs nothing of it. */
@NeedsKvm
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ClaimedTest {
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

    private String socket() {
        return vmms.path("luod");
    }

    /** A guest that luod holds, its VMM gone; it wrote letters to the file serial. */
    private void preserve() throws Exception {
        vmms.start("luod.errors", "luod", "--backend", "hold", "--socket", socket());
        Vmms.await("luod is there", () -> Files.exists(Path.of(socket())));
        Process vmm = vmms.start(
                "run.errors",
                "run",
                "--bios",
                Guests.path("count.bin").toString(),
                "-m",
                "16M",
                "--serial",
                "file:" + vmms.path("serial"),
                "--name",
                "vm0",
                "--live-update",
                "luod,socket=" + socket());
        vmms.await("the guest writes", "serial", "abc");
        Process status = vmms.start("kexec.errors", "luoctl", "kexec", "--socket", socket());
        assertThat(Vmms.exitCode(status)).as(vmms.said("kexec.errors")).isZero();
        assertThat(Vmms.exitCode(vmm)).isZero();
    }

    private void awaitLetters() throws Exception {
        long before = Files.size(dir.resolve("serial"));
        Vmms.await("the guest writes on", () -> Files.size(dir.resolve("serial")) > before + 10);
    }

    private Claimed claimed(Agent agent, Session session, UnaryOperator<MachineConfig> override, String control) {
        return new Claimed(agent, "vm0", session, override, control, new Leaving());
    }

    /** Runs it on a thread, which gives its exit code. */
    private static FutureTask<Integer> start(Claimed claimed) {
        FutureTask<Integer> task = new FutureTask<>(claimed::restore);
        new Thread(task, "restore").start();
        return task;
    }

    private void assertRunsUntilItQuits(FutureTask<Integer> restore, String control) throws Exception {
        Vmms.await("its control socket is there", () -> Files.exists(Path.of(control)));
        awaitLetters();
        try (ControlConnection vmm = ControlConnection.open(control)) {
            assertThat(vmm.execute("query-status", Map.of(), null).toString()).contains("running");
            vmm.execute("quit", Map.of(), null);
        }
        assertThat(restore.get(Vmms.PATIENCE_SECONDS, TimeUnit.SECONDS)).isZero();
    }

    @Test
    void aControlSocketThatCannotBeMadeLeavesTheGuestWithItsAgent() throws Exception {
        preserve();
        Process early = vmms.start(
                "early.errors",
                "restore",
                "--live-update",
                "luod,socket=" + socket(),
                "--name",
                "vm0",
                "--control",
                "/nonexistent/control");
        assertThat(Vmms.exitCode(early)).isEqualTo(ExitCode.FAILED);
        assertThat(vmms.said("early.errors"))
                .isEqualTo(
                        "vmm restore: the control socket /nonexistent/control cannot be made, ENOENT (No such file or"
                                + " directory): name a path in a directory that can be written\n");
        LuodAgent agent = new LuodAgent(socket());
        try (Session session = agent.claim("vm0")) {
            // And if its directory has gone since that was looked at.
            assertThatThrownBy(() -> claimed(agent, session, config -> config, "/nonexistent/control")
                            .restore())
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("ENOENT");
        }
        LuodAgent again = new LuodAgent(socket());
        String control = vmms.path("control");
        assertRunsUntilItQuits(start(claimed(again, again.claim("vm0"), config -> config, control)), control);
    }

    /** Its VMM ended before it could tell luod. */
    @Test
    void aSessionThatAnotherVmmHasFinishedIsRefusedAsSuch() throws Exception {
        preserve();
        LuodAgent first = new LuodAgent(socket());
        try (Session session = first.claim("vm0")) {
            session.finish();
        }
        LuodAgent agent = new LuodAgent(socket());
        try (Session session = agent.claim("vm0")) {
            assertThatThrownBy(() ->
                            claimed(agent, session, config -> config, null).restore())
                    .isInstanceOf(RestoreRefused.class)
                    .hasMessage("the guest vm0 was restored from this session before, and the session is finished:"
                            + " nothing is left in it; if that VMM has ended, ./vmm luoctl discard vm0 lets luod forget"
                            + " the session");
        }
    }

    @Test
    void aSessionThatCannotBeFinishedDoesNotEndTheGuest() throws Exception {
        preserve();
        LuodAgent luod = new LuodAgent(socket());
        Holder failing = new Holder() {
            @Override
            public Session claim() {
                return luod.claim("vm0");
            }

            @Override
            public void release() {
                throw new VmmException("the other VMM cannot be told");
            }
        };
        DeviceAgent agent = new DeviceAgent(failing);
        String control = vmms.path("control");
        FutureTask<Integer> restore = start(claimed(agent, agent.claim("vm0"), config -> config, control));
        assertRunsUntilItQuits(restore, control);
    }

    /** Whatever is thrown: with the process the guest would end. */
    @Test
    void anErrorLeavesAGuestThatOnlyThisProcessHoldsToWhoeverDecides() throws Exception {
        preserve();
        Session session = new LuodAgent(socket()).claim("vm0");
        AtomicInteger attempts = new AtomicInteger();
        UnaryOperator<MachineConfig> outOfThreads = config -> {
            if (attempts.getAndIncrement() == 0) {
                throw new OutOfMemoryError("unable to create native thread");
            }
            return config;
        };
        String control = vmms.path("control");
        FutureTask<Integer> restore = start(claimed(new DeviceAgent(), session, outOfThreads, control));
        Vmms.await("it is stranded", () -> restore.isDone() || Files.exists(Path.of(control)));
        assertThat(restore.isDone()).as("the process waits").isFalse();
        try (ControlConnection vmm = ControlConnection.open(control)) {
            vmm.execute("live-update-retry", Map.of(), null);
        }
        Vmms.await("it runs", () -> attempts.get() == 2);
        assertRunsUntilItQuits(restore, control);
    }

    @Test
    void aSignalWaitsUntilAGuestIsHereOrElsewhere() throws Exception {
        Leaving leaving = new Leaving();
        leaving.holdAlone("vm0");
        leaving.start();
        Vmms.await("it waits", () -> leaving.getState() == Thread.State.WAITING);
        leaving.runs(null, null, null);
        leaving.join();
        assertThat(List.of(leaving.getState())).containsExactly(Thread.State.TERMINATED);
    }
}
