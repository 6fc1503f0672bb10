package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;
import dev.holdover.testing.NeedsKvm;
import java.nio.file.Files;
import java.nio.file.Path;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The file behind guest RAM is cut: whoever meets it first, the machine ends with a sentence that says so. */
@NeedsKvm
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class CutRamTest {
    private static final int SIZE = 32 << 20;
    private static final int HALF = SIZE / 2;

    @TempDir
    Path directory;

    private Path file;

    @BeforeEach
    void makeFile() throws Exception {
        // In memory: there a page that is gone is gone at once.
        file = Files.createTempFile(Path.of("/dev/shm"), "holdover-test", ".ram");
    }

    @AfterEach
    void deleteFile() throws Exception {
        Files.delete(file);
    }

    private Guest guest(String name) {
        return Guest.named(name, directory).ram("32M", "mem-path=" + file);
    }

    private void cut(long size) {
        try (Fd fd = Fd.open(file.toString(), Fd.O_RDWR)) {
            fd.truncate(size);
        }
    }

    private AbstractThrowableAssert<?, ?> assertEndsInASentence(Machine machine, long size) {
        return assertThatThrownBy(machine::await)
                .isInstanceOf(VmmException.class)
                .hasMessage("guest RAM file " + file + " was cut to " + size + " bytes (needs " + SIZE
                        + "): the guest cannot go on");
    }

    /** Data, code, page tables or sleep: what the vCPU finds gone differs. */
    @ParameterizedTest
    @ValueSource(strings = {"count.bin", "idle.elf", "regs.elf"})
    void metByAVcpu(String name) throws Exception {
        try (Machine machine = guest(name).cpus(2).machine()) {
            machine.resume();
            Guest.awaitCount(machine);
            cut(0);
            assertEndsInASentence(machine, 0);
            assertThatThrownBy(() -> machine.memory().getInt(Guest.COUNT)).isInstanceOf(InternalError.class);
        }
    }

    @Test
    void metByADevice() throws Exception {
        try (Machine machine = guest("count.bin").rng().machine()) {
            Driver driver = new Driver(machine);
            driver.begin();
            cut(0);
            driver.kick();
            assertEndsInASentence(machine, 0).hasCauseInstanceOf(InternalError.class);
        }
    }

    @Test
    void metByADisksRead() throws Exception {
        Path disk = Files.write(directory.resolve("disk"), new byte[512]);
        try (Machine machine = guest("count.bin").disk(disk, false).machine()) {
            Driver driver = new Driver(machine);
            driver.begin();
            // struct virtio_blk_req of sector 0, its data behind the cut, its status
            driver.describe(0, Driver.RINGS + 0x400, 16, Driver.NEXT);
            driver.describe(1, HALF, 512, Driver.NEXT | Driver.WRITE);
            driver.describe(2, Driver.RINGS + 0x500, 1, Driver.WRITE);
            // Cut first: a device that starts late looks at the queue then, before it is kicked.
            cut(HALF);
            driver.offer();
            driver.kick();
            assertEndsInASentence(machine, HALF)
                    .cause()
                    .hasMessageStartingWith("guest RAM is lost: a read of disk ")
                    .hasMessageContaining("EFAULT");
        }
    }

    @Test
    void metByAReset() throws Exception {
        try (Machine machine = guest("idle.elf").rebootOnReset().machine()) {
            cut(0);
            machine.ports().write(MemoryMap.PORT_I8042_COMMAND, 1, 0xfe);
            assertEndsInASentence(machine, 0).hasCauseInstanceOf(InternalError.class);
        }
    }

    /** A driver of one queue of the first virtio device, on this side of a machine whose vCPUs are parked. */
    private static final class Driver {
        static final int NEXT = 1;
        static final int WRITE = 2;
        static final long RINGS = 0x40000;
        private static final long AVAILABLE = RINGS + 0x100;
        private static final long USED = RINGS + 0x200;

        private static final int DRIVER_FEATURES = 0x20;
        private static final int DRIVER_FEATURES_SEL = 0x24;
        private static final int QUEUE_NUM = 0x38;
        private static final int QUEUE_READY = 0x44;
        private static final int QUEUE_NOTIFY = 0x50;
        private static final int STATUS = 0x70;
        private static final int QUEUE_DESC = 0x80;
        private static final int QUEUE_DRIVER = 0x90;
        private static final int QUEUE_DEVICE = 0xa0;

        private final Machine machine;

        Driver(Machine machine) {
            this.machine = machine;
        }

        private void set(int register, long value) {
            machine.mmio().write(MemoryMap.virtioMmio(0) + register, 4, value);
        }

        void begin() {
            set(STATUS, 3);
            set(DRIVER_FEATURES_SEL, 1);
            set(DRIVER_FEATURES, 1); // VIRTIO_F_VERSION_1
            set(STATUS, 0xb);
            set(QUEUE_NUM, 8);
            set(QUEUE_DESC, RINGS);
            set(QUEUE_DRIVER, AVAILABLE);
            set(QUEUE_DEVICE, USED);
            set(QUEUE_READY, 1);
            set(STATUS, 0xf);
            long status = machine.mmio().read(MemoryMap.virtioMmio(0) + STATUS, 4);
            assertThat(status).as("device status").isEqualTo(0xf);
        }

        void describe(int index, long gpa, int length, int flags) {
            GuestMemory ram = machine.memory();
            long descriptor = RINGS + 16L * index;
            ram.putLong(descriptor, gpa);
            ram.putInt(descriptor + 8, length);
            ram.putShort(descriptor + 12, (short) flags);
            ram.putShort(descriptor + 14, (short) (index + 1));
        }

        /** The chain that begins at descriptor 0. */
        void offer() {
            machine.memory().putShort(AVAILABLE + 2, (short) 1);
        }

        void kick() {
            set(QUEUE_NOTIFY, 0);
        }
    }
}
