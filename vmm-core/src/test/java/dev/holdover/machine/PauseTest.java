package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.testing.NeedsKvm;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A paused guest stands still, and goes on where it was. */
@NeedsKvm
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PauseTest {
    private static final int ROUNDS = 200;
    private static final long MOST_NANOS =
            Patience.host().nanos(2_000); // hundreds of times what it takes, for hosts under load

    @TempDir
    Path directory;

    private final Random random = new Random(1);

    private void aWhile() {
        LockSupport.parkNanos(random.nextInt(2_000_000));
    }

    private static void pause(Machine machine) {
        long start = System.nanoTime();
        machine.pause();
        assertThat(System.nanoTime() - start).as("nanoseconds until paused").isLessThan(MOST_NANOS);
    }

    @ParameterizedTest
    @CsvSource({"count.bin,1", "count.bin,2", "idle.elf,1", "regs.elf,1"})
    void standsStillAndGoesOn(String file, int cpus) throws Exception {
        Guest guest = Guest.named(file, directory).cpus(cpus);
        long nonce;
        try (Machine machine = guest.machine()) {
            machine.resume();
            Guest.awaitCount(machine);
            nonce = machine.memory().getLong(Guest.NONCE);
            for (int i = 0; i < ROUNDS; i++) {
                aWhile();
                pause(machine);
                int paused = machine.memory().getInt(Guest.COUNT);
                aWhile();
                assertThat(machine.memory().getInt(Guest.COUNT))
                        .as("count when paused, round " + i)
                        .isEqualTo(paused);
                machine.resume();
                Guest.awaitCount(machine);
            }
            pause(machine);
            assertThat(machine.memory().getLong(Guest.NONCE)).as("no new start").isEqualTo(nonce);
        }
        assertThat(guest.output()).doesNotContain("X");
    }

    @Test
    void aGuestThatNeverLeavesIsPaused() throws Exception {
        Guest guest = Guest.named("spin.bin", directory);
        try (Machine machine = guest.machine()) {
            for (int i = 0; i < ROUNDS; i++) {
                machine.resume();
                aWhile();
                pause(machine);
            }
        }
        assertThat(guest.output()).isEqualTo("W");
    }

    /** Its threads may not have come as far as to wait yet. */
    @Test
    void aMachineJustMadeIsStoppedNamedAndEndedAtOnce() throws Exception {
        for (int i = 0; i < ROUNDS / 4; i++) {
            Guest guest = Guest.named("count.bin", directory).cpus(2);
            try (Machine machine = guest.machine()) {
                if (i % 2 == 0) {
                    assertThat(machine.vcpuThreadIds()).as("thread ids").doesNotContain(0);
                }
                machine.resume();
                pause(machine);
                int paused = machine.memory().getInt(Guest.COUNT);
                aWhile();
                assertThat(machine.memory().getInt(Guest.COUNT)).isEqualTo(paused);
                if (i % 4 < 2) {
                    machine.resume();
                    Guest.awaitCount(machine);
                }
            }
        }
    }

    @Test
    void pausingTwiceAndResumingTwiceIsOnce() throws Exception {
        try (Machine machine = Guest.named("count.bin", directory).machine()) {
            machine.pause();
            machine.resume();
            machine.resume();
            Guest.awaitCount(machine);
            machine.pause();
            machine.pause();
            machine.resume();
            Guest.awaitCount(machine);
        }
    }
}
