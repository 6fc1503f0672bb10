package dev.holdover.platform;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The small devices of a PC: keyboard controller, power management, debug-exit. */
class PlatformDevicesTest {
    private final List<GuestRequest> requests = new ArrayList<>();
    private final RecordedLine sci = new RecordedLine();
    private long nanos = 5_000_000_000L;
    private final AcpiPm pm = new AcpiPm(sci, requests::add, () -> nanos);
    private final I8042 keyboard = new I8042(requests::add);

    // keyboard controller

    private int status() {
        return (int) keyboard.command().read(0, 1);
    }

    private void command(int value) {
        keyboard.command().write(0, 1, value);
    }

    private int data() {
        return (int) keyboard.data().read(0, 1);
    }

    private void data(int value) {
        keyboard.data().write(0, 1, value);
    }

    @Test
    void thePulseOnTheResetLineResets() {
        assertThat(status() & 0x02)
                .as("ready for a command, as Linux waits for")
                .isZero();
        command(0xfe);
        assertThat(requests).containsExactly(new GuestRequest.Reset());
        command(0xff); // pulses nothing
        command(0xd1);
        data(0x03);
        assertThat(requests).hasSize(1);
        command(0xd1);
        data(0x02); // reset bit low
        assertThat(requests).hasSize(2);
    }

    /** What Linux' i8042 driver asks when it looks for the controller and an auxiliary port. */
    @Test
    void answersAGuestThatLooksForKeyboardAndMouse() {
        assertThat(status() & 0x01).as("nothing to flush").isZero();
        command(0xaa);
        assertThat(status() & 0x05).isEqualTo(0x05);
        assertThat(data()).isEqualTo(0x55);
        assertThat(status() & 0x01).isZero();

        command(0x20);
        int config = data();
        command(0x60);
        data(config | 0x40);
        command(0x20);
        assertThat(data()).isEqualTo(config | 0x40);

        command(0xd3);
        data(0x5a);
        assertThat(status() & 0x21).as("comes back as the mouse's").isEqualTo(0x21);
        assertThat(data()).isEqualTo(0x5a);
        command(0xa9);
        assertThat(data()).as("but the port itself is not well").isEqualTo(0x01);
        command(0xab);
        assertThat(data()).isZero();

        data(0xff); // keyboard reset: no keyboard, no answer
        assertThat(status() & 0x01).isZero();
        assertThat(requests).isEmpty();
    }

    @Test
    void theA20GateReadsBackAsWritten() {
        command(0xdd);
        command(0xd0);
        assertThat(data() & 0x03).isEqualTo(0x01);
        command(0xd1);
        data(0xcf);
        command(0xd0);
        assertThat(data() & 0x03).isEqualTo(0x03);
        assertThat(requests).isEmpty();
    }

    @Test
    void theKeyboardControllersStateGoesThroughARecord() {
        command(0xd3);
        data(0x77);
        command(0x60); // its data byte is still to come
        I8042 second = new I8042(requests::add);
        second.restore(keyboard.state());
        assertThat(second.state()).isEqualTo(keyboard.state());
        assertThat(second.command().read(0, 1)).isEqualTo(status());
        assertThat(second.data().read(0, 1)).isEqualTo(0x77);
        second.data().write(0, 1, 0x12);
        second.command().write(0, 1, 0x20);
        assertThat(second.data().read(0, 1)).isEqualTo(0x12);
        second.reset();
        assertThat(second.state()).isEqualTo(new I8042(requests::add).state());
    }

    // power management

    private static final int S5 = AcpiPm.S5_SLEEP_TYPE << 10 | 0x2000;

