package dev.holdover.vmstate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.vmstate.TimelineRow.Clock;
import java.util.List;
import org.junit.jupiter.api.Test;

class TimelineRowTest {
    private static final int KHZ = 2_000_000;
    private static final long MS = 1_000_000;
    private static final long BEFORE = 1_700_000_000_000L * MS;
    /** Half a second of it is the RTC's grain: 3 s went by. */
    private static final long AFTER = BEFORE + 3_500 * MS;

    private static TimelineEvent event(Phase phase, long monotonic, long realtime, long tsc) {
        return new TimelineEvent(phase.code(), monotonic, realtime, tsc);
    }

    private static List<TimelineEvent> kexec(boolean withTsc) {
        long tsc = withTsc ? 1 : 0;
        return List.of(
                event(Phase.PAUSED, 9_000 * MS, BEFORE, tsc * 1_000_000),
                event(Phase.READY, 9_004 * MS, BEFORE + 4 * MS, tsc * 9_000_000),
                event(Phase.KERNEL_UP, 0, AFTER - 2_000 * MS, 0),
                event(Phase.CLAIMED, 1_990 * MS, AFTER - 10 * MS, 0),
                event(Phase.KVM_BUILT, 2_000 * MS, AFTER, tsc * 6_001_000_000L),
                event(Phase.RUNNING, 2_001 * MS, AFTER + MS, tsc * 6_003_000_000L));
    }

    @Test
    void spansAKexecByTheTscAndPlacesAllOthersBesideIt() {
        assertThat(TimelineRow.of(kexec(true), KHZ))
                .containsExactly(
                        new TimelineRow("guest paused", 0, Clock.TSC, false),
                        new TimelineRow("agent told that all is ready", 4_000, Clock.TSC, false),
                        new TimelineRow("next kernel up", 1_000_000, Clock.REALTIME, false),
                        new TimelineRow("session claimed", 2_990_000, Clock.MONOTONIC, false),
                        new TimelineRow("VM and vCPUs made, state applied", 3_000_000, Clock.TSC, false),
                        new TimelineRow("first KVM_RUN came back", 3_001_000, Clock.TSC, false));
    }

    @Test
    void saysThatRealTimeIsRoughAcrossAKexec() {
        List<TimelineRow> rows = TimelineRow.of(kexec(false), KHZ);
        assertThat(rows).extracting(TimelineRow::rough).containsExactly(false, false, true, true, true, true);
        assertThat(rows)
                .extracting(TimelineRow::afterMicros)
                .containsExactly(0L, 4_000L, 1_500_000L, 3_490_000L, 3_500_000L, 3_501_000L);
        assertThat(rows.get(1).clock()).isEqualTo(Clock.MONOTONIC);
        assertThat(rows.get(5).clock()).isEqualTo(Clock.REALTIME);
    }

    @Test
    void doesWithoutTheTscOfAHostThatDoesNotTellItsRate() {
        assertThat(TimelineRow.of(kexec(true), 0)).isEqualTo(TimelineRow.of(kexec(false), 0));
    }

    @Test
    void trustsNoTscThatWentBack() {
        List<TimelineRow> rows = TimelineRow.of(
                List.of(
                        event(Phase.PAUSED, 9_000 * MS, BEFORE, 7_000_000_000L),
                        event(Phase.KERNEL_UP, 0, AFTER, 0),
                        event(Phase.RUNNING, 5 * MS, AFTER + 5 * MS, 1_000_000)),
                KHZ);
        assertThat(rows.getLast())
                .isEqualTo(new TimelineRow("first KVM_RUN came back", 3_505_000, Clock.REALTIME, true));
    }

    @Test
    void takesNoEventsAndUnknownPhases() {
        assertThat(TimelineRow.of(List.of(), KHZ)).isEmpty();
        assertThat(TimelineRow.of(List.of(new TimelineEvent(99, 1, 1, 1)), KHZ))
                .containsExactly(new TimelineRow("phase 99", 0, Clock.TSC, false));
    }
}
