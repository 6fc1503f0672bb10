package dev.holdover.virtio;

import static dev.holdover.virtio.DriverQueue.Buffer.in;
import static dev.holdover.virtio.DriverQueue.Buffer.out;
import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The file behind guest RAM is cut: the failure handler is told, and the guest can still reset its device. */
@Timeout(60)
class LostRamTest {
    private static final long CUT = TestRam.BASE + (1 << 20);

    @TempDir
    Path directory;

    private final TestRam ram = new TestRam();
    private final CompletableFuture<Throwable> failure = new CompletableFuture<>();

    @AfterEach
    void close() {
        ram.close();
    }

    private Throwable failure() throws Exception {
        return failure.get(Patience.host().seconds(20), TimeUnit.SECONDS);
    }

    private VirtioBlk disk() throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[65536]);
        return new VirtioBlk(Disk.open(new DiskConfig(image.toString(), false)), failure::complete);
    }

    @Test
    void aReadOfTheDiskIntoLostRamFails() throws Exception {
        try (TestDriver driver = new TestDriver(ram, disk())) {
            driver.begin(0);
            DriverQueue queue = driver.queue(0, 8);
            driver.ready();
            long header = ram.allocate(32);
            queue.add(out(header, 16), in(CUT, 512), in(header + 16, 1));
            ram.cutAt(CUT);
            driver.kick(queue);
            assertThat(failure())
                    .isInstanceOf(VmmException.class)
                    .hasMessageStartingWith("guest RAM is lost: a read of disk ")
                    .hasMessageContaining("EFAULT");
            driver.set(0x70, 0);
            assertThat(driver.get(0x70)).isZero();
        }
    }

    @Test
    void aLostRingFails() throws Exception {
        try (TestDriver driver = new TestDriver(ram, disk())) {
            driver.begin(0);
            ram.freeTo(CUT);
            driver.queue(0, 8);
            driver.ready();
            driver.settle();
            ram.cutAt(CUT);
            driver.notifyQueue(0);
            assertThat(failure()).isInstanceOf(InternalError.class);
            driver.device.pause();
        }
    }

    @Test
    void consoleOutputFromLostRamFails() throws Exception {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        Fd fd = pair[1].fd();
        try (UnixSocket _ = pair[0];
                TestDriver driver = new TestDriver(ram, new VirtioConsole(fd, fd, 0, 0, failure::complete))) {
            driver.begin(0);
            DriverQueue queue = driver.queue(1, 8);
            driver.ready();
            queue.add(out(CUT, 5));
            ram.cutAt(CUT);
            driver.kick(queue);
            assertThat(failure()).hasMessageStartingWith("guest RAM is lost: a write to socket");
        }
    }

    @Test
    void aFrameIntoLostRamFails() throws Exception {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
        VirtioNet device = new VirtioNet(new Tap(pair[1].fd(), "test"), new MacAddress(2), failure::complete);
        try (UnixSocket host = pair[0];
                TestDriver driver = new TestDriver(ram, device)) {
            driver.begin(0);
            DriverQueue queue = driver.queue(0, 8);
            driver.ready();
            queue.add(in(CUT, 1526));
            driver.kick(queue);
            ram.cutAt(CUT);
            host.fd().tryWrite(Arena.ofAuto().allocate(100));
            assertThat(failure()).hasMessageStartingWith("guest RAM is lost: a read of tap test");
        }
    }
}
