package dev.holdover.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.machine.Machine;
import dev.holdover.testing.NeedsKvm;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is measured does what it is said to: each contestant's guest runs again, as often as it is restored. */
@NeedsKvm
@Timeout(60)
class SavedGuestTest {
    private static final long RAM = 4 << 20;

    @ParameterizedTest
    @EnumSource(RamKind.class)
    void isRestoredAgainAndAgain(RamKind kind) throws Exception {
        try (SavedGuest guest = new SavedGuest(kind, RAM, false, 2)) {
            for (int i = 0; i < 2; i++) {
                guest.rewind();
                Parts parts = new Parts();
                try (Machine machine = guest.restore(parts)) {
                    assertThat(machine.memory().size()).isEqualTo(RAM);
                }
                assertThat(parts.nanos().keySet())
                        .containsExactly("read", "open", "memslots", "irqchip", "vcpus", "state", "run");
                Parts floor = new Parts();
                guest.restoreFloor(floor).close();
                assertThat(floor.nanos().keySet())
                        .containsExactly("open", "memslots", "irqchip", "vcpus", "state", "run");
            }
        }
    }

    @Test
    void theInterruptGuestAnswersEachInterrupt() {
        InterruptBenchmark benchmark = new InterruptBenchmark();
        benchmark.boot();
        try {
            for (int i = 0; i < 10; i++) {
                benchmark.irqfd();
                benchmark.line();
            }
        } finally {
            benchmark.end();
        }
    }
}
