package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.memory.FdSets;
import dev.holdover.testing.NeedsKvm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Guests saved at random points, taken apart and restored, again and again: their output never breaks. */
@NeedsKvm
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PulseTest {
    private static final int PULSES = 30;
    private static final int MOST_PULSES = 1000;
    private static final int MAX_MICROS = 20_000;

    @TempDir
    Path directory;

    private final FdSets fdsets = new FdSets();
    private Path ram;
    private Path state;

    @BeforeEach
    void makeRam() throws Exception {
        ram = Files.createTempFile(Path.of("/dev/shm"), "holdover-test", ".ram");
        state = directory.resolve("state");
    }

    @AfterEach
    void removeRam() throws Exception {
        fdsets.close();
        Files.deleteIfExists(ram);
    }

    private Machine restore() {
        try (Incoming incoming = new Incoming(state.toString(), false)) {
            return Machine.restore(incoming.config(), fdsets, incoming);
        }
    }

    private boolean isCaught(LivingGuest guest, Machine machine) {
        try (Incoming incoming = new Incoming(state.toString(), false)) {
            return guest.isCaught(incoming, machine.memory());
        }
    }

    @ParameterizedTest
    @EnumSource
    void theOutputIsUnbroken(LivingGuest guest) throws Exception {
        Random random = new Random(guest.name().hashCode());
        Machine machine = guest.guest(directory, ram).machine();
        try {
            machine.resume();
            Guest.awaitCount(machine);
            long nonce = machine.memory().getLong(LivingGuest.NONCE);
            int caught = 0;
            for (int i = 0; i < PULSES || (caught == 0 && i < MOST_PULSES); i++) {
                TimeUnit.MICROSECONDS.sleep(random.nextInt(MAX_MICROS));
                machine.save(state.toString(), SaveOptions.IN_PLACE);
                caught += isCaught(guest, machine) ? 1 : 0;
                int rounds = machine.memory().getInt(LivingGuest.ROUNDS);
                machine.close();
                machine = restore();
                assertThat(machine.memory().getInt(LivingGuest.ROUNDS)).isEqualTo(rounds);
                machine.resume();
                Guest.awaitCount(machine);
                assertThat(machine.memory().getLong(LivingGuest.NONCE)).isEqualTo(nonce);
            }
            assertThat(caught)
                    .as("states in the moment that the guest is there for")
                    .isPositive();
            machine.pause();
            assertThat(machine.memory().getInt(LivingGuest.BROKEN)).isZero();
        } finally {
            machine.close();
        }
        guest.assertUnbroken(directory);
    }

    /** What docs/vmstate.md says of a guest's time: it goes on where it stood. */
    @Test
    void timeStandsStillWhileAGuestIsAway() throws Exception {
        long before;
        try (Machine machine = LivingGuest.TIMERS.guest(directory, ram).machine()) {
            machine.resume();
            Guest.awaitCount(machine);
            machine.save(state.toString(), SaveOptions.IN_PLACE);
            before = machine.memory().getLong(LivingGuest.KVMCLOCK);
            assertThat(before).as("this KVM has a kvmclock").isPositive();
        }
        TimeUnit.SECONDS.sleep(5);
        try (Machine machine = restore()) {
            assertThat(machine.memory().getLong(LivingGuest.KVMCLOCK)).isEqualTo(before);
            machine.resume();
            Guest.await("time goes on", () -> machine.memory().getLong(LivingGuest.KVMCLOCK) != before);
            long after = machine.memory().getLong(LivingGuest.KVMCLOCK);
            assertThat(after - before).as("nanoseconds of guest time").isBetween(1L, 4_000_000_000L);
            Guest.awaitCount(machine);
            machine.pause();
            assertThat(machine.memory().getInt(LivingGuest.BROKEN)).isZero();
        }
        LivingGuest.TIMERS.assertUnbroken(directory);
    }
}
