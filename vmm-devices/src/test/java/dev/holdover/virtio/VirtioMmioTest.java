package dev.holdover.virtio;

import static dev.holdover.virtio.DriverQueue.Buffer.in;
import static dev.holdover.virtio.DriverQueue.Buffer.out;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.VmmException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class VirtioMmioTest {
    private final TestRam ram = new TestRam();
    private final List<Throwable> failures = new ArrayList<>();
    private final EchoDevice device = new EchoDevice(failures::add);
    private final TestDriver driver = new TestDriver(ram, device);

    @AfterEach
    void close() {
        driver.close();
        ram.assertGuardsUntouched();
        ram.close();
        assertThat(failures).isEmpty();
    }

    @Test
    void tellsWhatItIs() {
        assertThat(driver.get(0x00)).isEqualTo(0x74726976);
        assertThat(driver.get(0x04)).isEqualTo(2);
        assertThat(driver.get(0x08)).isEqualTo(EchoDevice.ID);
        assertThat(driver.get(0x0c)).isEqualTo(0x444c4f48);
        assertThat(driver.offered()).isEqualTo(TestDriver.VERSION_1 | TestDriver.EVENT_INDEX | TestDriver.INDIRECT | 2);
        driver.set(0x14, 2);
        assertThat(driver.get(0x10)).isZero();
        driver.set(0x30, 1);
        assertThat(driver.get(0x34)).isEqualTo(256);
        driver.set(0x30, 2);
        assertThat(driver.get(0x34)).isZero();
        driver.set(0x30, -1);
        assertThat(driver.get(0x34)).isZero();
        for (int register = 0xb0; register <= 0xbc; register += 4) {
            assertThat(driver.get(register)).as("no shared memory").isEqualTo(-1);
        }
    }

    @Test
    void answersAllOnesToWhatIsNoRegisterAccess() {
        for (int width : new int[] {1, 2, 8}) {
            assertThat(driver.mmio.read(0, width)).isEqualTo(-1);
        }
        assertThat(driver.mmio.read(2, 4)).isEqualTo(-1);
        assertThat(driver.mmio.read(0x1000, 4)).isEqualTo(-1);
        assertThat(driver.mmio.read(Long.MAX_VALUE, 8)).isEqualTo(-1);
        driver.mmio.write(0x70, 1, 3);
        driver.mmio.write(0x1070, 4, 3);
        assertThat(driver.get(0x70)).isZero();
    }

    @Test
    void readsTheConfigurationInAnyWidth() {
        assertThat(driver.mmio.read(0x100, 1)).isEqualTo(1);
        assertThat(driver.mmio.read(0x101, 2)).isEqualTo(0x0302);
        assertThat(driver.mmio.read(0x104, 4)).isEqualTo(0x08070605);
        assertThat(driver.mmio.read(0x100, 8)).isEqualTo(0x0807060504030201L);
        assertThat(driver.mmio.read(0x107, 2)).isEqualTo(-1);
        assertThat(driver.mmio.read(0x108, 1)).isEqualTo(-1);
        assertThat(driver.mmio.read(0xfff, 8)).isEqualTo(-1);
    }

    @Test
    void tellsADriverAtWorkOfAChangedConfiguration() {
        driver.begin(0);
        driver.queue(0, 8);
        driver.ready();
        int generation = driver.get(0xfc);
        device.changeConfig(new byte[] {9});
        assertThat(driver.get(0xfc)).isNotEqualTo(generation);
        assertThat(driver.mmio.read(0x100, 1)).isEqualTo(9);
        assertThat(driver.awaitInterrupt()).isEqualTo(2);
    }

    @Test
    void insistsOnVersion1AndOnOfferedFeatures() {
        for (long features : new long[] {0, TestDriver.VERSION_1 | 4, TestDriver.VERSION_1 | (1L << 60)}) {
            driver.set(0x70, 0);
            driver.set(0x70, 3);
            driver.set(0x24, 0);
            driver.set(0x20, (int) features);
            driver.set(0x24, 1);
            driver.set(0x20, (int) (features >>> 32));
            driver.set(0x70, 11);
            assertThat(driver.get(0x70)).as("features 0x%x", features).isEqualTo(3);
            driver.set(0x70, 15);
            assertThat(driver.get(0x70)).isEqualTo(3);
        }
    }

    @Test
    void wantsTheStepsOfItsStatusInOrder() {
        driver.set(0x24, 1);
        driver.set(0x20, 1);
        driver.set(0x70, 9);
        assertThat(driver.get(0x70)).as("no features without a driver").isEqualTo(1);
        driver.set(0x70, 7);
        assertThat(driver.get(0x70)).as("not ready without features").isEqualTo(3);
        driver.set(0x70, 0xffffff00 | 64 | 16);
        assertThat(driver.get(0x70))
                .as("the driver has no such bits but FAILED")
                .isEqualTo(3);
        driver.set(0x70, 128 | 3);
        assertThat(driver.get(0x70)).isEqualTo(128 | 3);
    }

    @Test
    void keepsFeaturesAndQueuesOnceSettled() {
        driver.begin(2);
        driver.set(0x24, 0);
        driver.set(0x20, 0);
        DriverQueue queue = driver.queue(0, 8);
        driver.set(0x38, 4);
        driver.set(0x80, 0);
        driver.ready();
        driver.set(0x70, 1);
        assertThat(driver.get(0x70)).as("bits are not cleared one by one").isEqualTo(15);
        device.pause();
        VirtioState state = driver.mmio.state();
        assertThat(state.driverFeatures()).isEqualTo(TestDriver.VERSION_1 | 2);
        assertThat(state.queues().get(0))
                .isEqualTo(new VirtQueueState(8, true, queue.descriptors, queue.available, queue.used, 0, 0));
        assertThat(state.queues().get(1)).isEqualTo(new VirtQueueState(256, false, 0, 0, 0, 0, 0));
    }

    @Test
    void aQueueThatIsNotRamBreaksItUntilReset() {
        driver.begin(0);
        driver.enable(0, 8, TestRam.END, TestRam.BASE, TestRam.BASE + 4096);
        assertThat(driver.get(0x44)).isZero();
        assertThat(driver.isBroken()).isTrue();
        assertThat(driver.mmio.trouble()).contains("descriptor table at 0x2100000");
        echo(0);
    }

    @Test
    void brokenByARequestItWorksAgainAfterAReset() {
        driver.begin(0);
        DriverQueue queue = driver.queue(1, 8);
        driver.ready();
        queue.add(out(TestRam.END, 1));
        driver.kick(queue);
        assertThat(driver.awaitInterrupt()).isEqualTo(2);
        assertThat(driver.get(0x70)).isEqualTo(15 | 64);
        assertThat(driver.mmio.trouble()).startsWith("queue 1: guest address 0x2100000");
        echo(0);
    }

    /** Brings it up anew and has a request served. */
    private void echo(long features) {
        driver.begin(features);
        DriverQueue queue = driver.queue(0, 8);
        driver.ready();
        long gpa = ram.allocate(32);
        ram.memory.putLong(gpa, 0x1122334455667788L);
        queue.add(out(gpa, 8), in(gpa + 16, 8));
        driver.kick(queue);
        assertThat(driver.await(queue, 1)).containsExactly(new DriverQueue.Used(0, 8));
        assertThat(ram.memory.getLong(gpa + 16)).isEqualTo(0x1122334455667788L);
    }

    @Test
    void servesWhatWasThereBeforeTheDriverWasReady() {
        driver.begin(0);
        DriverQueue queue = driver.queue(0, 8);
        queue.add(out(TestRam.BASE, 1));
        driver.kick(queue);
        driver.ready();
        driver.await(queue, 1);
    }

    @Test
    void leavesADisabledQueueAlone() {
        driver.begin(0);
        DriverQueue queue = driver.queue(0, 8);
        DriverQueue other = driver.queue(1, 8);
        driver.ready();
        driver.set(0x30, 0);
        driver.set(0x44, 0);
        assertThat(driver.get(0x44)).isZero();
        queue.add(out(TestRam.BASE, 1));
        driver.kick(queue);
        other.add(out(TestRam.BASE, 1));
        driver.kick(other);
        driver.await(other, 1);
        driver.settle();
        assertThat(queue.usedIndex()).isZero();
        driver.set(0x44, 1);
        assertThat(driver.get(0x44)).as("not while it works").isZero();
    }

    @Test
    void ignoresNotificationsOfNoQueueAndBeforeItIsReady() {
        driver.notifyQueue(7);
        driver.notifyQueue(-1);
        driver.notifyQueue(0);
        driver.settle();
        echo(0);
    }

    @Test
    void goesOnElsewhereFromItsState() {
        driver.begin(TestDriver.EVENT_INDEX);
        DriverQueue queue = driver.queue(0, 8);
        driver.ready();
        queue.add(out(TestRam.BASE, 1));
        driver.kick(queue);
        driver.await(queue, 1);

        device.pause();
        // What comes while it is paused is served elsewhere, even if the notification is lost.
        queue.add(out(TestRam.BASE, 1));
        queue.publish();
        VirtioState state = driver.mmio.state();

        EchoDevice target = new EchoDevice(failures::add);
        try (TestDriver moved = new TestDriver(ram, target)) {
            moved.mmio.restore(state);
            assertThat(moved.mmio.state()).isEqualTo(state);
            moved.settle();
            assertThat(queue.usedIndex()).as("paused until resumed").isEqualTo(1);
            queue.setUsedEvent(0x7000); // asks for no interrupt: one comes nevertheless
            target.resume();
            assertThat(moved.awaitInterrupt() & 1).isEqualTo(1);
            moved.settle();
            assertThat(queue.take()).isNotNull();
            assertThat(queue.usedIndex()).isEqualTo(2);
            queue.add(out(TestRam.BASE, 1));
            moved.kick(queue);
            moved.await(queue, 1);
        }
    }

    @Test
    void goesOnWhereItWasIfTheMoveFails() {
        driver.begin(0);
        DriverQueue queue = driver.queue(0, 8);
        driver.ready();
        device.pause();
        queue.add(out(TestRam.BASE, 1));
        driver.kick(queue);
        driver.settle();
        assertThat(queue.usedIndex()).isZero();
        device.resume();
        driver.await(queue, 1);
    }

    @Test
    void aBrokenDeviceIsStillBrokenElsewhere() {
        driver.begin(0);
        DriverQueue queue = driver.queue(0, 8);
        driver.ready();
        queue.add(out(TestRam.END, 1));
        driver.kick(queue);
        driver.awaitBroken();
        device.pause();
        VirtioState state = driver.mmio.state();
        EchoDevice target = new EchoDevice(failures::add);
        try (TestDriver moved = new TestDriver(ram, target)) {
            moved.mmio.restore(state);
            target.resume();
            moved.settle();
            assertThat(moved.isBroken()).isTrue();
            moved.begin(0);
            assertThat(moved.isBroken()).isFalse();
        }
    }

    @Test
    void refusesAStateThatDoesNotFit() {
        driver.begin(2);
        driver.queue(0, 8);
        driver.ready();
        device.pause();
        VirtioState s = driver.mmio.state();
        refused(new VirtioState(2, s.status(), 0, 0, s.driverFeatures(), 0, 0, 0, s.queues()), "kind 2");
        refused(new VirtioState(EchoDevice.ID, s.status(), 0, 0, 1L << 40, 0, 0, 0, s.queues()), "0x10000000000");
        List<VirtQueueState> queues = new ArrayList<>(s.queues());
        queues.set(0, new VirtQueueState(8, true, TestRam.END, TestRam.BASE, TestRam.BASE, 0, 0));
        refused(
                new VirtioState(EchoDevice.ID, s.status(), 0, 0, s.driverFeatures(), 0, 0, 0, queues),
                "descriptor table");
        queues.set(0, new VirtQueueState(8, true, TestRam.BASE, TestRam.BASE, TestRam.BASE, 9, 0));
        refused(
                new VirtioState(EchoDevice.ID, s.status(), 0, 0, s.driverFeatures(), 0, 0, 0, queues),
                "ring indices 9 and 0");
    }

    private void refused(VirtioState state, String why) {
        try (TestDriver other = new TestDriver(ram, new EchoDevice(failures::add))) {
            assertThatThrownBy(() -> other.mmio.restore(state))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("the saved state of echo does not fit this machine")
                    .hasMessageContaining(why);
            assertThat(other.get(0x70)).isZero();
        }
    }
}
