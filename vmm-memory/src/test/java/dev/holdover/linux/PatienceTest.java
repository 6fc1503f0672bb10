package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.function.LongSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PatienceTest {
    /** A round's nanoseconds: 32 KiB at 10 GB/s and at 0.15 GB/s, as measured on a processor and in QEMU's TCG on it. */
    private static final long USUAL = 2_000;

    private static final long EMULATED = 220_000;

    private static LongSupplier rounds(long... nanos) {
        int[] next = {0};
        return () -> nanos[Math.min(next[0]++, nanos.length - 1)];
    }

    private static double measured(long... nanos) {
        return Patience.of(null, rounds(nanos)).factor();
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "20, 20", "2.5, 2.5", "1000, 1000", "1.000001, 1.000001", "020, 20"})
    void readsTheVariable(String value, double factor) {
        assertThat(Patience.of(value, rounds(EMULATED)).factor()).isEqualTo(factor);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "0",
                "0.5",
                "-1",
                "+2",
                "1001",
                "1000.1",
                "99999",
                "NaN",
                "Infinity",
                "1e2",
                "0x10",
                "2x",
                "2,5",
                ".5",
                "2.",
                "20 ",
                "1f",
                "\u0661"
            })
    void refusesWhatIsNoFactor(String value) {
        assertThatThrownBy(() -> Patience.requireValid(value))
                .isInstanceOf(UsageException.class)
                .hasMessageStartingWith("HOLDOVER_PATIENCE=" + value + ": expected a number from 1 to 1000")
                .hasMessageNotContaining("\n");
    }

    @Test
    void isOneOnAUsualHost() {
        assertThat(measured(USUAL)).isEqualTo(1);
        assertThat(measured(1)).as("never less").isEqualTo(1);
        assertThat(measured(4 * USUAL)).as("a slow processor").isEqualTo(1);
    }

    @Test
    void isTwentyOnAnEmulatedHost() {
        assertThat(measured(EMULATED)).isEqualTo(20);
        assertThat(measured(EMULATED / 2)).as("emulated by a fast processor").isEqualTo(20);
        assertThat(measured(100 * EMULATED)).as("at most").isEqualTo(20);
    }

    @Test
    void growsWithTheSlownessInBetween() {
        assertThat(measured(40_000)).isEqualTo(10, within(0.001));
    }

    @Test
    void aStallOfAUsualHostDoesNotCount() {
        assertThat(measured(10_000_000_000L, 3_000_000, 3_000_000, 3_000_000, USUAL))
                .isEqualTo(1);
    }

    @Test
    void aStallOfAnEmulatedHostDoesNotCount() {
        assertThat(measured(10_000_000_000L, 40_000, 3_000_000)).isEqualTo(10, within(0.001));
    }

    @Test
    void oneUsualRoundSuffices() {
        int[] calls = {0};
        Patience.of(null, () -> {
            calls[0]++;
            return USUAL;
        });
        assertThat(calls[0]).isOne();
    }

    @Test
    void scalesLimits() {
        Patience patience = Patience.of(2.5);
        assertThat(patience.millis(10_000)).isEqualTo(25_000);
        assertThat(patience.nanos(10)).isEqualTo(25_000_000);
        assertThat(patience.seconds(5)).as("rounded up").isEqualTo(13);
        assertThat(Patience.of(1).millis(2000)).isEqualTo(2000);
        assertThat(Patience.of(0.0001).millis(1))
                .as("0 would be no limit at all")
                .isOne();
    }

    @Test
    void theLargestLimitFits() {
        Patience most = Patience.of(1000);
        assertThat(most.millis(300_000)).isEqualTo(300_000_000);
        assertThat(most.nanos(300_000)).isEqualTo(300_000_000_000_000L);
        assertThat(most.millis(Integer.MAX_VALUE)).isEqualTo(Integer.MAX_VALUE);
        assertThat(most.seconds(Integer.MAX_VALUE)).isEqualTo(Integer.MAX_VALUE);
    }

    @ParameterizedTest
    @CsvSource({"200, 200 ms", "999, 999 ms", "1000, 1 s", "2500, 2.5 s", "1999, 2 s", "10000, 10 s", "200000, 200 s"})
    void saysALimit(int millis, String text) {
        assertThat(Patience.text(millis)).isEqualTo(text);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, -1, 1001, Double.NaN, Double.POSITIVE_INFINITY})
    void hasNoOtherFactor(double factor) {
        assertThatThrownBy(() -> Patience.of(factor)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void theHostsIsTheSameAtEachCall() {
        assertThat(Patience.host().factor())
                .isBetween(1.0, 1000.0)
                .isEqualTo(Patience.host().factor());
    }
}
