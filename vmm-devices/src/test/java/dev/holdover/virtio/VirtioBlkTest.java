package dev.holdover.virtio;

import static dev.holdover.virtio.DriverQueue.Buffer.in;
import static dev.holdover.virtio.DriverQueue.Buffer.out;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.vmstate.SectionEntry;
import dev.holdover.vmstate.SectionView;
import dev.holdover.vmstate.StateOutput;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VirtioBlkTest {
    private static final int IN = 0;
    private static final int OUT = 1;
    private static final int FLUSH = 4;
    private static final int GET_ID = 8;
    private static final int DISCARD = 11;
    private static final int WRITE_ZEROES = 13;

    private static final int OK = 0;
    private static final int IOERR = 1;
    private static final int UNSUPP = 2;

    private static final long F_FLUSH = 1 << 9;
    private static final int SECTORS = 2048;

    @TempDir
    Path directory;

    private final TestRam ram = new TestRam();
    private final List<Throwable> failures = new ArrayList<>();
    private final byte[] content = new byte[SECTORS * 512];
    private Path image;
    private TestDriver driver;
    private DriverQueue queue;

    @BeforeEach
    void makeImage() throws IOException {
        image = directory.resolve("disk.img");
        new Random(1).nextBytes(content);
        Files.write(image, content);
    }

    @AfterEach
    void close() {
        if (driver != null) {
            driver.close();
        }
        ram.assertGuardsUntouched();
        ram.close();
        assertThat(failures).isEmpty();
    }

    private void start(boolean readOnly, long features, int queueSize) {
        start(Disk.open(new DiskConfig(image.toString(), readOnly)), features, queueSize);
    }

    private void start(Disk disk, long features, int queueSize) {
        VirtioBlk device = new VirtioBlk(disk, failures::add);
        driver = new TestDriver(ram, device);
        driver.begin(features);
        queue = driver.queue(0, queueSize);
        driver.ready();
    }

    /** A request's header; the status byte behind it says what the device answered. */
    private long header(int type, long sector) {
        long gpa = ram.allocate(17);
        ram.memory.putInt(gpa, type);
        ram.memory.putInt(gpa + 4, 0);
        ram.memory.putLong(gpa + 8, sector);
        ram.memory.putByte(gpa + 16, (byte) 0x55);
        return gpa;
    }

    private int status(long header) {
        return ram.memory.getByte(header + 16);
    }

    private int request(int type, long sector, DriverQueue.Buffer... data) {
        long header = header(type, sector);
        DriverQueue.Buffer[] buffers = new DriverQueue.Buffer[data.length + 2];
        buffers[0] = out(header, 16);
        System.arraycopy(data, 0, buffers, 1, data.length);
        buffers[data.length + 1] = in(header + 16, 1);
        queue.add(buffers);
        driver.kick(queue);
        driver.await(queue, 1);
        return status(header);
    }

    @Test
    void describesItself() {
        start(false, F_FLUSH, 16);
        assertThat(driver.get(0x08)).isEqualTo(2);
        assertThat(driver.offered() & 0xffffff).isEqualTo((1 << 2) | (1 << 6) | (1 << 9));
        assertThat(driver.mmio.read(0x100, 8)).isEqualTo(SECTORS);
        assertThat(driver.mmio.read(0x10c, 4)).isEqualTo(254);
        assertThat(driver.mmio.read(0x114, 4)).isEqualTo(512);
        VirtioBlkState state = ((VirtioBlk) driver.device).state();
        assertThat(state.sectors()).isEqualTo(SECTORS);
        assertThat(state.readOnly()).isFalse();
    }

    @Test
    void readsAndWritesWhereItIsAsked() throws IOException {
        start(false, F_FLUSH, 16);
        long data = ram.allocate(4096);
        assertThat(request(IN, 3, in(data, 1024), in(data + 2048, 512))).isEqualTo(OK);
        assertThat(ram.memory.read(data, 1024)).isEqualTo(Arrays.copyOfRange(content, 3 * 512, 5 * 512));
        assertThat(ram.memory.read(data + 2048, 512)).isEqualTo(Arrays.copyOfRange(content, 5 * 512, 6 * 512));

        byte[] written = new byte[1024];
        new Random(2).nextBytes(written);
        ram.memory.write(data, written);
        assertThat(request(OUT, SECTORS - 2, out(data, 100), out(data + 100, 924)))
                .isEqualTo(OK);
        assertThat(request(FLUSH, 0)).isEqualTo(OK);
        byte[] now = Files.readAllBytes(image);
        assertThat(Arrays.copyOfRange(now, (SECTORS - 2) * 512, SECTORS * 512)).isEqualTo(written);
        assertThat(Arrays.mismatch(now, content)).isGreaterThanOrEqualTo((SECTORS - 2) * 512);
        assertThat(now).hasSize(content.length);
    }

    @Test
    void takesHeaderDataAndStatusHoweverTheyAreCut() {
        start(false, 0, 16);
        long header = header(IN, 1);
        long data = ram.allocate(1024);
        // Header in three pieces; status in one buffer with the data.
        queue.add(out(header, 3), out(header + 3, 6), out(header + 9, 7), in(data, 200), in(data + 200, 313));
        driver.kick(queue);
        assertThat(driver.await(queue, 1).get(0).written()).isEqualTo(513);
        assertThat(ram.memory.getByte(data + 512)).isEqualTo((byte) OK);
        assertThat(ram.memory.read(data, 512)).isEqualTo(Arrays.copyOfRange(content, 512, 1024));
    }

    @Test
    void namesItself() {
        start(true, 0, 16);
        long data = ram.allocate(32);
        ram.memory.slice(data, 32).fill((byte) 7);
        assertThat(request(GET_ID, 0, in(data, 20))).isEqualTo(OK);
        assertThat(ram.memory.read(data, 21))
                .startsWith("disk.img\0\0\0\0".getBytes(StandardCharsets.UTF_8))
                .endsWith(0, 7);
        assertThat(request(GET_ID, 0, in(data, 4))).isEqualTo(OK);
    }

    @Test
    void refusesWhatItDoesNotDo() {
        start(false, 0, 16);
        long data = ram.allocate(512);
        for (int type : new int[] {DISCARD, WRITE_ZEROES, 14, 2, -1}) {
            assertThat(request(type, 0, out(data, 16))).as("type %d", type).isEqualTo(UNSUPP);
        }
    }

    @Test
    void answersIoErrorBeyondTheEndAndForPartsOfSectors() {
        start(false, 0, 16);
        long data = ram.allocate(1024);
        for (long sector : new long[] {SECTORS, SECTORS - 1, -1, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 55}) {
            assertThat(request(IN, sector, in(data, 1024)))
                    .as("sector %d", sector)
                    .isEqualTo(IOERR);
            assertThat(request(OUT, sector, out(data, 1024)))
                    .as("sector %d", sector)
                    .isEqualTo(IOERR);
        }
        assertThat(request(IN, 0, in(data, 511))).isEqualTo(IOERR);
        assertThat(request(OUT, 0, out(data, 513))).isEqualTo(IOERR);
        assertThat(image).hasBinaryContent(content);
    }

    @Test
    void aReadOnlyDiskIsNotWritten() {
        start(true, 1 << 5, 16);
        assertThat(driver.offered() & (1 << 5)).isNotZero();
        long data = ram.allocate(512);
        assertThat(request(OUT, 0, out(data, 512))).isEqualTo(IOERR);
        assertThat(request(IN, 0, in(data, 512))).isEqualTo(OK);
        assertThat(request(FLUSH, 0)).isEqualTo(OK);
        assertThat(image).hasBinaryContent(content);
    }

    @Test
    void aFileCutUnderUsIsTheGuestsIoError() throws IOException {
        start(false, 0, 16);
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(10 * 512 + 100);
        }
        long data = ram.allocate(4096);
        assertThat(request(IN, 8, in(data, 4096))).isEqualTo(IOERR);
        assertThat(request(IN, 2000, in(data, 512))).isEqualTo(IOERR);
        assertThat(request(IN, 8, in(data, 512))).isEqualTo(OK);
    }

    @Test
    void theRestOfALastSectorReadsAsZerosAndCanBeWritten() throws IOException {
        Files.write(image, Arrays.copyOf(content, 512 + 100));
        start(false, 0, 16);
        assertThat(driver.mmio.read(0x100, 8)).isEqualTo(2);
        long data = ram.allocate(1024);
        ram.memory.slice(data, 1024).fill((byte) 7);
        assertThat(request(IN, 0, in(data, 1024))).isEqualTo(OK);
        assertThat(ram.memory.read(data, 1024)).isEqualTo(Arrays.copyOf(Arrays.copyOf(content, 612), 1024));
        assertThat(request(OUT, 1, out(data, 512))).isEqualTo(OK);
        assertThat(image).hasSize(1024);
        assertThat(request(IN, 1, in(data + 512, 512))).isEqualTo(OK);
    }

    @Test
    void interruptsOnceForAllThatWaited() {
        start(false, 0, 64);
        driver.device.pause();
        List<Long> headers = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            long header = header(IN, i);
            headers.add(header);
            queue.add(out(header, 16), in(ram.allocate(512), 512), in(header + 16, 1));
        }
        driver.kick(queue);
        driver.settle();
        assertThat(driver.hasInterrupt()).isFalse();
        driver.device.resume();
        assertThat(driver.await(queue, 20)).hasSize(20);
        driver.settle();
        driver.hasInterrupt();
        // One for the requests, one because it was resumed.
        assertThat(driver.interrupts).isEqualTo(2);
        for (long header : headers) {
            assertThat(status(header)).isEqualTo(OK);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, TestDriver.INDIRECT, TestDriver.EVENT_INDEX, TestDriver.INDIRECT | TestDriver.EVENT_INDEX})
    void goesRoundTheRingsIndices(long features) {
        start(false, features | F_FLUSH, 32);
        Random random = new Random(features);
        int wanted = 70_000;
        int submitted = 0;
        int done = 0;
        int kicks = 0;
        long data = ram.allocate(512);
        long[] headerOf = new long[32];
        long[] headers = new long[32];
        for (int i = 0; i < 32; i++) {
            headers[i] = header(IN, i);
        }
        long free = ram.allocate(0);
        int slot = 0;
        while (done < wanted) {
            int batch = 1 + random.nextInt(10);
            for (int i = 0; i < batch && queue.room() >= 3 && submitted < wanted; i++) {
                long header = headers[slot++ % 32];
                ram.memory.putByte(header + 16, (byte) 0x55);
                DriverQueue.Buffer[] request = {out(header, 16), in(data, 512), in(header + 16, 1)};
                int head = (features & TestDriver.INDIRECT) != 0 ? queue.addIndirect(request) : queue.add(request);
                headerOf[head] = header;
                submitted++;
            }
            if (driver.kick(queue)) {
                kicks++;
            }
            for (DriverQueue.Used used : driver.await(queue, 1)) {
                assertThat(status(headerOf[used.head()])).isEqualTo(OK);
                assertThat(used.written()).isEqualTo(513);
                done++;
            }
            if (ram.allocate(0) > TestRam.END - 65536) {
                ram.freeTo(free);
            }
        }
        assertThat(done).isEqualTo(wanted);
        assertThat(queue.usedIndex()).isEqualTo(wanted & 0xffff);
        assertThat(driver.interrupts).isLessThanOrEqualTo(done);
        assertThat(kicks).isLessThanOrEqualTo(submitted);
    }

    @Test
    void canBeResetWithRequestsUnderWay() {
        start(false, TestDriver.EVENT_INDEX, 256);
        for (int round = 0; round < 300; round++) {
            ram.freeAll();
            driver.begin(TestDriver.EVENT_INDEX);
            queue = driver.queue(0, 256);
            driver.ready();
            long data = ram.allocate(65536);
            for (int i = 0; i < 60; i++) {
                long header = header(IN, i);
                queue.add(out(header, 16), in(data, 65536), in(header + 16, 1));
            }
            driver.kick(queue);
            if (round % 3 == 0) {
                driver.awaitInterrupt();
            }
            driver.set(0x70, 0);
            // From here on the RAM is the driver's again.
            ram.memory.slice(TestRam.BASE, 1 << 20).fill((byte) 0x33);
            assertThat(driver.get(0x70)).isZero();
            driver.settle();
            assertThat(ram.memory
                            .slice(TestRam.BASE, 1 << 20)
                            .asSlice(1)
                            .mismatch(ram.memory.slice(TestRam.BASE, (1 << 20) - 1)))
                    .isEqualTo(-1);
        }
        ram.freeAll();
        driver.begin(0);
        queue = driver.queue(0, 16);
        driver.ready();
        assertThat(request(IN, 0, in(ram.allocate(512), 512))).isEqualTo(OK);
    }

    @Test
    void aRequestWithoutHeaderOrStatusBreaksIt() {
        start(false, 0, 16);
        queue.add(out(header(IN, 0), 15), in(ram.allocate(512), 512));
        driver.kick(queue);
        driver.awaitBroken();
        assertThat(driver.mmio.trouble()).contains("without header or status");

        driver.begin(0);
        queue = driver.queue(0, 16);
        driver.ready();
        queue.add(out(header(FLUSH, 0), 16));
        driver.kick(queue);
        driver.awaitBroken();
    }

    /** A disk whose reads wait until the test lets them go on. */
    private static final class HangingDisk extends Disk {
        private final CountDownLatch reached = new CountDownLatch(1);
        private final CountDownLatch released = new CountDownLatch(1);

        HangingDisk(Path image) throws IOException {
            super(Fd.open(image.toString(), Fd.O_RDWR), "hangs", Files.size(image), false);
        }

        @Override
        long tryRead(MemorySegment iovecs, int count, long at) {
            reached.countDown();
            try {
                assertThat(released.await(Patience.host().seconds(60), TimeUnit.SECONDS))
                        .isTrue();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            return super.tryRead(iovecs, count, at);
        }
    }

    private static long soon() {
        return System.nanoTime() + 50_000_000;
    }

    private static long latest() {
        return System.nanoTime() + Patience.host().nanos(60_000);
    }

    @Test
    void aRequestThatHangsHoldsUpNobodyWhoPauses() throws Exception {
        HangingDisk disk = new HangingDisk(image);
        start(disk, 0, 16);
        long data = ram.allocate(1024);
        long first = header(IN, 0);
        long second = header(IN, 1);
        queue.add(out(first, 16), in(data, 512), in(first + 16, 1));
        queue.add(out(second, 16), in(data + 512, 512), in(second + 16, 1));
        driver.kick(queue);
        disk.reached.await();

        EventLoop.AwaitedTask pause = driver.device.beginPause();
        assertThat(pause.awaitUntil(soon())).isFalse();
        // Given up, and tried once more.
        driver.device.resume();
        EventLoop.AwaitedTask again = driver.device.beginPause();
        assertThat(again.awaitUntil(soon())).isFalse();
        EventLoop.AwaitedTask sync = ((VirtioBlk) driver.device).beginSync();
        assertThat(sync.awaitUntil(soon())).isFalse();
        assertThat(status(first)).isEqualTo(0x55);

        disk.released.countDown();
        assertThat(again.awaitUntil(latest())).isTrue();
        assertThat(pause.awaitUntil(latest())).isTrue();
        assertThat(sync.awaitUntil(latest())).isTrue();
        driver.settle();
        assertThat(status(first)).isEqualTo(OK);
        assertThat(status(second))
                .as("of the request behind, which is not begun while paused")
                .isIn(OK, 0x55);
        driver.device.resume();
        driver.await(queue, 2);
        assertThat(status(second)).isEqualTo(OK);
        assertThat(ram.memory.read(data, 1024)).isEqualTo(Arrays.copyOf(content, 1024));
    }

    private VirtioBlkState saved() {
        start(false, 0, 16);
        VirtioBlk device = (VirtioBlk) driver.device;
        assertThat(device.state().identity()).isEqualTo(DiskIdentity.NONE);
        device.prepareState();
        VirtioBlkState state = device.state();
        driver.close();
        driver = null;
        return state;
    }

    private String mismatch(VirtioBlkState saved, boolean identity) {
        try (VirtioBlk device = new VirtioBlk(Disk.open(new DiskConfig(image.toString(), false)), failures::add)) {
            return device.mismatch(saved, identity);
        }
    }

    @Test
    void knowsItsDiskAgain() throws IOException {
        VirtioBlkState saved = saved();
        assertThat(saved.identity().pages()).hasSize(DiskIdentity.SAMPLES);
        assertThat(mismatch(saved, true)).isNull();
        // Where it lies does not matter, nor whether its attributes came along.
        Path other = directory.resolve("other.img");
        Files.copy(image, other);
        image = other;
        assertThat(mismatch(saved, true)).isNull();

        content[512] ^= 1;
        Files.write(image, content);
        assertThat(mismatch(saved, true)).startsWith("disk other.img does not hold what it held");
        assertThat(mismatch(saved, false)).isNull();
    }

    @Test
    void tellsClonesOfOneImageApart() throws IOException {
        VirtioBlkState saved = saved();
        image = directory.resolve("clone.img");
        Files.write(image, content);
        VirtioBlkState clone = saved();
        assumeTrue(!clone.identity().id().equals(new UUID(0, 0)), "the file system keeps no attributes");
        assertThat(mismatch(clone, true)).isNull();
        assertThat(mismatch(saved, true))
                .startsWith("disk clone.img is another disk: the saved guest's has the id "
                        + saved.identity().id());
    }

    @Test
    void refusesADiskOfAnotherSizeOrAccess() {
        VirtioBlkState saved = saved();
        assertThat(mismatch(new VirtioBlkState(SECTORS + 1, true, saved.identity()), false))
                .isEqualTo("disk disk.img has 2048 sectors, writable; the saved guest's had 2049, read-only");
    }

    @Test
    void readsWhatVersionsWrote() {
        MemorySegment version1 = Arena.ofAuto().allocate(32, 8);
        version1.set(ValueLayout.JAVA_LONG, 0, SECTORS);
        version1.set(ValueLayout.JAVA_BYTE, 8, (byte) 1);
        assertThat(VirtioBlkState.read(section(version1, 1)))
                .isEqualTo(new VirtioBlkState(SECTORS, true, DiskIdentity.NONE));

        VirtioBlkState state = saved();
        MemorySegment version2 = Arena.ofAuto().allocate(VirtioBlkState.SIZE, 8);
        state.write(new StateOutput(version2));
        assertThat(VirtioBlkState.read(section(version2, 2))).isEqualTo(state);
    }

    private static SectionView section(MemorySegment bytes, int version) {
        return new SectionView("test", new SectionEntry("virtio-blk", 0, version, 0, bytes.byteSize(), 0), bytes);
    }
}
