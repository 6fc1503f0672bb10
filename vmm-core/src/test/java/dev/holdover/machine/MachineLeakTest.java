package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.VmmException;
import dev.holdover.memory.FdSets;
import dev.holdover.testing.NeedsKvm;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Machines that are closed, or could not be made, leave no descriptor, mapping or thread. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class MachineLeakTest {
    private static final int MACHINES = 200;
    private static final int FAILURES = 50;
    private static final int ROUNDS = LongRun.rounds(300, 1000);
    private static final int WARM_UP = 5;
    /** The JVM maps code and heap as it likes, but not one mapping a machine. */
    private static final int JVM_MAPPINGS = 40;

    @TempDir
    Path directory;

    private static void assertNoGrowth(Footprint before) throws Exception {
        Footprint after = Footprint.now();
        assertThat(after.descriptors()).as("descriptors").isEqualTo(before.descriptors());
        assertThat(after.threads()).as("threads").isLessThanOrEqualTo(before.threads());
        assertThat(after.mappings()).as("mappings").isLessThan(before.mappings() + JVM_MAPPINGS);
    }

    @NeedsKvm
    @Tag("long")
    @Test
    void manyMachinesInOneProcess() throws Exception {
        Path disk = Files.write(directory.resolve("disk"), new byte[512]);
        Guest guest = Guest.named("count.bin", directory)
                .cpus(2)
                .rng()
                .disk(disk, false)
                .console(directory.resolve("console"));
        Footprint before = null;
        for (int i = 0; i < WARM_UP + MACHINES; i++) {
            if (i == WARM_UP) {
                before = Footprint.now();
            }
            try (Machine machine = guest.machine()) {
                machine.resume();
                Guest.awaitCount(machine);
            }
        }
        assertNoGrowth(before);
    }

    @NeedsKvm
    @Tag("long")
    @Test
    void manySavesAndRestoresInOneProcess() throws Exception {
        Path disk = Files.write(directory.resolve("disk"), new byte[512]);
        Path ram = Files.createTempFile(Path.of("/dev/shm"), "holdover-test", ".ram");
        String state = directory.resolve("state").toString();
        Guest guest = Guest.named("count.bin", directory)
                .ram("16M", "mem-path=" + ram)
                .cpus(2)
                .rng()
                .disk(disk, false)
                .console(directory.resolve("console"));
        Machine machine = guest.machine();
        try (FdSets fdsets = new FdSets()) {
            Footprint before = null;
            machine.resume();
            for (int i = 0; i < WARM_UP + ROUNDS; i++) {
                if (i == WARM_UP) {
                    before = Footprint.now();
                }
                Guest.awaitCount(machine);
                machine.save(state, SaveOptions.IN_PLACE);
                machine.close();
                try (Incoming incoming = new Incoming(state, false)) {
                    machine = Machine.restore(incoming.config(), fdsets, incoming);
                }
                machine.resume();
            }
            assertNoGrowth(before);
        } finally {
            machine.close();
            Files.deleteIfExists(ram);
        }
    }

    @Test
    void machinesThatCouldNotBeMade() throws Exception {
        Path disk = Files.write(directory.resolve("disk"), new byte[512]);
        Guest noKernel =
                Guest.firmware(directory.resolve("no-such-firmware"), directory).disk(disk, false);
        Guest noImage = Guest.named("crash.elf", directory).rng().disk(directory.resolve("no-such-disk"), false);
        Guest noRoom = Guest.named("long64.elf", directory)
                .ram("2M", null)
                .disk(disk, false)
                .rng();
        Footprint before = null;
        for (int i = 0; i < WARM_UP + FAILURES; i++) {
            if (i == WARM_UP) {
                before = Footprint.now();
            }
            for (Guest guest : new Guest[] {noKernel, noImage, noRoom}) {
                assertThatThrownBy(guest::machine).isInstanceOf(VmmException.class);
            }
        }
        assertNoGrowth(before);
    }
}
