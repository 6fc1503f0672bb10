package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.control.ControlConnection;
import dev.holdover.control.ControlHolder;
import dev.holdover.control.Stranded;
import dev.holdover.linux.Patience;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.DeviceAgent;
import dev.holdover.liveupdate.LuodAgent;
import dev.holdover.liveupdate.LuodControl;
import dev.holdover.liveupdate.Session;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.IdentityPage;
import dev.holdover.memory.RamIdentity;
import dev.holdover.testing.NeedsKvm;
import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.TimelineEvent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Guests that outlive their machines, held by a luod without a kernel's help. */
@NeedsKvm
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LiveUpdateTest {
    private static final long BROKEN = 0x1010;
    private static final int PATIENCE_SECONDS = Patience.host().seconds(60);
    private static final int GENERATIONS = LongRun.rounds(20, 1000);

    @TempDir
    Path dir;

    private HoldingLuod luod;
    private final List<AutoCloseable> toClose = new ArrayList<>();

    @BeforeEach
    void startLuod() {
        luod = new HoldingLuod(dir, PATIENCE_SECONDS);
    }

    @AfterEach
    void endLuod() throws Exception {
        for (AutoCloseable closeable : toClose.reversed()) {
            closeable.close();
        }
        luod.close();
    }

    /** A machine that takes part in updates, and runs. */
    private static final class Participant implements AutoCloseable {
        final Machine machine;
        final LiveUpdate liveUpdate;

        Participant(Machine machine, LuodAgent agent, String id) {
            this(machine, new LiveUpdate(machine, agent, id));
            machine.resume();
            liveUpdate.start();
        }

        Participant(Machine machine, LiveUpdate liveUpdate) {
            this.machine = machine;
            this.liveUpdate = liveUpdate;
        }

        @Override
        public void close() {
            liveUpdate.close();
            machine.close();
        }
    }

    private Participant boot(String guest, int cpus, String id) throws InterruptedException {
        Machine machine = Guest.named(guest, dir).cpus(cpus).ram("16M", null).machine();
        Participant participant = new Participant(machine, new LuodAgent(luod.socket()), id);
        Guest.awaitCount(machine);
        return participant;
    }

    /** As vmm restore does it. */
    private Participant restore(String id) {
        LuodAgent agent = new LuodAgent(luod.socket());
        try (FdSets none = new FdSets()) {
            Session session = agent.claim(id);
            Retrieval retrieval = new Retrieval(session, List.of());
            Machine machine = retrieval.machine(config -> config, none);
            assertThat(retrieval.run()).isTrue();
            agent.finish(id, session);
            retrieval.finished();
            return new Participant(machine, agent, id);
        }
    }

    private static int count(Machine machine) {
        return machine.memory().getInt(Guest.COUNT);
    }

    @Tag("long")
    @ParameterizedTest
    @CsvSource({"count.bin, 1", "idle.elf, 2", "regs.elf, 1"})
    void aGuestGoesOnForManyGenerations(String guest, int cpus) throws Exception {
        Participant now = boot(guest, cpus, "vm0");
        try {
            long nonce = now.machine.memory().getLong(Guest.NONCE);
            for (int i = 0; i < GENERATIONS; i++) {
                luod.awaitSubscribers(1);
                luod.update();
                assertThat(now.machine.await()).isInstanceOf(MachineEnd.HandedOver.class);
                int before = count(now.machine);
                now.close();
                now = restore("vm0");
                assertThat(count(now.machine) - before).isNotNegative();
                Guest.awaitCount(now.machine);
                assertThat(now.machine.memory().getLong(Guest.NONCE)).isEqualTo(nonce);
            }
            now.machine.pause();
            assertThat(now.machine.memory().getInt(BROKEN)).isZero();
            List<Integer> phases = new ArrayList<>();
            for (TimelineEvent event : now.machine.timeline()) {
                phases.add(event.phase());
            }
            assertThat(phases)
                    .containsExactly(
                            Phase.PAUSED.code(),
                            Phase.STATE_WRITTEN.code(),
                            Phase.STATE_PRESERVED.code(),
                            Phase.READY.code(),
                            Phase.CLAIMED.code(),
                            Phase.STATE_RETRIEVED.code(),
                            Phase.RAM_RETRIEVED.code(),
                            Phase.KVM_BUILT.code(),
                            Phase.RUNNING.code(),
                            Phase.FINISHED.code());
        } finally {
            now.close();
        }
    }

    @Test
    void theFlightRecorderHasThePhasesOfBothSides() throws Exception {
        Path file = dir.resolve("flight.jfr");
        try (Recording recording = new Recording()) {
            recording.start();
            Participant before = boot("count.bin", 1, "vm0");
            toClose.add(before);
            luod.awaitSubscribers(1);
            luod.update();
            before.machine.await();
            before.close();
            try (Participant after = restore("vm0")) {
                Guest.awaitCount(after.machine);
            }
            recording.dump(file);
        }
        List<RecordedEvent> events = Recorded.phases(file);
        events.removeIf(event -> !event.getEventType().getName().equals("dev.holdover.LiveUpdatePhase"));
        assertThat(events)
                .extracting(event -> event.getString("phase"))
                .containsExactly(
                        "RAM_POPULATED",
                        "RAM_PRESERVED",
                        "PAUSED",
                        "STATE_WRITTEN",
                        "STATE_PRESERVED",
                        "STATE_RETRIEVED",
                        "RAM_RETRIEVED",
                        "OPEN",
                        "MEMSLOTS",
                        "IRQCHIP",
                        "VCPUS",
                        "STATE",
                        "FIRST_EXIT");
        assertThat(events.getFirst().getString("guest")).isEqualTo("vm0");
    }

    @Test
    void twoGuestsGoOverAtOnce() throws Exception {
        Participant first = boot("count.bin", 1, "first");
        toClose.add(first);
        Participant second = boot("idle.elf", 1, "second");
        toClose.add(second);
        luod.awaitSubscribers(2);
        luod.update();
        first.machine.await();
        second.machine.await();
        first.close();
        second.close();
        try (Participant one = restore("second");
                Participant other = restore("first")) {
            Guest.awaitCount(one.machine);
            Guest.awaitCount(other.machine);
        }
    }

    /** Takes part, and fails in the second phase when it is told to. */
    private static final class Failing extends IdleListener {
        final CountDownLatch asked = new CountDownLatch(1);
        final CountDownLatch fail = new CountDownLatch(1);

        @Override
        public void preserve(Session session) {
            asked.countDown();
            try {
                fail.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            throw new VmmException("this one is never ready");
        }
    }

    @Test
    void aGuestThatWasReadyRunsOnAfterAnAbort() throws Exception {
        try (Participant guest = boot("count.bin", 1, "vm0");
                LuodAgent other = new LuodAgent(luod.socket())) {
            Failing failing = new Failing();
            other.subscribe("never", failing);
            luod.awaitSubscribers(2);
            Thread update = new Thread(() -> assertThatThrownBy(luod::update).hasMessageContaining("never ready"));
            update.start();
            assertThat(failing.asked.await(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
            Guest.await("the guest is ready", guest.liveUpdate::isReady);
            int count = count(guest.machine);
            assertThatThrownBy(guest.machine::resume)
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("preserved for a live update");
            assertThatThrownBy(() -> guest.machine.save(dir.resolve("state").toString(), new SaveOptions(true, true)))
                    .hasMessageContaining("preserved for a live update");
            guest.machine.requestReset();
            assertThat(count(guest.machine)).isEqualTo(count);
            failing.fail.countDown();
            update.join();
            Guest.await("it runs on", () -> guest.machine.state() == RunState.RUNNING);
            Guest.awaitCount(guest.machine);
        }
        // Its state is void: nobody can claim it.
        assertThat(new LuodAgent(luod.socket()).claim("vm0")).isNull();
    }

    /** Nobody but a user has it paused, so nobody but a user lets it run. */
    @Test
    void aPausedGuestStaysPaused() throws Exception {
        Participant now = boot("count.bin", 1, "vm0");
        toClose.add(now);
        now.machine.pause();
        int count = count(now.machine);
        for (int i = 0; i < 2; i++) {
            luod.awaitSubscribers(1);
            luod.update();
            now.machine.await();
            now.close();
            LuodAgent agent = new LuodAgent(luod.socket());
            try (FdSets none = new FdSets()) {
                Session session = agent.claim("vm0");
                Retrieval retrieval = new Retrieval(session, List.of());
                Machine machine = retrieval.machine(config -> config, none);
                now = new Participant(machine, new LiveUpdate(machine, agent, "vm0"));
                toClose.add(now);
                assertThat(retrieval.run()).isTrue();
                agent.finish("vm0", session);
                now.liveUpdate.start();
            }
            assertThat(now.machine.state()).isEqualTo(RunState.PAUSED);
            TimeUnit.MILLISECONDS.sleep(50); // what must not happen has time to
            assertThat(count(now.machine)).isEqualTo(count);
        }
        now.machine.resume();
        Guest.awaitCount(now.machine);
    }

    @Test
    void aGuestThatWasSavedElsewhereIsNotPreserved() throws Exception {
        try (Participant guest = boot("count.bin", 1, "vm0")) {
            guest.machine.save(dir.resolve("state").toString(), new SaveOptions(false, false));
            luod.awaitSubscribers(1);
            assertThatThrownBy(luod::update).hasMessageContaining("was saved");
            assertThat(guest.machine.state()).isEqualTo(RunState.SAVED);
            guest.machine.resume();
            Guest.awaitCount(guest.machine);
            luod.awaitSubscribers(1);
            luod.update();
            assertThat(guest.machine.await()).isInstanceOf(MachineEnd.HandedOver.class);
        }
    }

    /** The guest is the next process's then; the signal keeps its word. */
    @Test
    void aVmmThatGotASignalWhenItWasReadyEndsWithTheTurn() throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        try (Participant guest = boot("count.bin", 1, "vm0");
                LuodAgent other = new LuodAgent(luod.socket())) {
            other.subscribe("slow", new IdleListener() {
                @Override
                public void preserve(Session session) {
                    asked.countDown();
                    try {
                        go.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                }
            });
            luod.awaitSubscribers(2);
            Thread update = Thread.ofPlatform().start(luod::update);
            assertThat(asked.await(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
            Guest.await("the guest is ready", guest.liveUpdate::isReady);
            Thread signal = Thread.ofPlatform().start(guest.liveUpdate::signalled);
            assertThat(signal.join(Duration.ofMillis(200)))
                    .as("it stays while it is ready")
                    .isFalse();
            go.countDown();
            update.join();
            assertThat(signal.join(Duration.ofSeconds(PATIENCE_SECONDS)))
                    .as("it ends")
                    .isTrue();
            assertThat(guest.machine.state()).isNotEqualTo(RunState.RUNNING);
        }
        try (LuodControl control = new LuodControl(luod.socket())) {
            control.discard("vm0");
            control.discard("slow");
        }
    }

    @Test
    void aVmmThatDiesBeforeItsGuestRanLosesNothing() throws Exception {
        turnOnce();
        LuodAgent agent = new LuodAgent(luod.socket());
        for (int i = 0; i < 2; i++) {
            try (FdSets none = new FdSets();
                    Session session = agent.claim("vm0")) {
                new Retrieval(session, List.of())
                        .machine(config -> config, none)
                        .close();
            }
        }
        try (Participant guest = restore("vm0")) {
            Guest.awaitCount(guest.machine);
        }
    }

    @Test
    void aGuestThatRanAndWasNotFinishedIsRefusedAsMovedOn() throws Exception {
        turnOnce();
        LuodAgent agent = new LuodAgent(luod.socket());
        try (FdSets none = new FdSets();
                Session session = agent.claim("vm0")) {
            Retrieval retrieval = new Retrieval(session, List.of());
            try (Machine machine = retrieval.machine(config -> config, none)) {
                assertThat(retrieval.run()).isTrue();
                Guest.awaitCount(machine);
            }
        }
        try (FdSets none = new FdSets();
                Session session = agent.claim("vm0")) {
            assertThatThrownBy(() -> new Retrieval(session, List.of()).machine(config -> config, none))
                    .isInstanceOf(RestoreRefused.class)
                    .hasMessageContaining("moved on")
                    .hasMessageContaining("session");
        }
    }

    /** Both have claimed, retrieved and looked at the generation before either runs it. */
    @Test
    void ofTwoVmmsWithTheSameSessionOneGetsTheGuest() throws Exception {
        turnOnce();
        LuodAgent agent = new LuodAgent(luod.socket());
        try (FdSets none = new FdSets();
                Session session = agent.claim("vm0");
                Session same = Session.of(session.fd().dup())) {
            Retrieval winner = new Retrieval(session, List.of());
            Retrieval loser = new Retrieval(same, List.of());
            try (Machine machine = winner.machine(config -> config, none);
                    Machine other = loser.machine(config -> config, none)) {
                assertThat(winner.run()).isTrue();
                assertThatThrownBy(loser::run)
                        .isInstanceOf(RestoreRefused.class)
                        .hasMessageContaining("another VMM has the guest");
                assertThat(other.state()).isEqualTo(RunState.PRELAUNCH);
                Guest.awaitCount(machine);
                agent.finish("vm0", session);
            }
        }
    }

    /** It changes nothing that is in the session; afterwards it comes, and the next update finds the guest. */
    @Test
    void aResetOfAPreservedGuestComesAfterAnAbort() throws Exception {
        Machine machine =
                Guest.named("count.bin", dir).ram("16M", null).rebootOnReset().machine();
        FutureTask<MachineEnd> end = new FutureTask<>(machine::await);
        try (Participant guest = new Participant(machine, new LuodAgent(luod.socket()), "vm0")) {
            new Thread(end).start();
            Guest.awaitCount(machine);
            long nonce = machine.memory().getLong(Guest.NONCE);
            try (LuodAgent other = new LuodAgent(luod.socket())) {
                Failing failing = new Failing();
                other.subscribe("never", failing);
                luod.awaitSubscribers(2);
                Thread update =
                        new Thread(() -> assertThatThrownBy(luod::update).hasMessageContaining("never ready"));
                update.start();
                Guest.await("the guest is ready", guest.liveUpdate::isReady);
                machine.requestReset();
                assertThat(machine.state()).isEqualTo(RunState.PRESERVED);
                failing.fail.countDown();
                update.join();
            }
            Guest.await("it is reset", () -> machine.memory().getLong(Guest.NONCE) != nonce);
            luod.awaitSubscribers(1);
            luod.update();
            assertThat(end.get()).isInstanceOf(MachineEnd.HandedOver.class);
        }
        try (Participant guest = restore("vm0")) {
            Guest.awaitCount(guest.machine);
        }
    }

    /** The update was given up here, and somebody has restored the guest from the session all the same. */
    @Test
    void aGuestThatRunsElsewhereDoesNotRunOnAfterAnAbort() throws Exception {
        try (Participant guest = boot("count.bin", 1, "vm0");
                LuodAgent other = new LuodAgent(luod.socket())) {
            Failing failing = new Failing();
            other.subscribe("never", failing);
            luod.awaitSubscribers(2);
            Thread update = new Thread(() -> assertThatThrownBy(luod::update).hasMessageContaining("never ready"));
            update.start();
            Guest.await("the guest is ready", guest.liveUpdate::isReady);
            try (IdentityPage elsewhere =
                    IdentityPage.adopt(guest.machine.identityPage().dup())) {
                RamIdentity there = elsewhere.read();
                assertThat(elsewhere.replace(there, there.next(RamIdentity.Cause.RESTORED)))
                        .isTrue();
            }
            failing.fail.countDown();
            update.join();
            Guest.await("the guest is not ready any more", () -> !guest.liveUpdate.isReady());
            assertThatThrownBy(guest.machine::resume)
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("another VMM has the guest");
            assertThat(guest.machine.state()).isEqualTo(RunState.PAUSED);
            // And its agent goes on: the next update finds it.
            luod.awaitSubscribers(2);
        }
    }

    private void turnOnce() throws Exception {
        try (Participant guest = boot("count.bin", 1, "vm0")) {
            luod.awaitSubscribers(1);
            luod.update();
            guest.machine.await();
        }
    }

    @ParameterizedTest
    @CsvSource({"backend=anonymous, private", "share=off, private", "mem-path=/dev/shm/holdover-luo-test, with a name"})
    void ramThatCannotBeKeptIsRefusedAtTheStart(String ram, String why) throws IOException {
        try (Machine machine = Guest.named("count.bin", dir).ram("16M", ram).machine()) {
            assertThatThrownBy(() -> new LiveUpdate(machine, new LuodAgent(luod.socket()), "vm0"))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining(why);
        } finally {
            Files.deleteIfExists(Path.of("/dev/shm/holdover-luo-test"));
        }
    }

    @Test
    void ramInANamelessFileOnTmpfsIsTaken() throws Exception {
        Machine machine =
                Guest.named("count.bin", dir).ram("16M", "mem-path=/dev/shm").machine();
        try (Participant guest = new Participant(machine, new LuodAgent(luod.socket()), "vm0")) {
            Guest.awaitCount(machine);
            luod.awaitSubscribers(1);
            luod.update();
            guest.machine.await();
        }
        try (Participant guest = restore("vm0")) {
            Guest.awaitCount(guest.machine);
        }
    }

    /** Its first VMM could not restore it and holds it alone: nothing but an order gives it up, and another takes it. */
    @Test
    void aStrandedGuestIsTakenByAnotherVmm() throws Exception {
        Participant first = boot("count.bin", 1, "vm0");
        luod.awaitSubscribers(1);
        luod.update();
        assertThat(first.machine.await()).isInstanceOf(MachineEnd.HandedOver.class);
        long nonce = first.machine.memory().getLong(Guest.NONCE);
        first.close();

        String control = dir.resolve("control").toString();
        DeviceAgent taker = new DeviceAgent(new ControlHolder(control));
        assertThatThrownBy(() -> taker.claim("vm0")).hasMessageContaining("ENOENT");
        try (LuodAgent agent = new LuodAgent(luod.socket());
                Session session = agent.claim("vm0");
                FdSets none = new FdSets();
                Stranded stranded = new Stranded(control, none, session, "vm0")) {
            try (ControlConnection vmm = ControlConnection.open(control)) {
                assertThatThrownBy(() -> vmm.execute("quit", Map.of(), null))
                        .hasMessage("this VMM is all that holds the guest vm0: live-update-discard gives the guest up,"
                                + " live-update-give passes it on");
                assertThatThrownBy(() -> vmm.execute("cont", Map.of(), null))
                        .hasMessageContaining("could not be restored");
                assertThatThrownBy(() -> vmm.execute("live-update-give", Map.of(), null))
                        .hasMessage("No file descriptor supplied via SCM_RIGHTS");
                vmm.execute("live-update-retry", Map.of(), null);
                assertThat(stranded.await()).isEqualTo(Stranded.Order.RETRY);
            }
            assertThatThrownBy(() -> taker.claim("vm1")).hasMessageContaining("not vm1");
            try (Session taken = taker.claim("vm0")) {
                Retrieval retrieval = new Retrieval(taken, taker.stamps());
                try (Machine machine = retrieval.machine(config -> config, none)) {
                    assertThat(retrieval.run()).isTrue();
                    taker.finish("vm0", taken);
                    assertThat(stranded.await()).isEqualTo(Stranded.Order.LEAVE);
                    Guest.awaitCount(machine);
                    assertThat(machine.memory().getLong(Guest.NONCE)).isEqualTo(nonce);
                }
            }
            agent.finish("vm0", session);
        }
    }
}
