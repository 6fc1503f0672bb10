package dev.holdover.platform;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class CmosRtcTest {
    private static final long GIB = 1 << 30;

    private final RecordedLine line = new RecordedLine();
    private long host = Instant.parse("2026-02-28T23:59:58.100Z").toEpochMilli();
    private final CmosRtc rtc = new CmosRtc(6 * GIB, line, () -> host);

    private int get(CmosRtc from, int register) {
        from.write(0, 1, register);
        return (int) from.read(1, 1);
    }

    private int get(int register) {
        return get(rtc, register);
    }

    private void set(int register, int value) {
        rtc.write(0, 1, register | 0x80); // with the NMI masked
        rtc.write(1, 1, value);
    }

    /** Century, year, month, day, weekday, hours, minutes, seconds as the registers have them. */
    private int[] time(CmosRtc from) {
        int[] registers = {0x32, 9, 8, 7, 6, 4, 2, 0};
        int[] values = new int[registers.length];
        for (int i = 0; i < registers.length; i++) {
            values[i] = get(from, registers[i]);
        }
        return values;
    }

    @Test
    void showsTheHostsTimeInTheFormatOfRegisterB() {
        assertThat(time(rtc)).containsExactly(0x20, 0x26, 0x02, 0x28, 7, 0x23, 0x59, 0x58);
        host += 2000;
        assertThat(time(rtc)).as("a new month, a Sunday").containsExactly(0x20, 0x26, 0x03, 0x01, 1, 0, 0, 0);
        set(0x0b, 0x00);
        assertThat(get(4)).as("midnight of 12 hours").isEqualTo(0x12);
        host += 13 * 3_600_000L;
        assertThat(get(4)).as("one in the afternoon").isEqualTo(0x81);
        set(0x0b, 0x06);
        assertThat(time(rtc)).containsExactly(20, 26, 3, 1, 1, 13, 0, 0);
    }

    /** How Linux sets it (drivers/rtc/rtc-mc146818-lib.c): stopped, divider in reset, and both let go in that order. */
    @Test
    void isSetAsLinuxDoesAndRunsOnFromHalfASecond() {
        int control = get(0x0b);
        set(0x0b, control | 0x80);
        int frequency = get(0x0a);
        set(0x0a, frequency | 0x70);
        int[] registers = {9, 8, 7, 4, 2, 0, 0x32};
        int[] values = {0x31, 0x12, 0x31, 0x11, 0x22, 0x33, 0x19};
        for (int i = 0; i < registers.length; i++) {
            set(registers[i], values[i]);
        }
        host += 10_000;
        assertThat(get(0)).as("stands").isEqualTo(0x33);
        set(0x0b, control);
        set(0x0a, frequency);
        host += 499;
        assertThat(get(0)).isEqualTo(0x33);
        host += 1;
        assertThat(time(rtc)).containsExactly(0x19, 0x31, 0x12, 0x31, 5, 0x11, 0x22, 0x34);

        CmosRtc restored = new CmosRtc(GIB, high -> {}, () -> host + 60_000);
        restored.restore(rtc.state());
        assertThat(time(restored))
                .as("a minute of absence later")
                .containsExactly(0x19, 0x31, 0x12, 0x31, 5, 0x11, 0x23, 0x34);
    }

    @Test
    void aRegisterSetWhileRunningMovesTheClockAtOnce() {
        set(4, 0x05);
        assertThat(time(rtc)).containsExactly(0x20, 0x26, 0x02, 0x28, 7, 0x05, 0x59, 0x58);
        host += 1900;
        assertThat(get(0)).as("in the same phase").isEqualTo(0x00);
        set(8, 0xff); // month 165: odd, and no trouble
        assertThat(get(8)).isBetween(0x01, 0x12);
    }

    @Test
    void theUpdateIsInProgressRightBeforeTheSecondAndNotWhenStopped() {
        assertThat(get(0x0a)).isEqualTo(0x26);
        host += 899;
        assertThat(get(0x0a)).isEqualTo(0xa6);
        int second = get(0);
        host += 1;
        assertThat(get(0x0a)).isEqualTo(0x26);
        assertThat(get(0)).isEqualTo(second + 1);
        host += 999;
        set(0x0b, 0x82);
        assertThat(get(0x0a)).isEqualTo(0x26);
        assertThat(get(0x0d)).isEqualTo(0x80);
    }

    @Test
    void registerCTellsWhatHasHappenedAndForgets() {
        get(0x0c);
        assertThat(get(0x0c)).isZero();
        host += 1;
        assertThat(get(0x0c)).as("periodic, 1024 Hz").isEqualTo(0x40);
        set(0x0a, 0x20); // no periodic
        set(1, 0xff); // any second
        set(3, 0x00);
        set(5, 0x00);
        host += 1000;
        assertThat(get(0x0c)).as("23:59:59").isEqualTo(0x10);
        host += 1000;
        assertThat(get(0x0c)).as("00:00:00").isEqualTo(0x30);
        assertThat(get(0x0c)).isZero();
        host += 86_400_000L * 400;
        assertThat(get(0x0c)).isEqualTo(0x30);
        assertThat(line.changes()).isEmpty();
    }

    @Test
    void theAlarmInterruptsAtItsSecondAndReadingCEndsIt() throws InterruptedException {
        Semaphore raised = new Semaphore(0);
        CmosRtc live = new CmosRtc(GIB, high -> {
            if (high) {
                raised.release();
            }
        });
        LocalDateTime soon = LocalDateTime.now(ZoneOffset.UTC).plusSeconds(2);
        int[] registers = {0x0b, 0x01, 0x03, 0x05, 0x0b};
        int[] values = {0x06, soon.getSecond(), soon.getMinute(), soon.getHour(), 0x26}; // binary; alarm on
        for (int i = 0; i < registers.length; i++) {
            live.write(0, 1, registers[i]);
            live.write(1, 1, values[i]);
        }
        assertThat(raised.tryAcquire(Patience.host().seconds(20), TimeUnit.SECONDS))
                .isTrue();
        assertThat(LocalDateTime.now(ZoneOffset.UTC)).isAfterOrEqualTo(soon.withNano(0));
        assertThat(get(live, 0x0c) & 0xb0).isEqualTo(0xb0);
        assertThat(get(live, 0x0c) & 0x80).isZero();
        live.close();
    }

    @Test
    void theUpdateInterruptComesEachSecond() throws InterruptedException {
        Semaphore raised = new Semaphore(0);
        try (CmosRtc live = new CmosRtc(GIB, high -> {
            if (high) {
                raised.release();
            }
        })) {
            live.write(0, 1, 0x0b);
            live.write(1, 1, 0x12);
            for (int i = 0; i < 2; i++) {
                assertThat(raised.tryAcquire(Patience.host().seconds(20), TimeUnit.SECONDS))
                        .isTrue();
                assertThat(get(live, 0x0c) & 0x90).isEqualTo(0x90);
            }
            live.reset();
            assertThat(get(live, 0x0b)).isEqualTo(0x02);
        }
    }

    @Test
    void aPendingInterruptGoesThroughTheRecord() {
        host += 5000;
        set(0x0b, 0x12);
        assertThat(line.high()).isTrue();
        RecordedLine second = new RecordedLine();
        CmosRtc restored = new CmosRtc(GIB, second, () -> host);
        restored.restore(rtc.state());
        assertThat(second.high()).isTrue();
        assertThat(restored.state()).usingRecursiveComparison().isEqualTo(rtc.state());
        assertThat(get(restored, 0x0c) & 0x90).isEqualTo(0x90);
        assertThat(second.high()).isFalse();
        rtc.close();
        restored.close();
    }

    @Test
    void theMemorySaysHowMuchRamThereIs() {
        assertThat(get(0x15) | get(0x16) << 8).isEqualTo(640);
        assertThat(get(0x30) | get(0x31) << 8).isEqualTo(0xffff);
        assertThat(get(0x34) | get(0x35) << 8).as("3 GiB below the hole").isEqualTo((int)
                ((3 * GIB - (16 << 20)) >> 16));
        assertThat(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16)
                .as("3 GiB above")
                .isEqualTo(3 << 14);
        CmosRtc small = new CmosRtc(8 << 20, high -> {}, () -> host);
        assertThat(get(small, 0x17) | get(small, 0x18) << 8).isEqualTo(7 << 10);
        assertThat(get(small, 0x34) | get(small, 0x35) << 8).isZero();
        set(0x40, 0xa5);
        assertThat(get(0x40)).isEqualTo(0xa5);
    }
}
