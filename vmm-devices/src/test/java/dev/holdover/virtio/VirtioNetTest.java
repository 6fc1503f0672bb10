package dev.holdover.virtio;

import static dev.holdover.virtio.DriverQueue.Buffer.in;
import static dev.holdover.virtio.DriverQueue.Buffer.out;
import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Errno;
import dev.holdover.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The device on a message socket that stands for the tap: frames of the same form. */
class VirtioNetTest {
    private static final int RX = 0;
    private static final int TX = 1;
    private static final long MRG_RXBUF = 1 << 15;
    private static final int HEADER = 12;

    private final TestRam ram = new TestRam();
    private final List<Throwable> failures = new ArrayList<>();
    private final MemorySegment message = Arena.ofAuto().allocate(70_000);
    private UnixSocket host;
    private VirtioNet device;
    private TestDriver driver;
    private DriverQueue rx;
    private DriverQueue tx;

    @BeforeEach
    void connect() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
        host = pair[0];
        host.fd().setNonBlocking(true);
        device = new VirtioNet(new Tap(pair[1].fd(), "test"), new MacAddress(0x020304050607L), failures::add);
        driver = new TestDriver(ram, device);
    }

    @AfterEach
    void close() {
        driver.close();
        host.close();
        ram.assertGuardsUntouched();
        ram.close();
        assertThat(failures).isEmpty();
    }

    private void start(long features, int size) {
        driver.begin(features);
        rx = driver.queue(RX, size);
        tx = driver.queue(TX, size);
        driver.ready();
    }

    private static byte[] frame(int length) {
        byte[] bytes = new byte[length];
        new Random(length).nextBytes(bytes);
        bytes[10] = 0; // num_buffers, which the device sets
        bytes[11] = 0;
        return bytes;
    }

    private void hostSends(byte[] frame) {
        MemorySegment.copy(frame, 0, message, ValueLayout.JAVA_BYTE, 0, frame.length);
        assertThat(host.trySend(message.asSlice(0, frame.length), List.of())).isEqualTo(frame.length);
    }

    /** The next frame the device has sent, which is there already. */
    private byte[] hostReceives() {
        long n = host.receive(message).bytes();
        assertThat(n).isPositive();
        return message.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE);
    }

    private byte[] join(List<DriverQueue.Used> used, long[] buffers) {
        byte[] all = new byte[0];
        for (DriverQueue.Used u : used) {
            byte[] part = ram.memory.read(buffers[u.head()], (int) u.written());
            int at = all.length;
            all = Arrays.copyOf(all, at + part.length);
            System.arraycopy(part, 0, all, at, part.length);
        }
        return all;
    }

    private long[] giveBuffers(int count, int size) {
        long[] gpas = new long[256];
        for (int i = 0; i < count; i++) {
            long gpa = ram.allocate(size);
            gpas[rx.add(in(gpa, size))] = gpa;
        }
        driver.kick(rx);
        return gpas;
    }

    @Test
    void describesItself() {
        assertThat(driver.get(0x08)).isEqualTo(1);
        // A socket leaves no checksums to the guest: no GUEST_CSUM, GUEST_TSO4, GUEST_TSO6.
        assertThat(driver.offered() & 0xfffffff)
                .isEqualTo(1 | (1 << 5) | (1 << 11) | (1 << 12) | (1 << 15) | (1 << 16));
        assertThat(driver.mmio.read(0x100, 4)).isEqualTo(0x05040302);
        assertThat(driver.mmio.read(0x104, 2)).isEqualTo(0x0706);
        assertThat(driver.mmio.read(0x106, 2)).isEqualTo(1);
    }

    @Test
    void sendsAFrameHoweverItIsCut() {
        start(0, 16);
        byte[] frame = frame(HEADER + 100);
        long gpa = ram.allocate(200);
        ram.memory.write(gpa, frame);
        tx.add(out(gpa, 5), out(gpa + 5, 20), out(gpa + 25, 87));
        driver.kick(tx);
        driver.await(tx, 1);
        assertThat(hostReceives()).isEqualTo(frame);
    }

    @Test
    void waitsWhileTheHostTakesNoFrames() {
        start(0, 256);
        int sent = 0;
        long gpa = ram.allocate(8192);
        ram.memory.write(gpa, frame(8192));
        for (int i = 0; i < 256; i++) {
            tx.add(out(gpa, 8192));
        }
        driver.kick(tx);
        driver.settle();
        while (tx.take() != null) {
            sent++;
        }
        assertThat(sent).isLessThan(256);
        int received = 0;
        while (sent < 256) {
            while (host.receive(message).bytes() > 0) {
                received++;
            }
            sent += driver.await(tx, 1).size();
        }
        driver.settle();
        while (host.receive(message).bytes() > 0) {
            received++;
        }
        assertThat(received).isEqualTo(256);
        assertThat(device.droppedOut()).isZero();
    }

    @Test
    void receivesAFrameIntoOneBuffer() {
        start(0, 16);
        hostSends(frame(60 + HEADER)); // before there is a buffer: it waits
        long[] gpas = giveBuffers(2, 1526);
        List<DriverQueue.Used> used = driver.await(rx, 1);
        assertThat(used).hasSize(1);
        byte[] expected = frame(60 + HEADER);
        expected[10] = 1;
        assertThat(join(used, gpas)).isEqualTo(expected);

        hostSends(frame(1526));
        assertThat(driver.await(rx, 1).get(0).written()).isEqualTo(1526);
        assertThat(device.droppedIn()).isZero();
    }

    @Test
    void dropsAFrameThatIsTooLargeForABufferAndGoesOn() {
        start(0, 16);
        giveBuffers(1, 1526);
        hostSends(frame(1527));
        hostSends(frame(100));
        assertThat(driver.await(rx, 1).get(0).written()).isEqualTo(100);
        assertThat(device.droppedIn()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {HEADER, 13, 499, 500, 501, 1000, 20_000, 60_000})
    void spreadsAFrameOverMergeableBuffers(int length) {
        start(MRG_RXBUF | TestDriver.EVENT_INDEX, 256);
        long[] gpas = giveBuffers(250, 500);
        for (int round = 0; round < 2; round++) {
            hostSends(frame(length));
            int buffers = (length + 499) / 500;
            List<DriverQueue.Used> used = driver.await(rx, buffers);
            assertThat(used).hasSize(buffers);
            byte[] expected = frame(length);
            expected[10] = (byte) buffers;
            assertThat(join(used, gpas)).isEqualTo(expected);
        }
    }

    @Test
    void writesTheBufferCountWhereverTheHeaderIsCut() {
        start(MRG_RXBUF, 16);
        long gpa = ram.allocate(64);
        rx.add(in(gpa, 11), in(gpa + 20, 40));
        driver.kick(rx);
        hostSends(frame(30));
        assertThat(driver.await(rx, 1).get(0).written()).isEqualTo(30);
        assertThat(ram.memory.getByte(gpa + 10)).isEqualTo((byte) 1);
        assertThat(ram.memory.getByte(gpa + 20)).isEqualTo((byte) 0);
        assertThat(ram.memory.read(gpa + 21, 18)).isEqualTo(Arrays.copyOfRange(frame(30), 12, 30));
    }

    @Test
    void receivesMoreFramesThanRingIndices() {
        start(MRG_RXBUF | TestDriver.EVENT_INDEX | TestDriver.INDIRECT, 64);
        long[] gpas = giveBuffers(60, 256);
        Random random = new Random(3);
        int chains = 0;
        int sent = 0;
        while (chains < 70_000) {
            int burst = 1 + random.nextInt(6);
            int expected = 0;
            for (int i = 0; i < burst; i++) {
                int length = HEADER + random.nextInt(2000);
                hostSends(frame(length));
                expected += (length + 255) / 256;
                sent++;
            }
            if (expected > 60) {
                throw new AssertionError("the test sends more than there are buffers");
            }
            List<DriverQueue.Used> used = driver.await(rx, expected);
            assertThat(used).hasSize(expected);
            chains += expected;
            for (DriverQueue.Used u : used) {
                long gpa = gpas[u.head()];
                gpas[rx.add(in(gpa, 256))] = gpa;
            }
            driver.kick(rx);
        }
        assertThat(sent).isPositive();
        assertThat(device.droppedIn()).isZero();
    }

    @Test
    void leavesFramesToTheHostWithoutBuffers() {
        start(MRG_RXBUF, 16);
        driver.settle();
        int sent = 0;
        MemorySegment one = message.asSlice(0, 100);
        while (host.trySend(one, List.of()) == 100) {
            sent++;
        }
        assertThat(Errno.EAGAIN.is(host.trySend(one, List.of()))).isTrue();
        long[] gpas = giveBuffers(16, 100);
        int received = 0;
        while (received < sent) {
            for (DriverQueue.Used u : driver.await(rx, 1)) {
                received++;
                long gpa = gpas[u.head()];
                gpas[rx.add(in(gpa, 100))] = gpa;
            }
            driver.kick(rx);
        }
        assertThat(received).isEqualTo(sent);
        assertThat(device.droppedIn()).isZero();
    }

    @Test
    void givesGatheredBuffersBackWhenPaused() {
        start(MRG_RXBUF, 16);
        long[] gpas = giveBuffers(8, 2000);
        driver.settle();
        device.pause();
        assertThat(driver.mmio.state().queues().get(RX).nextAvailable()).isZero();
        hostSends(frame(3000));
        driver.settle();
        assertThat(rx.usedIndex()).isZero();
        device.resume();
        List<DriverQueue.Used> used = driver.await(rx, 2);
        assertThat(join(used, gpas)).hasSize(3000);
    }

    @Test
    void canBeResetWhileFramesCome() {
        for (int round = 0; round < 200; round++) {
            ram.freeAll();
            start(round % 2 == 0 ? MRG_RXBUF : 0, 16);
            giveBuffers(16, 1526);
            for (int i = 0; i < 5; i++) {
                host.trySend(message.asSlice(0, 1000), List.of());
            }
            driver.set(0x70, 0);
            MemorySegment all = ram.memory.slice(TestRam.BASE, 65536);
            all.fill((byte) 0x33);
            driver.settle();
            assertThat(all.asSlice(1).mismatch(all.asSlice(0, 65535))).isEqualTo(-1);
        }
    }

    @Test
    void tellsTheDriverThatTheLinkIsGone() {
        start(1 << 16, 16);
        giveBuffers(1, 1526);
        host.close();
        assertThat(driver.awaitInterrupt() & 2).isEqualTo(2);
        assertThat(driver.mmio.read(0x106, 2)).isZero();
        tx.add(out(ram.allocate(100), 100));
        driver.kick(tx);
        driver.await(tx, 1);
        assertThat(device.droppedOut()).isEqualTo(1);
    }

    @Test
    void buffersWithoutRoomForAHeaderBreakIt() {
        start(0, 16);
        rx.add(in(ram.allocate(11), 11));
        driver.kick(rx);
        driver.awaitBroken();
        start(0, 16);
        tx.add(out(ram.allocate(11), 11));
        driver.kick(tx);
        driver.awaitBroken();
    }

    @Test
    void dropsFramesNoInterfaceTakes() {
        start(0, 16);
        long gpa = ram.allocate(1 << 20);
        tx.add(out(gpa, 1 << 20));
        driver.kick(tx);
        driver.await(tx, 1);
        assertThat(device.droppedOut()).isEqualTo(1);
    }
}
