package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.Letters;
import dev.holdover.Relay;
import dev.holdover.handover.HandOverConnection;
import dev.holdover.linux.Epoll;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.FdSets;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Guests that would notice, handed from one machine to another; and all that may get lost on the way. */
@NeedsKvm
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HandOverTest {
    private static final long BROKEN = 0x1010;
    private static final int SILENCE_MILLIS = Patience.host().millis(200);
    private static final long PATIENCE_SECONDS = Patience.host().seconds(30);

    @TempDir
    Path dir;

    private final ExecutorService threads = Executors.newCachedThreadPool();

    @AfterEach
    void endThreads() {
        threads.shutdownNow();
    }

    /** Both sides' connections, with a wire between them that passes a message when it is told to. */
    private static final class Wire implements AutoCloseable {
        private final UnixSocket[] left = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
        private final UnixSocket[] right = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
        final HandOverConnection outgoing = new HandOverConnection(left[0], "the incoming side");
        final HandOverConnection incoming = new HandOverConnection(right[0], "the outgoing side");

        void toIncoming() throws Exception {
            Relay.pass(left[1], right[1]);
        }

        void toOutgoing() throws Exception {
            Relay.pass(right[1], left[1]);
        }

        /** The outgoing side dies, as the incoming one sees it. */
        void cutIncoming() {
            right[1].close();
        }

        void cutOutgoing() {
            left[1].close();
        }

        @Override
        public void close() {
            outgoing.close();
            incoming.close();
            cutIncoming();
            cutOutgoing();
        }
    }

    private <T> Future<T> start(Callable<T> task) {
        return threads.submit(task);
    }

    private static <T> T get(Future<T> result) throws Exception {
        try {
            return result.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Exception cause) {
                throw cause;
            }
            throw e;
        }
    }

    private Future<HandOverReport> handOver(Machine machine, Wire wire) {
        return start(() -> new HandOver(machine, wire.outgoing, SILENCE_MILLIS).run(null));
    }

    /** Passes Offer and Accept; the machine that waits for its state. */
    private Machine prepare(Wire wire, TakeOver takeOver) throws Exception {
        Future<Machine> prepared = start(takeOver::prepare);
        wire.toIncoming();
        Machine other = get(prepared);
        wire.toOutgoing();
        return other;
    }

    /** Hands it over with nothing in between; the other machine, which has the guest. */
    private Machine cross(Machine machine) throws Exception {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
        try (HandOverConnection peer = new HandOverConnection(pair[0], "the incoming side");
                TakeOver takeOver = new TakeOver(new HandOverConnection(pair[1], "the outgoing side"))) {
            Future<HandOverReport> report = start(() -> new HandOver(machine, peer).run(null));
            Machine other = takeOver.prepare();
            takeOver.run();
            assertThat(get(report).blackoutNanos()).isPositive();
            assertThat(machine.state()).isEqualTo(RunState.HANDED_OVER);
            machine.leave();
            assertThat(machine.await()).isInstanceOf(MachineEnd.HandedOver.class);
            return other;
        }
    }

    private static int count(Machine machine) {
        return machine.memory().getInt(Guest.COUNT);
    }

    private static void assertStandsStill(Machine machine) throws InterruptedException {
        int count = count(machine);
        TimeUnit.MILLISECONDS.sleep(50); // what must not happen has time to
        assertThat(count(machine)).isEqualTo(count);
    }

    @ParameterizedTest
    @CsvSource({"count.bin, 1", "idle.elf, 1", "idle.elf, 2", "regs.elf, 1"})
    void aGuestGoesOnTwentyTimes(String guest, int cpus) throws Exception {
        Guest started = Guest.named(guest, dir).cpus(cpus).rng();
        Machine machine = started.machine();
        try {
            machine.resume();
            Guest.awaitCount(machine);
            long nonce = machine.memory().getLong(Guest.NONCE);
            for (int i = 0; i < 20; i++) {
                int before = count(machine);
                Machine other = cross(machine);
                machine.close();
                machine = other;
                assertThat(count(machine) - before).isNotNegative();
                Guest.awaitCount(machine);
                assertThat(machine.memory().getLong(Guest.NONCE)).isEqualTo(nonce);
            }
            machine.pause();
            assertThat(machine.memory().getInt(BROKEN)).isZero();
        } finally {
            machine.close();
        }
        assertThat(started.output()).doesNotContain("X");
    }

    /** The disk is looked at by the other side before it has the guest's state, and again then. */
    @ParameterizedTest
    @EnumSource(names = {"DISK", "PCI_DISK"})
    void aDiskGoesAlongWithARequestUnderWay(LivingGuest guest) throws Exception {
        Guest started = guest.guest(dir, null);
        Machine machine = started.machine();
        try {
            machine.resume();
            for (int i = 0; i < 10; i++) {
                Guest.awaitCount(machine);
                Machine other = cross(machine);
                machine.close();
                machine = other;
            }
            Guest.awaitCount(machine);
            machine.pause();
            assertThat(machine.memory().getInt(BROKEN)).isZero();
        } finally {
            machine.close();
        }
        assertThat(started.output()).startsWith("D").doesNotContain("X");
    }

    @Test
    void outputIsUnbroken() throws Exception {
        Guest started = Guest.named("count.bin", dir);
        Machine machine = started.machine();
        machine.resume();
        for (int i = 0; i < 10; i++) {
            Guest.awaitCount(machine);
            Machine other = cross(machine);
            machine.close();
            machine = other;
        }
        machine.pause();
        machine.close();
        Letters.assertInTurn(started.output());
    }

    @Test
    void aPausedGuestStaysPaused() throws Exception {
        try (Machine machine = Guest.named("count.bin", dir).machine()) {
            machine.resume();
            Guest.awaitCount(machine);
            machine.pause();
            try (Machine other = cross(machine)) {
                assertThat(other.state()).isNotEqualTo(RunState.RUNNING);
                assertStandsStill(other);
                other.resume();
                Guest.awaitCount(other);
            }
        }
    }

    @Test
    void aStateThatComesTooLateRunsNowhere() throws Exception {
        try (Wire wire = new Wire();
                Machine machine = Guest.named("count.bin", dir).machine()) {
            machine.resume();
            Future<HandOverReport> report = handOver(machine, wire);
            TakeOver takeOver = new TakeOver(wire.incoming);
            try (Machine other = prepare(wire, takeOver)) {
                assertThatThrownBy(() -> get(report))
                        .isInstanceOf(VmmException.class)
                        .hasMessageContaining("silent");
                assertThat(machine.state()).isEqualTo(RunState.RUNNING);
                Guest.awaitCount(machine);
                wire.toIncoming(); // State
                assertThatThrownBy(takeOver::run)
                        .isInstanceOf(VmmException.class)
                        .hasMessageContaining("has kept the guest");
                assertThat(other.state()).isEqualTo(RunState.PRELAUNCH);
                Guest.awaitCount(machine);
            }
            takeOver.close();
            Guest.awaitCount(machine);
        }
    }

    @Test
    void aWordThatComesTooLateIsNotNeeded() throws Exception {
        try (Wire wire = new Wire();
                Machine machine = Guest.named("count.bin", dir).machine()) {
            machine.resume();
            Future<HandOverReport> report = handOver(machine, wire);
            TakeOver takeOver = new TakeOver(wire.incoming);
            try (Machine other = prepare(wire, takeOver)) {
                wire.toIncoming(); // State
                takeOver.run();
                Guest.awaitCount(other);
                TimeUnit.MILLISECONDS.sleep(2L * SILENCE_MILLIS); // the outgoing side has given up waiting
                assertThat(report.isDone()).isFalse();
                other.pause();
                assertStandsStill(machine); // which it would not if the outgoing side ran it, too
                other.resume();
                wire.toOutgoing(); // Running
                get(report);
                assertThat(machine.state()).isEqualTo(RunState.HANDED_OVER);
                other.pause();
                machine.resume();
                assertStandsStill(machine);
            }
            takeOver.close();
        }
    }

    @Test
    void aTakerThatIsStoppedKeepsNobodyFromEndingThisMachine() throws Exception {
        try (Wire wire = new Wire();
                Machine machine = Guest.named("count.bin", dir).machine()) {
            machine.resume();
            Future<HandOverReport> report = handOver(machine, wire);
            TakeOver takeOver = new TakeOver(wire.incoming);
            try (Machine other = prepare(wire, takeOver)) {
                wire.toIncoming(); // State
                takeOver.run(); // whose Running never passes
                Guest.awaitCount(other);
                long start = System.nanoTime();
                while (get(start(machine::state)) != RunState.HANDED_OVER) { // in time, or the machine is locked
                    assertThat(System.nanoTime() - start)
                            .as("this side knows that the guest was taken")
                            .isLessThan(PATIENCE_SECONDS * 1_000_000_000L);
                }
                assertThat(report.isDone()).isFalse();
                MachineEnd end = get(start(() -> {
                    machine.resume(); // cont
                    machine.quit();
                    return machine.await();
                }));
                assertThat(end).isInstanceOf(MachineEnd.Quit.class);
                Guest.awaitCount(other);
            }
            takeOver.close();
        }
    }

    @Test
    void aTakerThatDiesHasTakenTheGuestAlong() throws Exception {
        try (Wire wire = new Wire();
                Machine machine = Guest.named("count.bin", dir).machine()) {
            machine.resume();
            Future<HandOverReport> report = handOver(machine, wire);
            TakeOver takeOver = new TakeOver(wire.incoming);
            try (Machine other = prepare(wire, takeOver)) {
                wire.toIncoming();
                takeOver.run();
                other.pause();
                wire.cutOutgoing();
                assertThatThrownBy(() -> get(report))
                        .isInstanceOf(VmmException.class)
                        .hasMessageContaining("never runs here again");
                machine.resume();
                assertStandsStill(machine);
                machine.leave();
                assertThatThrownBy(machine::await).hasMessageContaining("never runs here again");
            }
            takeOver.close();
        }
    }

    @Test
    void theOtherSidesEndLeavesTheGuestHere() throws Exception {
        try (Machine machine = Guest.named("count.bin", dir).machine()) {
            machine.resume();
            for (int messages = 0; messages <= 2; messages++) {
                try (Wire wire = new Wire()) {
                    Future<HandOverReport> report = handOver(machine, wire);
                    TakeOver takeOver = new TakeOver(wire.incoming);
                    if (messages > 0) {
                        Future<Machine> prepared = start(takeOver::prepare);
                        wire.toIncoming();
                        Machine other = get(prepared);
                        if (messages > 1) {
                            wire.toOutgoing();
                        }
                        other.close();
                    }
                    wire.cutOutgoing();
                    assertThatThrownBy(() -> get(report))
                            .isInstanceOf(VmmException.class)
                            .hasMessageMatching(".*(closed|EPIPE).*");
                    takeOver.close();
                }
                assertThat(machine.state()).isEqualTo(RunState.RUNNING);
                Guest.awaitCount(machine);
            }
            // And it can still be handed over.
            try (Machine other = cross(machine)) {
                Guest.awaitCount(other);
            }
        }
    }

    @Test
    void rubbishIsRefusedOnBothSides() throws Exception {
        try (Machine machine = Guest.named("count.bin", dir).machine();
                Arena arena = Arena.ofConfined()) {
            machine.resume();
            for (String text :
                    new String[] {"x", "HOVR", "HOVR\1\0\7\0\0\0\0\0\0\0\0\0", "HOVR\2\0\2\0\0\0\0\0\0\0\0\0"}) {
                MemorySegment rubbish =
                        arena.allocateFrom(ValueLayout.JAVA_BYTE, text.getBytes(StandardCharsets.ISO_8859_1));
                UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
                try (HandOverConnection peer = new HandOverConnection(pair[0], "the peer");
                        UnixSocket hostile = pair[1]) {
                    hostile.trySend(rubbish, List.of());
                    assertThatThrownBy(() -> new HandOver(machine, peer).run(null))
                            .isInstanceOf(VmmException.class)
                            .hasMessageContaining("is refused");
                }
                UnixSocket[] second = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
                try (TakeOver takeOver = new TakeOver(new HandOverConnection(second[0], "the peer"));
                        UnixSocket hostile = second[1]) {
                    hostile.trySend(rubbish, List.of());
                    assertThatThrownBy(takeOver::prepare)
                            .isInstanceOf(VmmException.class)
                            .hasMessageContaining("is refused");
                }
            }
            assertThat(machine.state()).isEqualTo(RunState.RUNNING);
            Guest.awaitCount(machine);
        }
    }

    @Test
    void privateRamStaysWithItsVmm() {
        try (Machine machine =
                Guest.named("count.bin", dir).ram("16M", "backend=anonymous").machine()) {
            machine.resume();
            assertThatThrownBy(() -> machine.handOver(dir.resolve("nobody").toString(), null))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("private");
            assertThat(machine.state()).isEqualTo(RunState.RUNNING);
        }
    }

    @Test
    @SuppressWarnings("try") // the outgoing machine is closed before the other
    void aStateOfBeforeIsOfThePastAfterwards() throws Exception {
        Path ram = Files.createTempFile(Path.of("/dev/shm"), "holdover-test", ".ram");
        Path state = dir.resolve("state");
        try (Machine machine =
                Guest.named("count.bin", dir).ram("16M", "mem-path=" + ram).machine()) {
            machine.resume();
            Guest.awaitCount(machine);
            machine.save(state.toString(), SaveOptions.IN_PLACE);
            try (Machine other = cross(machine)) {
                assertThat(other.state()).isNotEqualTo(RunState.RUNNING);
                other.resume();
                Guest.awaitCount(other);
            }
            machine.close();
            try (Incoming incoming = new Incoming(state.toString(), false);
                    FdSets none = new FdSets()) {
                assertThatThrownBy(() -> Machine.restore(incoming.config(), none, incoming))
                        .isInstanceOf(RestoreRefused.class)
                        .hasMessageContaining("moved on");
            }
        } finally {
            Files.deleteIfExists(ram);
        }
    }

    @Test
    @SuppressWarnings("try") // the outgoing machine is closed before the other
    void aSocketsClientGoesAlong() throws Exception {
        Path path = dir.resolve("serial");
        try (Machine machine =
                        Guest.named("count.bin", dir).serial("unix:" + path).machine();
                UnixSocket client = UnixSocket.connect(UnixSocket.Kind.STREAM, path.toString())) {
            machine.resume();
            awaitBytes(client);
            try (Machine other = cross(machine)) {
                machine.close();
                assertThat(path).exists();
                for (int i = 0; i < 3; i++) {
                    awaitBytes(client);
                }
                assertThat(other.state()).isEqualTo(RunState.RUNNING);
            }
            assertThat(path).doesNotExist();
        }
    }

    @Test
    void aConsoleThatWasNotTakenIsLeftAlone() throws Exception {
        Path path = dir.resolve("serial");
        try (Wire wire = new Wire();
                Machine machine =
                        Guest.named("count.bin", dir).serial("unix:" + path).machine();
                UnixSocket client = UnixSocket.connect(UnixSocket.Kind.STREAM, path.toString())) {
            machine.resume();
            awaitBytes(client);
            Future<HandOverReport> report = handOver(machine, wire);
            TakeOver takeOver = new TakeOver(wire.incoming);
            try (Machine other = prepare(wire, takeOver)) {
                assertThatThrownBy(() -> get(report)).hasMessageContaining("silent");
                wire.toIncoming(); // State
                assertThatThrownBy(takeOver::run).hasMessageContaining("has kept the guest");
                assertThat(other.state()).isEqualTo(RunState.PRELAUNCH);
            }
            takeOver.close();
            assertThat(path).exists();
            for (int i = 0; i < 3; i++) {
                awaitBytes(client);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"true", "false"})
    void aClientThatComesBetweenIsServedByWhoHasTheGuest(boolean crosses) throws Exception {
        Path path = dir.resolve("serial");
        try (Wire wire = new Wire();
                Machine machine =
                        Guest.named("count.bin", dir).serial("unix:" + path).machine()) {
            machine.resume();
            Future<HandOverReport> report = handOver(machine, wire);
            TakeOver takeOver = new TakeOver(wire.incoming);
            Future<Machine> prepared = start(takeOver::prepare);
            wire.toIncoming(); // Offer
            try (Machine other = get(prepared);
                    UnixSocket client = UnixSocket.connect(UnixSocket.Kind.STREAM, path.toString())) {
                wire.toOutgoing(); // Accept
                if (crosses) {
                    wire.toIncoming(); // State
                    takeOver.run();
                    wire.toOutgoing(); // Running
                    get(report);
                    assertThat(other.state()).isEqualTo(RunState.RUNNING);
                } else {
                    assertThatThrownBy(() -> get(report)).hasMessageContaining("silent");
                }
                awaitBytes(client);
            }
            takeOver.close();
        }
    }

    @Test
    void aMachineThatWasPreparedInVainIsTakenApart() throws Exception {
        Footprint before = null;
        try (Machine machine = Guest.named("count.bin", dir).machine()) {
            machine.resume();
            for (int i = 0; i < 6; i++) {
                if (i == 1) {
                    before = Footprint.now();
                }
                try (Wire wire = new Wire()) {
                    Future<HandOverReport> report = handOver(machine, wire);
                    TakeOver takeOver = new TakeOver(wire.incoming);
                    Future<Machine> prepared = start(takeOver::prepare);
                    wire.toIncoming(); // Offer
                    wire.cutIncoming();
                    assertThatThrownBy(() -> get(prepared)).isInstanceOf(VmmException.class);
                    wire.cutOutgoing();
                    assertThatThrownBy(() -> get(report)).isInstanceOf(VmmException.class);
                    takeOver.close();
                }
            }
            assertThat(Footprint.now().descriptors()).isEqualTo(before.descriptors());
            Guest.awaitCount(machine);
        }
    }

    private static void awaitBytes(UnixSocket client) throws IOException {
        try (Arena arena = Arena.ofConfined();
                Epoll epoll = new Epoll()) {
            epoll.add(client.fd(), Epoll.EPOLLIN, 0);
            assertThat(epoll.await(Patience.host().millis(20_000)))
                    .as("output in time")
                    .isPositive();
            assertThat(client.receive(arena.allocate(100_000)).bytes()).isPositive();
        }
    }

    @Test
    void nothingIsLeftBehind() throws Exception {
        for (int i = 0; i < 3; i++) {
            Rehearsal.handOver(Rehearsal.Side.OUTGOING);
        }
        Footprint before = Footprint.now();
        for (int i = 0; i < 30; i++) {
            Rehearsal.handOver(Rehearsal.Side.INCOMING);
        }
        Footprint after = Footprint.now();
        assertThat(after.descriptors()).as("descriptors").isEqualTo(before.descriptors());
        assertThat(after.mappings()).as("mappings").isLessThan(before.mappings() + 40);
    }
}
