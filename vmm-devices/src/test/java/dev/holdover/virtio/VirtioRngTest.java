package dev.holdover.virtio;

import static dev.holdover.virtio.DriverQueue.Buffer.in;
import static dev.holdover.virtio.DriverQueue.Buffer.out;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class VirtioRngTest {
    private final TestRam ram = new TestRam();
    private final List<Throwable> failures = new ArrayList<>();
    private final TestDriver driver = new TestDriver(ram, new VirtioRng(failures::add));
    private DriverQueue queue;

    @AfterEach
    void close() {
        driver.close();
        ram.assertGuardsUntouched();
        ram.close();
        assertThat(failures).isEmpty();
    }

    private void start() {
        driver.begin(0);
        queue = driver.queue(0, 8);
        driver.ready();
    }

    @Test
    void fillsBuffersAndNoByteMore() {
        start();
        long gpa = ram.allocate(4096);
        queue.add(in(gpa, 1000), in(gpa + 2000, 24));
        driver.kick(queue);
        assertThat(driver.await(queue, 1).get(0).written()).isEqualTo(1024);
        byte[] bytes = ram.memory.read(gpa, 4096);
        int set = 0;
        for (int i = 0; i < 1000; i++) {
            set += Integer.bitCount(bytes[i] & 0xff);
        }
        assertThat(set).as("about half of 8000 bits").isBetween(3500, 4500);
        assertThat(ram.memory.read(gpa + 1000, 1000)).containsOnly(0);
        assertThat(ram.memory.read(gpa + 2000, 24)).isNotEqualTo(new byte[24]);
        assertThat(ram.memory.read(gpa + 2024, 1000)).containsOnly(0);
    }

    @Test
    void givesARequestAtMost64Kib() {
        start();
        long gpa = ram.allocate(100_000);
        queue.add(in(gpa, 50_000), in(gpa + 50_000, 50_000));
        driver.kick(queue);
        assertThat(driver.await(queue, 1).get(0).written()).isEqualTo(65536);
        assertThat(ram.memory.read(gpa + 65536, 34_464)).containsOnly(0);
    }

    @Test
    void aRequestWithoutRoomBreaksIt() {
        start();
        queue.add(out(ram.allocate(16), 16));
        driver.kick(queue);
        driver.awaitBroken();
        start();
        queue.add(in(ram.allocate(16), 16));
        driver.kick(queue);
        driver.await(queue, 1);
    }
}
