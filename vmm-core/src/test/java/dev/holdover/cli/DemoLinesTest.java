package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DemoLinesTest {
    private static final int DUE = DemoCommand.MANY - DemoCommand.LINES_BEFORE;

    @Test
    void waitsForTheGuestsFirstLines() {
        assertThat(DemoCommand.hasCounted(0)).as("before it boots").isFalse();
        assertThat(DemoCommand.hasCounted(DemoCommand.MANY)).isFalse();
        assertThat(DemoCommand.hasCounted(DUE + 1)).isFalse();
        assertThat(DemoCommand.hasCounted(DUE)).isTrue();
    }

    @Test
    void aLineThatWasMissedIsNotWaitedForForEver() {
        assertThat(DemoCommand.hasCounted(DUE - 1)).isTrue();
        assertThat(DemoCommand.hasCounted(1)).isTrue();
    }
}
