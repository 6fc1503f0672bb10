package dev.holdover.virtio;

import static dev.holdover.virtio.DriverQueue.Buffer.in;
import static dev.holdover.virtio.DriverQueue.Buffer.out;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.VmmException;
import dev.holdover.pci.MsixState;
import dev.holdover.pci.PciConfigState;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class VirtioPciTest {
    private final TestRam ram = new TestRam();
    private final List<Throwable> failures = new ArrayList<>();
    private final EchoDevice device = new EchoDevice(failures::add);
    private final PciDriver driver = new PciDriver(ram, device);

    @BeforeEach
    void find() {
        driver.find();
    }

    @AfterEach
    void close() {
        driver.close();
        ram.assertGuardsUntouched();
        ram.close();
        assertThat(failures).isEmpty();
    }

    private void echo(DriverQueue queue) {
        long gpa = ram.allocate(32);
        ram.memory.putLong(gpa, 0x1122334455667788L);
        queue.add(out(gpa, 8), in(gpa + 16, 8));
        driver.kick(queue);
    }

    @Test
    void tellsWhatItIs() {
        assertThat(driver.config(0, 4)).isEqualTo((0x1040 + EchoDevice.ID) << 16 | 0x1af4);
        assertThat(driver.config(8, 1)).as("revision").isEqualTo(1);
        assertThat(driver.find().keySet()).containsExactly(1, 2, 3, 4, 5, 0x11);
        assertThat(driver.config(driver.capability(2) + 16, 4))
                .as("notify multiplier")
                .isEqualTo(4);
        assertThat(driver.config(driver.capability(0x11) + 2, 2))
                .as("vectors less one")
                .isEqualTo(2);
        assertThat(driver.offered()).isEqualTo(TestDriver.VERSION_1 | TestDriver.EVENT_INDEX | TestDriver.INDIRECT | 2);
        assertThat(driver.get(0x12, 2)).as("queues").isEqualTo(2);
        for (int queue = 0; queue < 4; queue++) {
            driver.set(0x16, 2, queue);
            assertThat(driver.get(0x18, 2)).isEqualTo(queue < 2 ? 256 : 0);
            assertThat(driver.get(0x1a, 2)).as("no vector").isEqualTo(0xffff);
            assertThat(driver.get(0x1e, 2)).isEqualTo(queue < 2 ? queue : 0);
        }
        assertThat(driver.deviceConfig(0, 8)).isEqualTo(0x0807060504030201L);
        assertThat(driver.deviceConfig(7, 2)).isEqualTo(0xffff);
    }

    @Test
    void answersAllOnesToWhatIsNoField() {
        for (int width : new int[] {1, 2}) {
            assertThat(driver.get(0, width)).isEqualTo((1L << (8 * width)) - 1);
        }
        assertThat(driver.get(2, 2)).isEqualTo(0xffff);
        assertThat(driver.get(0x14, 2)).as("status and generation at once").isEqualTo(0xffff);
        assertThat(driver.get(0x3c, 4)).isEqualTo(0xffffffffL);
        assertThat(driver.get(0x7ffc, 4)).isEqualTo(0xffffffffL);
        driver.set(0x14, 4, 3);
        driver.set(0x14, 2, 3);
        assertThat(driver.get(0x14, 1)).isZero();
    }

    @Test
    void sendsAMessageForEachQueueAndTheConfiguration() throws Exception {
        driver.begin(0);
        driver.enableMessages();
        driver.set(0x10, 2, 0);
        assertThat(driver.get(0x10, 2)).isZero();
        driver.set(0x10, 2, 3);
        assertThat(driver.get(0x10, 2)).as("a vector that is not there").isEqualTo(0xffff);
        driver.set(0x10, 2, 0);
        DriverQueue first = driver.queue(0, 8);
        driver.set(0x1a, 2, 1);
        DriverQueue second = driver.queue(1, 8);
        driver.set(0x1a, 2, 2);
        driver.ready();
        echo(first);
        assertThat(driver.awaitInterrupt()).isEqualTo("fee01000:41");
        assertThat(first.take()).isEqualTo(new DriverQueue.Used(0, 8));
        echo(second);
        assertThat(driver.awaitInterrupt()).isEqualTo("fee01000:42");
        assertThat(driver.isr()).as("no cause but messages").isZero();
        device.changeConfig(new byte[] {9});
        assertThat(driver.awaitInterrupt()).isEqualTo("fee01000:40");
        assertThat(driver.get(0x15, 1)).as("generation").isEqualTo(1);
        assertThat(driver.isr()).isEqualTo(2);
        second.add(out(TestRam.END, 1));
        driver.kick(second);
        assertThat(driver.awaitInterrupt()).as("it needs a reset").isEqualTo("fee01000:40");
        assertThat(driver.get(0x14, 1)).isEqualTo(15 | 64);
        assertThat(driver.pci.trouble()).startsWith("queue 1");
        assertThat(driver.interrupts).isEmpty();
    }

    @Test
    void keepsAMessagePendingWhileItsVectorIsMasked() throws Exception {
        driver.begin(0);
        driver.enableMessages();
        DriverQueue queue = driver.queue(0, 8);
        driver.set(0x1a, 2, 1);
        driver.ready();
        long control = driver.find().get(0x11) + 16 + 12;
        driver.mmio.write(control, 4, 1);
        echo(queue);
        driver.settle();
        assertThat(queue.take()).isNotNull();
        assertThat(driver.interrupts).isEmpty();
        assertThat(driver.mmio.read(driver.bar + 0x5000, 8)).isEqualTo(2);
        driver.mmio.write(control, 4, 0);
        assertThat(driver.awaitInterrupt()).isEqualTo("fee01000:41");
        assertThat(driver.mmio.read(driver.bar + 0x5000, 8)).isZero();
    }

    @Test
    void interruptsByItsPinWithoutMessages() throws Exception {
        driver.begin(0);
        DriverQueue queue = driver.queue(0, 8);
        driver.ready();
        echo(queue);
        assertThat(driver.awaitInterrupt()).isEqualTo("pin high");
        assertThat(driver.config(6, 2) & 8).as("interrupt status").isEqualTo(8);
        assertThat(driver.isr()).isEqualTo(1);
        assertThat(driver.awaitInterrupt()).isEqualTo("pin low");
        assertThat(driver.config(6, 2) & 8).isZero();
        assertThat(driver.isr()).isZero();
        device.changeConfig(new byte[] {9});
        assertThat(driver.awaitInterrupt()).isEqualTo("pin high");
        driver.enableMessages();
        assertThat(driver.awaitInterrupt()).as("with messages there is no pin").isEqualTo("pin low");
        driver.setConfig(driver.capability(0x11) + 2, 2, 0);
        assertThat(driver.awaitInterrupt()).isEqualTo("pin high");
        driver.set(0x14, 1, 0);
        assertThat(driver.awaitInterrupt()).as("reset").isEqualTo("pin low");
    }

    @Test
    void doorbellsFollowTheBar() {
        assertThat(driver.doorbells).containsExactly("+0 0xe0003000", "+1 0xe0003004");
        driver.doorbells.clear();
        driver.setConfig(0x10, 4, 0xe1000000);
        assertThat(driver.doorbells)
                .containsExactly("-0 0xe0003000", "-1 0xe0003004", "+0 0xe1003000", "+1 0xe1003004");
        driver.doorbells.clear();
        driver.bridge.reset();
        assertThat(driver.doorbells).containsExactly("-0 0xe1003000", "-1 0xe1003004");
    }

    @Test
    void isReachedThroughConfigurationSpace() {
        int access = driver.capability(5);
        driver.setConfig(access + 8, 4, 0x14);
        driver.setConfig(access + 12, 4, 1);
        driver.setConfig(access + 16, 1, 3);
        assertThat(driver.get(0x14, 1)).isEqualTo(3);
        assertThat(driver.config(access + 16, 1)).isEqualTo(3);
        driver.setConfig(access + 8, 4, 0x2004);
        driver.setConfig(access + 12, 4, 4);
        assertThat(driver.config(access + 16, 4)).isEqualTo(0x08070605);
        assertThat(driver.config(access + 16, 2))
                .as("not as wide as its length")
                .isZero();
        driver.setConfig(access + 8, 4, 0x7fff0000);
        assertThat(driver.config(access + 16, 4)).isEqualTo(-1);
        driver.setConfig(access + 8, 4, 0);
        driver.setConfig(access + 4, 1, 2);
        assertThat(driver.config(access + 16, 4)).as("another BAR").isEqualTo(-1);
    }

    /** What the machine saves of the function beside its own section. */
    private record Saved(PciConfigState config, MsixState vectors, VirtioPciState registers) {}

    private static Saved save(PciDriver driver) {
        return new Saved(driver.pci.config().state(), driver.pci.msix().state(), driver.pci.state());
    }

    private static void restore(PciDriver driver, Saved saved) {
        assertThat(driver.pci.config().mismatch(saved.config())).isNull();
        driver.bridge.restoreConfigs(List.of(saved.config()));
        driver.pci.msix().restore(saved.vectors());
        driver.pci.restore(saved.registers());
    }

    @Test
    void goesOnElsewhereFromItsState() throws Exception {
        driver.setConfig(0x10, 4, 0xe2000000);
        driver.find();
        driver.begin(TestDriver.EVENT_INDEX);
        driver.enableMessages();
        driver.set(0x10, 2, 0);
        DriverQueue queue = driver.queue(0, 8);
        driver.set(0x1a, 2, 1);
        driver.ready();
        echo(queue);
        driver.awaitInterrupt();
        device.pause();
        queue.add(out(TestRam.BASE, 1));
        queue.publish();
        Saved saved = save(driver);

        EchoDevice target = new EchoDevice(failures::add);
        try (PciDriver moved = new PciDriver(ram, target)) {
            restore(moved, saved);
            moved.find();
            assertThat(moved.bar).isEqualTo(0xe2000000L);
            assertThat(moved.doorbells).containsExactly("+0 0xe2003000", "+1 0xe2003004");
            assertThat(save(moved).registers()).isEqualTo(saved.registers());
            assertThat(moved.interrupts).isEmpty();
            target.resume();
            assertThat(moved.awaitInterrupt()).isEqualTo("fee01000:41");
            moved.settle();
            assertThat(queue.usedIndex()).isEqualTo(2);
            moved.interrupts.clear();
            queue.take();
            queue.take();
            queue.enableInterrupt();
            queue.add(out(TestRam.BASE, 1));
            moved.kick(queue);
            assertThat(moved.awaitInterrupt()).isEqualTo("fee01000:41");
        }
    }

    @Test
    void aPinThatWasHighIsHighElsewhere() throws Exception {
        driver.begin(0);
        driver.queue(0, 8);
        driver.ready();
        device.changeConfig(new byte[] {9});
        assertThat(driver.awaitInterrupt()).isEqualTo("pin high");
        device.pause();
        Saved saved = save(driver);
        EchoDevice target = new EchoDevice(failures::add);
        try (PciDriver moved = new PciDriver(ram, target)) {
            restore(moved, saved);
            assertThat(moved.awaitInterrupt()).isEqualTo("pin high");
            assertThat(moved.config(6, 2) & 8).isEqualTo(8);
            moved.find();
            assertThat(moved.isr()).isEqualTo(2);
            assertThat(moved.awaitInterrupt()).isEqualTo("pin low");
        }
    }

    @Test
    void refusesAStateThatDoesNotFit() {
        device.pause();
        VirtioPciState state = driver.pci.state();
        VirtioState registers = state.registers();
        VirtioState other =
                new VirtioState(1, registers.status(), 0, 0, registers.driverFeatures(), 0, 0, 0, registers.queues());
        assertThatThrownBy(() -> driver.pci.restore(new VirtioPciState(other, 0, List.of(0, 0))))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("kind 1");
        // vectors and queues that no device has
        driver.pci.restore(new VirtioPciState(registers, 0xfffe, List.of(77, 3, 4, 5, 6)));
        assertThat(driver.pci.state().configVector()).isEqualTo(0xffff);
        assertThat(driver.pci.state().queueVectors()).containsExactly(0xffff, 0xffff);
        device.resume();
    }

    @Test
    void resetsToPowerOn() {
        driver.begin(0);
        driver.enableMessages();
        driver.queue(0, 8);
        driver.set(0x1a, 2, 1);
        driver.ready();
        driver.bridge.reset();
        driver.find();
        assertThat(driver.get(0x14, 1)).isZero();
        driver.set(0x16, 2, 0);
        assertThat(driver.get(0x1a, 2)).isEqualTo(0xffff);
        assertThat(driver.get(0x1c, 2)).isZero();
        assertThat(driver.config(driver.capability(0x11) + 2, 2))
                .as("MSI-X is off")
                .isEqualTo(2);
        assertThat(driver.mmio.read(driver.bar + 0x4000 + 12, 4))
                .as("and masked")
                .isEqualTo(1);
    }

    /** Several vCPUs write anything anywhere while the device is paused and resumed: it serves a driver afterwards. */
    @Test
    void bearsAnyWriteOfSeveralAtOnce() throws Exception {
        List<Thread> vcpus = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Random random = new Random(30 + i);
            vcpus.add(Thread.ofPlatform().start(() -> strike(random)));
        }
        for (int i = 0; i < 200; i++) {
            device.pause();
            driver.pci.state();
            driver.pci.msix().state();
            device.resume();
        }
        for (Thread vcpu : vcpus) {
            vcpu.join();
        }
        assertThat(failures).isEmpty();
        driver.bridge.reset();
        ram.freeAll();
        driver.find();
        driver.begin(0);
        driver.enableMessages();
        DriverQueue queue = driver.queue(0, 8);
        driver.set(0x1a, 2, 1);
        driver.ready();
        driver.settle();
        driver.interrupts.clear();
        echo(queue);
        assertThat(driver.awaitInterrupt()).isEqualTo("fee01000:41");
    }

    private void strike(Random random) {
        try {
            for (int i = 0; i < 20_000; i++) {
                int width = 1 << random.nextInt(4);
                long value = random.nextInt(3) == 0 ? random.nextLong() : random.nextInt(16);
                switch (random.nextInt(8)) {
                    case 0 -> driver.setConfig(random.nextInt(0x100), Math.min(width, 4), (int) value);
                    case 1 -> driver.setConfig(4, 2, random.nextInt(4) == 0 ? 0 : 6);
                    case 2 -> driver.pci.writeBar(0, random.nextInt(0x8000), width, value);
                    case 3 -> driver.pci.writeBar(0, 0x4000 + random.nextInt(0x30), width, value);
                    case 4 -> driver.pci.writeBar(0, 0x14, 1, random.nextInt(16));
                    case 5 -> {
                        int register = 4 * random.nextInt(16);
                        driver.pci.writeBar(0, register, 4, TestRam.BASE + 4096L * random.nextInt(64));
                    }
                    case 6 -> driver.config(random.nextInt(0x100), Math.min(width, 4));
                    default -> driver.pci.readBar(0, random.nextInt(0x8000), width);
                }
            }
        } catch (RuntimeException e) {
            synchronized (failures) {
                failures.add(e);
            }
        }
    }
}
