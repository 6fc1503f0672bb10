package dev.holdover.virtio;

import static dev.holdover.virtio.DriverQueue.Buffer.in;
import static dev.holdover.virtio.DriverQueue.Buffer.out;
import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Fd;
import dev.holdover.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Drivers that do anything at all, from fixed seeds: rings, registers and both at once. Whatever they do, no exception
 * leaves a device, nothing hangs, no byte outside guest RAM changes, and a reset makes the device good again.
 */
@Timeout(300)
class HostileDriverTest {
    private static final int ROUNDS = 1500;

    @TempDir
    Path directory;

    private final TestRam ram = new TestRam();
    private final List<Throwable> failures = new ArrayList<>();
    private int broken;
    private int served;

    @AfterEach
    void close() {
        ram.assertGuardsUntouched();
        ram.close();
        assertThat(failures).isEmpty();
    }

    /** What is done to the host's side of a device between two strikes of the driver. */
    private interface Host {
        void act(Random random);
    }

    private static final Host NOBODY = random -> {};

    private void attack(TestDriver driver, int queues, long seed, Host host) {
        Random random = new Random(seed);
        for (int round = 0; round < ROUNDS; round++) {
            ram.freeAll();
            driver.begin(driver.offered() & random.nextLong() & ~(1L << 32));
            List<DriverQueue> rings = new ArrayList<>();
            for (int i = 0; i < queues; i++) {
                rings.add(driver.queue(i, 1 << random.nextInt(7)));
            }
            long table = ram.allocate(16 * 16);
            driver.ready();
            for (int strike = 0; strike < 4; strike++) {
                DriverQueue ring = rings.get(random.nextInt(queues));
                if (strike == 0 || random.nextInt(4) == 0) {
                    RandomRing.fill(random, ring, table);
                } else {
                    RandomRing.advance(random, ring);
                }
                driver.notifyQueue(ring.index);
                host.act(random);
                if (random.nextInt(8) == 0) { // a register at random, as a lost driver would
                    driver.set(4 * random.nextInt(64), random.nextInt());
                    driver.mmio.read(random.nextInt(0x1100), 1 << random.nextInt(4));
                }
                if (random.nextInt(3) == 0) { // and a descriptor changes under the device
                    ram.memory.putLong(ring.descriptors + 8L * random.nextInt(2 * ring.size), random.nextLong());
                }
            }
            driver.settle();
            if (driver.isBroken()) {
                broken++;
            }
            for (DriverQueue ring : rings) {
                served += ring.usedIndex();
            }
            assertThat(failures).as("round %d", round).isEmpty();
        }
        assertThat(broken).as("strikes that hit").isGreaterThan(ROUNDS / 10);
        assertThat(served).as("requests that were good after all").isPositive();
        ram.freeAll();
    }

    @Test
    void cannotHarmABlockDevice() throws Exception {
        Path image = Files.write(directory.resolve("disk"), new byte[1 << 20]);
        VirtioBlk device = new VirtioBlk(Disk.open(new DiskConfig(image.toString(), false)), failures::add);
        try (TestDriver driver = new TestDriver(ram, device)) {
            attack(driver, 1, 11, NOBODY);
            assertThat(image).as("no write beyond the end").hasSize(1 << 20);
            driver.begin(0);
            DriverQueue queue = driver.queue(0, 8);
            driver.ready();
            long gpa = ram.allocate(1024);
            ram.memory.write(gpa, new byte[16]);
            ram.memory.putByte(gpa + 600, (byte) 0x55);
            queue.add(out(gpa, 16), in(gpa + 16, 512), in(gpa + 600, 1));
            driver.kick(queue);
            driver.await(queue, 1);
            assertThat(ram.memory.getByte(gpa + 600)).isZero();
        }
    }

