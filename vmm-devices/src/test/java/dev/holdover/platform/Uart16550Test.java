package dev.holdover.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Patience;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class Uart16550Test {
    private static final int RBR = 0;
    private static final int THR = 0;
    private static final int IER = 1;
    private static final int IIR = 2;
    private static final int FCR = 2;
    private static final int LCR = 3;
    private static final int MCR = 4;
    private static final int LSR = 5;
    private static final int MSR = 6;
    private static final int SCR = 7;

    /** Takes all, and is ready as the test says. */
    private static final class Sink implements SerialOutput {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private volatile boolean ready = true;

        @Override
        public synchronized void write(byte b) {
            bytes.write(b);
        }

        @Override
        public boolean ready() {
            return ready;
        }

        synchronized String text() {
            return bytes.toString(StandardCharsets.ISO_8859_1);
        }
    }

    private final RecordedLine line = new RecordedLine();
    private final Sink sink = new Sink();
    private final Uart16550 uart = new Uart16550(line, sink);

    private int in(int register) {
        return (int) uart.read(register, 1);
    }

    private void out(int register, int value) {
        uart.write(register, 1, value);
    }

    private int receive(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
        return uart.receive(bytes, 0, bytes.length);
    }

    @Test
    void sendsAndTakesAStringOfWritesWhole() {
        for (byte b : "Hello\n".getBytes(StandardCharsets.ISO_8859_1)) {
            out(THR, b);
            assertThat(in(LSR)).isEqualTo(0x60);
        }
        assertThat(sink.text()).isEqualTo("Hello\n");
        assertThat(line.changes()).isEmpty();
    }

    /** The steps by which Linux' 8250 driver (autoconfig) tells which chip it has. */
    @Test
    void linuxFindsA16550A() {
        out(IER, 0);
        assertThat(in(IER) & 0x0f).isZero();
        out(IER, 0x0f);
        assertThat(in(IER)).isEqualTo(0x0f);
        out(IER, 0);

        out(MCR, 0x1a); // loop, OUT2, RTS
        assertThat(in(MSR) & 0xf0).as("DCD and CTS").isEqualTo(0x90);
        out(MCR, 0x08);

        out(LCR, 0xbf);
        out(FCR, 0);
        out(LCR, 0);
        out(FCR, 0x01);
        assertThat(in(IIR) >> 6).as("working FIFOs").isEqualTo(3);

        out(LCR, 0x80);
        assertThat(in(IIR)).as("no enhanced features register").isNotZero();
        out(LCR, 0);
        out(FCR, 0x21);
        assertThat(in(IIR) >> 5).as("no 64-byte FIFO").isEqualTo(6);

        out(IER, 0x40); // as on XScale
        assertThat(in(IER)).isZero();
        out(SCR, 0x5a);
        assertThat(in(SCR)).isEqualTo(0x5a);
    }

    /** What Linux does when the port is opened, to find chips that do not raise the transmit interrupt again. */
    @Test
    void enablingTheTransmitInterruptRaisesItEachTime() {
        for (int i = 0; i < 3; i++) {
            out(IER, 0x02);
            assertThat(line.high()).isTrue();
            assertThat(in(IIR)).isEqualTo(0x02);
            assertThat(line.high()).isFalse();
            assertThat(in(IIR)).isEqualTo(0x01);
            out(IER, 0);
        }
        out(IER, 0x02);
        in(IIR);
        out(IER, 0x02); // was enabled already: nothing new
        assertThat(in(IIR)).isEqualTo(0x01);
        assertThat(line.high()).isFalse();
    }

    @Test
    void theTransmitInterruptComesAfterEachByteUntilIirTellsIt() {
        out(IER, 0x02);
        in(IIR);
        out(THR, 'a');
        out(THR, 'b');
        out(THR, 'c');
        assertThat(in(LSR)).isEqualTo(0x60); // does not clear it
        assertThat(line.high()).isTrue();
        assertThat(in(IIR)).isEqualTo(0x02);
        assertThat(in(IIR)).isEqualTo(0x01);
        assertThat(line.changes()).as("level set only when it changes").containsExactly(true, false, true, false);
    }

    @Test
    void aMoreUrgentCauseDoesNotClearTheTransmitInterrupt() {
        out(IER, 0x03);
        receive("x");
        assertThat(in(IIR)).isEqualTo(0x04);
        assertThat(in(RBR)).isEqualTo('x');
        assertThat(in(IIR)).isEqualTo(0x02);
        assertThat(in(IIR)).isEqualTo(0x01);
    }

    @Test
    void receivesOneByteWithoutFifo() {
        out(IER, 0x01);
        assertThat(uart.receiveRoom()).isEqualTo(1);
        assertThat(receive("ab")).isEqualTo(1);
        assertThat(line.high()).isTrue();
        assertThat(in(IIR)).isEqualTo(0x04);
        assertThat(in(LSR)).isEqualTo(0x61);
        assertThat(uart.receiveRoom()).isZero();
        assertThat(in(RBR)).isEqualTo('a');
        assertThat(in(LSR)).isEqualTo(0x60);
        assertThat(line.high()).isFalse();
        assertThat(in(RBR)).as("again, as there is nothing new").isEqualTo('a');
    }

    @Test
    void theFifoTellsTriggerLevelAndTimeOut() {
        int[] triggers = {1, 4, 8, 14};
        for (int i = 0; i < 4; i++) {
            out(FCR, 0);
            out(FCR, i << 6 | 0x01);
            out(IER, 0x01);
            for (int n = 1; n <= 16; n++) {
                assertThat(receive("x")).isEqualTo(1);
                assertThat(line.high()).isTrue();
                assertThat(in(IIR)).as("%d bytes, trigger %d", n, triggers[i]).isEqualTo(n < triggers[i] ? 0xcc : 0xc4);
            }
            assertThat(receive("y")).as("no overrun from outside").isZero();
            for (int n = 16; n > 0; n--) {
                assertThat(in(LSR)).isEqualTo(0x61);
                assertThat(in(RBR)).isEqualTo('x');
            }
            assertThat(in(IIR)).isEqualTo(0xc1);
            assertThat(line.high()).isFalse();
        }
    }

    @Test
    void clearingTheFifoDropsWhatCameAndLowersTheInterrupt() {
        out(FCR, 0x01);
        out(IER, 0x01);
        receive("abc");
        out(FCR, 0x03);
        assertThat(in(LSR)).isEqualTo(0x60);
        assertThat(line.high()).isFalse();
        receive("abc");
        out(FCR, 0x00); // off
        assertThat(in(LSR)).isEqualTo(0x60);
    }

    @Test
    void loopbackReturnsBytesAndOverruns() {
        out(MCR, 0x18);
        out(IER, 0x04);
        out(THR, 'a');
        assertThat(in(LSR)).isEqualTo(0x61);
        out(THR, 'b');
        assertThat(in(IIR)).isEqualTo(0x06);
        assertThat(line.high()).as("cut in loopback").isFalse();
        assertThat(in(LSR)).as("overrun, told once").isEqualTo(0x63);
        assertThat(in(LSR)).isEqualTo(0x61);
        assertThat(in(RBR)).as("overwritten").isEqualTo('b');

        out(FCR, 0x01);
        for (int i = 0; i < 17; i++) {
            out(THR, 'a' + i);
        }
        assertThat(in(LSR)).isEqualTo(0x63);
        for (int i = 0; i < 16; i++) {
            assertThat(in(RBR)).isEqualTo('a' + i);
        }
        assertThat(in(LSR)).isEqualTo(0x60);
        assertThat(sink.text()).isEmpty();
        assertThat(uart.receiveRoom()).as("the line is cut").isZero();
    }

    @Test
    void modemLinesMirrorInLoopbackWithDeltas() {
        assertThat(in(MSR)).isEqualTo(0xb0);
        out(IER, 0x08);
        out(MCR, 0x1f);
        assertThat(in(MSR)).as("all up; ring began, which is no delta").isEqualTo(0xf0);
        out(MCR, 0x10);
        assertThat(in(MSR)).as("all down, all deltas").isEqualTo(0x0f);
        assertThat(in(MSR)).isZero();
        out(MCR, 0x08);
        assertThat(line.high()).isTrue();
        assertThat(in(IIR)).isZero();
        assertThat(in(MSR)).isEqualTo(0xbb);
        assertThat(line.high()).isFalse();
    }

    @Test
    void out2ConnectsTheInterrupt() {
        out(MCR, 0);
        out(IER, 0x02);
        assertThat(line.changes()).isEmpty();
        out(MCR, 0x08);
        assertThat(line.changes()).containsExactly(true);
        out(MCR, 0x03);
        assertThat(line.changes()).containsExactly(true, false);
    }

    @Test
    void theDivisorLiesBehindTheFirstTwoRegisters() {
        out(LCR, 0x83);
        assertThat(in(0)).isEqualTo(12);
        out(0, 0x34);
        out(1, 0x12);
        assertThat(uart.read(0, 2)).isEqualTo(0x1234);
        out(LCR, 0x03);
        assertThat(in(IER)).isZero();
        assertThat(sink.text()).isEmpty();
        assertThat(in(LCR)).isEqualTo(0x03);
    }

    @Test
    void aSlowOutputHoldsTheTransmitterBusy() {
        out(IER, 0x02);
        in(IIR);
        sink.ready = false;
        out(THR, 'a');
        assertThat(in(LSR)).isZero();
        assertThat(in(IIR)).isEqualTo(0x01);
        out(IER, 0);
        out(IER, 0x02);
        assertThat(in(IIR)).as("not empty, so nothing to tell").isEqualTo(0x01);
        assertThat(uart.state().transmitPending())
                .as("restored beside an output with room")
                .isTrue();
        sink.ready = true;
        uart.transmitReady();
        assertThat(line.high()).isTrue();
        assertThat(in(LSR)).isEqualTo(0x60);
        assertThat(in(IIR)).isEqualTo(0x02);
        uart.transmitReady();
        assertThat(line.high()).isFalse();
    }

    @Test
    void tellsTheSenderWhenThereIsRoomAgain() {
        int[] calls = new int[1];
        uart.onReceiveRoom(() -> calls[0]++);
        out(FCR, 0x01);
        assertThat(receive("0123456789abcdefgh")).isEqualTo(16);
        for (int i = 0; i < 16; i++) {
            assertThat(calls[0]).isZero();
            in(RBR);
        }
        assertThat(calls[0]).isEqualTo(1);
        receive("x");
        in(RBR);
        assertThat(calls[0]).as("nobody waits").isEqualTo(1);

        out(MCR, 0x18);
        assertThat(uart.receiveRoom()).isZero();
        out(MCR, 0x08);
        assertThat(calls[0]).as("loopback ended").isEqualTo(2);

        receive("0123456789abcdefgh");
        uart.restore(new Uart16550(line, sink).state());
        assertThat(calls[0]).as("reset").isEqualTo(3);
    }

    @Test
    void keepsItsStateThroughARecord() {
        Random random = new Random(3);
        for (int round = 0; round < 300; round++) {
            RecordedLine firstLine = new RecordedLine();
            Uart16550 first = new Uart16550(firstLine, sink);
            for (int i = 0; i < 60; i++) {
                first.write(random.nextInt(8), 1, random.nextInt(256));
                byte[] input = {(byte) i, (byte) (i + 1)};
                first.receive(input, 0, random.nextInt(3));
            }
            RecordedLine secondLine = new RecordedLine();
            Uart16550 second = new Uart16550(secondLine, sink);
            second.restore(first.state());
            assertThat(second.state()).usingRecursiveComparison().isEqualTo(first.state());
            assertThat(secondLine.high()).isEqualTo(firstLine.high());
            for (int i = 0; i < 200; i++) {
                int register = random.nextInt(8);
                int value = random.nextInt(256);
                if (random.nextBoolean()) {
                    first.write(register, 1, value);
                    second.write(register, 1, value);
                } else if (first.state().received().length > 0 || register != RBR) {
                    assertThat(second.read(register, 1)).isEqualTo(first.read(register, 1));
                }
                assertThat(secondLine.high()).isEqualTo(firstLine.high());
            }
        }
    }

    @Test
    void refusesAStateThatNoFifoHolds() {
        assertThatThrownBy(() -> new Uart16550State(0, 0, 0, 0, 0, 0, 0, 0, false, new byte[17]))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void standsAnyAccess() {
        Random random = new Random(4);
        int[] widths = {1, 2, 4, 8};
        for (int i = 0; i < 200_000; i++) {
            long offset = random.nextInt(100) == 0 ? random.nextLong() : random.nextInt(8);
            int width = widths[random.nextInt(4)];
            if (random.nextBoolean()) {
                uart.write(offset, width, random.nextLong());
            } else {
                uart.read(offset, width);
            }
            uart.receive(new byte[20], 0, random.nextInt(21));
        }
    }

    /** 100,000 bytes from one thread, read by another as an interrupt handler reads: each arrives, once, in order. */
    @Test
    void losesNoInputBetweenThreads() throws InterruptedException {
        int total = 100_000;
        Semaphore interrupts = new Semaphore(0);
        Semaphore room = new Semaphore(0);
        Uart16550 shared = new Uart16550(
                high -> {
                    if (high) {
                        interrupts.release();
                    }
                },
                sink);
        shared.onReceiveRoom(room::release);
        shared.write(FCR, 1, 0x81);
        shared.write(IER, 1, 0x03);
        Thread sender = new Thread(() -> {
            byte[] chunk = new byte[37];
            int sent = 0;
            while (sent < total) {
                int length = Math.min(chunk.length, total - sent);
                for (int i = 0; i < length; i++) {
                    chunk[i] = (byte) (sent + i);
                }
                int taken = shared.receive(chunk, 0, length);
                sent += taken;
                if (taken < length) {
                    room.acquireUninterruptibly();
                }
            }
        });
        sender.setDaemon(true);
        sender.start();
        int got = 0;
        while (got < total) {
            assertThat(interrupts.tryAcquire(Patience.host().seconds(20), TimeUnit.SECONDS))
                    .as("interrupt after byte %d", got)
                    .isTrue();
            while ((shared.read(IIR, 1) & 0x01) == 0) {
                while ((shared.read(LSR, 1) & 0x01) != 0) {
                    assertThat((byte) shared.read(RBR, 1)).isEqualTo((byte) got);
                    got++;
                    if (got % 3 == 0) {
                        shared.write(THR, 1, got);
                    }
                }
            }
        }
        sender.join();
        assertThat(shared.read(LSR, 1)).isEqualTo(0x60);
    }
}