    @Test
    void softOffByWordOrByByteTurnsOff() {
        assertThat(pm.read(4, 2)).as("SCI_EN").isEqualTo(0x0001);
        pm.write(4, 2, AcpiPm.S5_SLEEP_TYPE << 10); // not yet enabled
        pm.write(4, 2, 0x2000 | 3 << 10); // another sleep
        assertThat(requests).isEmpty();
        pm.write(4, 2, S5);
        assertThat(requests).containsExactly(new GuestRequest.PowerOff());
        pm.write(5, 1, S5 >> 8);
        pm.write(4, 4, S5);
        assertThat(requests).hasSize(3);
        assertThat(pm.read(4, 2)).as("SLP_EN reads as 0").isEqualTo(AcpiPm.S5_SLEEP_TYPE << 10 | 1);
    }

    @Test
    void thePowerButtonRaisesTheSciUntilItsStatusIsCleared() {
        pm.press();
        assertThat(sci.changes()).as("not enabled").isEmpty();
        pm.write(2, 2, 0x0100);
        assertThat(sci.changes()).containsExactly(true);
        assertThat(pm.read(0, 4)).isEqualTo(0x01000100L);
        pm.write(0, 2, 0x0001); // another bit
        assertThat(sci.high()).isTrue();
        pm.write(1, 1, 0x01);
        assertThat(sci.changes()).containsExactly(true, false);
        assertThat(pm.read(0, 2)).isZero();
        pm.press();
        assertThat(sci.high()).isTrue();
        pm.reset();
        assertThat(sci.high()).isFalse();
        assertThat(pm.read(0, 8)).isEqualTo(0x0000_0001_0000_0000L);
    }

    @Test
    void theTimerCounts3579545TimesASecondAndWrapsAt24Bits() {
        assertThat(pm.read(8, 4)).isZero();
        nanos += 1_000_000_000L;
        assertThat(pm.read(8, 4)).isEqualTo(3_579_545);
        assertThat(pm.read(9, 2)).isEqualTo(3_579_545 >> 8);
        nanos += 1_000_000L * 3600 * 24 * 365 * 1000; // a year on
        assertThat(pm.read(8, 4)).isEqualTo((31_536_001L * 3_579_545) & 0xffffff);
        pm.write(8, 4, 0);
        assertThat(pm.read(8, 4)).as("read-only").isNotZero();
    }

    @Test
    void thePowerManagementStateGoesThroughARecord() {
        pm.write(2, 2, 0x0100);
        pm.press();
        pm.write(4, 2, 3 << 10);
        nanos += 123_456_789;
        RecordedLine line = new RecordedLine();
        long[] later = {77};
        AcpiPm second = new AcpiPm(line, requests::add, () -> later[0]);
        second.restore(pm.state());
        assertThat(line.high()).isTrue();
        assertThat(second.read(0, 8)).isEqualTo(pm.read(0, 8));
        assertThat(second.read(8, 4)).isEqualTo(pm.read(8, 4));
        nanos += 1_000_000_000;
        later[0] += 1_000_000_000;
        assertThat(second.read(8, 4)).isEqualTo(pm.read(8, 4));
    }

    // debug-exit

    @Test
    void debugExitTellsTheValue() {
        DebugExit exit = new DebugExit(requests::add);
        assertThat(exit.read(0, 1)).isZero();
        exit.write(0, 1, 0x10);
        exit.write(0, 4, 0xffffffffL);
        assertThat(requests).containsExactly(new GuestRequest.DebugExit(0x10), new GuestRequest.DebugExit(-1));
    }

    @Test
    void allStandAnyAccess() {
        CmosRtc rtc = new CmosRtc(1 << 30, high -> {}, new Random(8)::nextInt);
        BusDevice[] devices = {
            pm, keyboard.data(), keyboard.command(), rtc, new DebugExit(requests::add),
        };
        Random random = new Random(9);
        int[] widths = {1, 2, 4, 8};
        for (int i = 0; i < 100_000; i++) {
            BusDevice device = devices[random.nextInt(devices.length)];
            long offset = random.nextInt(50) == 0 ? random.nextLong() : random.nextInt(12);
            int width = widths[random.nextInt(4)];
            if (random.nextBoolean()) {
                device.write(offset, width, random.nextLong());
            } else {
                device.read(offset, width);
            }
        }
        rtc.close();
    }
}