    @Test
    void cannotHarmANetworkDevice() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
        MemorySegment frame = Arena.ofAuto().allocate(70_000);
        pair[0].fd().setNonBlocking(true);
        VirtioNet device = new VirtioNet(new Tap(pair[1].fd(), "test"), new MacAddress(2), failures::add);
        try (UnixSocket peer = pair[0];
                TestDriver driver = new TestDriver(ram, device)) {
            attack(driver, 2, 12, random -> {
                peer.trySend(frame.asSlice(0, 1 + random.nextInt(60_000)), List.of());
                peer.receive(frame);
            });
            drain(peer, frame);
            driver.begin(0);
            driver.queue(0, 8);
            DriverQueue queue = driver.queue(1, 8);
            driver.ready();
            queue.add(out(ram.allocate(100), 100));
            driver.kick(queue);
            driver.await(queue, 1);
            assertThat(peer.receive(frame).bytes()).isEqualTo(100);
        }
    }

    private static void drain(UnixSocket peer, MemorySegment into) {
        while (peer.receive(into).bytes() > 0) {}
    }

    @Test
    void cannotHarmAConsole() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        MemorySegment text = Arena.ofAuto().allocate(1 << 20);
        pair[0].fd().setNonBlocking(true);
        pair[1].fd().setNonBlocking(true);
        Fd fd = pair[1].fd();
        try (UnixSocket peer = pair[0];
                TestDriver driver = new TestDriver(ram, new VirtioConsole(fd, fd, 80, 25, failures::add))) {
            attack(driver, 2, 13, random -> {
                peer.trySend(text.asSlice(0, 1 + random.nextInt(10_000)), List.of());
                drain(peer, text);
            });
            drain(peer, text);
            driver.begin(0);
            driver.queue(0, 8);
            DriverQueue queue = driver.queue(1, 8);
            driver.ready();
            queue.add(out(ram.allocate(100), 100));
            driver.kick(queue);
            driver.await(queue, 1);
            assertThat(peer.receive(text).bytes()).isEqualTo(100);
        }
    }

    @Test
    void cannotHarmAnEntropyDevice() {
        try (TestDriver driver = new TestDriver(ram, new VirtioRng(failures::add))) {
            attack(driver, 1, 14, NOBODY);
            driver.begin(0);
            DriverQueue queue = driver.queue(0, 8);
            driver.ready();
            queue.add(in(ram.allocate(100), 100));
            driver.kick(queue);
            assertThat(driver.await(queue, 1).get(0).written()).isEqualTo(100);
        }
    }

    /** Several vCPUs at the registers of one device while it is paused and resumed. */
    @Test
    void canUseAllRegistersAtOnce() throws Exception {
        EchoDevice device = new EchoDevice(failures::add);
        try (TestDriver driver = new TestDriver(ram, device)) {
            List<Thread> vcpus = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                Random random = new Random(20 + i);
                vcpus.add(Thread.ofPlatform().start(() -> strike(driver, random)));
            }
            for (int i = 0; i < 200; i++) {
                device.pause();
                driver.mmio.state();
                device.resume();
            }
            for (Thread vcpu : vcpus) {
                vcpu.join();
            }
            driver.begin(0);
            DriverQueue queue = driver.queue(0, 8);
            driver.ready();
            queue.add(out(TestRam.BASE, 1));
            driver.kick(queue);
            driver.await(queue, 1);
        }
    }

    private void strike(TestDriver driver, Random random) {
        int[] useful = {0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x64, 0x70, 0x80, 0x90, 0xa0};
        try {
            for (int i = 0; i < 20_000; i++) {
                int register = useful[random.nextInt(useful.length)];
                int value = switch (register) {
                    case 0x70 -> random.nextInt(16);
                    case 0x38 -> 1 << random.nextInt(9);
                    case 0x80, 0x90, 0xa0 -> (int) TestRam.BASE + 4096 * random.nextInt(64);
                    case 0x20 -> random.nextBoolean() ? 1 : 0;
                    default -> random.nextInt(3);
                };
                driver.set(register, value);
                driver.get(4 * random.nextInt(64));
            }
        } catch (RuntimeException e) {
            synchronized (failures) {
                failures.add(e);
            }
        }
    }
}
