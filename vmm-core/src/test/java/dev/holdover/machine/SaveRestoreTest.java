package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.RamConfig;
import dev.holdover.testing.NeedsKvm;
import dev.holdover.vmstate.StateException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Guests that would notice, saved, their machine taken apart, and restored in another. */
@NeedsKvm
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class SaveRestoreTest {
    private static final long COUNTER = 0x1000;
    private static final long NONCE = 0x1008;
    /** How often the guest found a register that was not what it should be; 0 in guests that do not look. */
    private static final long BROKEN = 0x1010;

    private static final SaveOptions COPY = new SaveOptions(false, false);
    private static final long KIB = 1024;
    private static final int TIMELINE_SIZE = 2048;

    @TempDir
    Path dir;

    private Path ram;
    private Path state;
    private Path serial;
    private final FdSets fdsets = new FdSets();

    @BeforeEach
    void paths() throws IOException {
        // tmpfs, as a live update wants it; the temporary directory may lie elsewhere.
        ram = Files.createTempFile(Path.of("/dev/shm"), "holdover-test", ".ram");
        state = dir.resolve("state");
        serial = dir.resolve("serial");
    }

    @AfterEach
    void removeRam() throws IOException {
        Files.deleteIfExists(ram);
        fdsets.close();
    }

    private static Path guest(String name) {
        return Path.of("src/test/resources/guests", name);
    }

    private MachineConfig config(String guest, String size, String ramOption, int cpus) {
        MachineBuilder machine =
                guest.endsWith(".bin") ? MachineBuilder.firmware(guest(guest)) : MachineBuilder.kernel(guest(guest));
        return machine.name("test")
                .memory(size)
                .ram(ramOption)
                .cpus(cpus)
                .serial("file:" + serial)
                .debugExit(0xf4)
                .config();
    }

    private Machine boot(String guest) {
        return new Machine(config(guest, "16M", "mem-path=" + ram, 1), fdsets);
    }

    private Machine restore(boolean force) {
        try (Incoming incoming = new Incoming(state.toString(), force)) {
            return Machine.restore(incoming.config(), fdsets, incoming);
        }
    }

    private static int counter(Machine machine) {
        return machine.memory().getInt(COUNTER);
    }

    /** Waits until the guest has counted on; a guest that stands still ends at the test's time limit. */
    private static void awaitCountBeyond(Machine machine, int count) throws InterruptedException {
        while (counter(machine) - count <= 0) {
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"count.bin", "idle.elf", "regs.elf"})
    void aGuestGoesOnInAnotherMachine(String guest) throws Exception {
        long nonce;
        int before;
        try (Machine machine = boot(guest)) {
            machine.resume();
            awaitCountBeyond(machine, 3);
            SaveReport report = machine.save(state.toString(), SaveOptions.IN_PLACE);
            assertThat(machine.state()).isEqualTo(RunState.SAVED);
            assertThat(report.ram()).containsExactly("ram0: 16 MiB kept in place");
            assertThat(report.transferred()).isEqualTo(Files.size(state));
            before = counter(machine);
            nonce = machine.memory().getLong(NONCE);
        }
        long firmware = guest.endsWith(".bin") ? Files.size(guest(guest)) : 0;
        assertThat(Files.size(state) - firmware).isLessThan(32 * KIB);
        try (Machine machine = restore(false)) {
            assertThat(counter(machine)).isEqualTo(before);
            machine.resume();
            awaitCountBeyond(machine, before + 3);
            assertThat(machine.memory().getLong(NONCE)).isEqualTo(nonce);
            machine.pause();
            assertThat(machine.memory().getInt(BROKEN)).isZero();
        }
        assertThat(Files.readString(serial, StandardCharsets.ISO_8859_1)).doesNotContain("X");
    }

    /** Zero pages are not in the state: what a file holds would show through a private mapping of it. */
    @Test
    void privateRamIsNotRestoredIntoAFileThatHoldsSomething() throws IOException {
        try (Machine machine = new Machine(config("count.bin", "16M", "backend=anonymous", 1), fdsets)) {
            machine.save(state.toString(), COPY);
        }
        byte[] content = new byte[16 << 20];
        content[9 << 20] = 1;
        Files.write(ram, content);
        try (Incoming incoming = new Incoming(state.toString(), false)) {
            MachineConfig config = incoming.config().withRam(RamConfig.parse("16M", "share=off,mem-path=" + ram));
            assertThatThrownBy(() -> Machine.restore(config, fdsets, incoming))
                    .isInstanceOf(RestoreRefused.class)
                    .hasMessageContaining(ram + " is not empty");
            content[9 << 20] = 0;
            Files.write(ram, content);
            Machine.restore(config, fdsets, incoming).close();
        }
    }

    /** A host whose TSC has another rate has to scale it; a move that it cannot make right is refused. */
    @Test
    void theTscsRateGoesAlong() {
        int khz;
        try (Machine machine = boot("count.bin")) {
            khz = machine.guestTscKhz();
            assertThat(khz).isPositive();
            machine.save(state.toString(), COPY);
        }
        try (Incoming incoming = new Incoming(state.toString(), false)) {
            assertThat(incoming.vcpu(0).state().tscKhz()).isEqualTo(khz);
            assertThat(incoming.tscKhz(0, khz + khz / 10_000, false))
                    .as("100 ppm faster")
                    .isZero();
            assertThat(incoming.tscKhz(0, khz / 2, true)).as("half as fast").isEqualTo(khz);
            assertThatThrownBy(() -> incoming.tscKhz(0, khz / 2, false))
                    .isInstanceOf(RestoreRefused.class)
                    .hasMessageContaining("the guest's TSC runs at " + khz + " kHz, this host's at " + khz / 2);
        }
        try (Incoming forced = new Incoming(state.toString(), true)) {
            assertThat(forced.tscKhz(0, khz / 2, false)).isZero();
        }
    }

    @Test
    void copiedRamComesBackInANewFile() throws Exception {
        int before;
        try (Machine machine = new Machine(config("count.bin", "64M", null, 1), fdsets)) {
            machine.resume();
            awaitCountBeyond(machine, 3);
            SaveReport report = machine.save(state.toString(), COPY);
            assertThat(report.ram()).containsExactly("ram0: 64 MiB copied, because x-ignore-shared is off");
            assertThat(report.ramTotal()).isEqualTo(64L << 20);
            before = counter(machine);
        }
        // Nearly all pages are zero and cost nothing.
        assertThat(Files.size(state)).isLessThan(1 << 20);
        try (Machine machine = restore(false)) {
            assertThat(counter(machine)).isEqualTo(before);
            machine.resume();
            awaitCountBeyond(machine, before);
        }
    }

    @Test
    void whatIsTouchedAndKeptCostsNothing() throws Exception {
        try (Machine machine = new Machine(config("count.bin", "256M", "prefault=on,mem-path=" + ram, 1), fdsets)) {
            machine.resume();
            awaitCountBeyond(machine, 3);
            machine.memory().slice(0x200000, 255L << 20 >> 1).fill((byte) 7);
            SaveReport report = machine.save(state.toString(), SaveOptions.IN_PLACE);
            assertThat(report.transferred()).isLessThan(2 << 20);
        }
    }

    @Test
    void aMemfdOfItsOwnIsNotLeftBehind() throws Exception {
        try (Machine machine = new Machine(config("count.bin", "16M", null, 1), fdsets)) {
            machine.resume();
            assertThatThrownBy(() -> machine.save(state.toString(), SaveOptions.IN_PLACE))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("ends with it")
                    .hasMessageContaining("mem-path=");
            assertThat(machine.state()).isEqualTo(RunState.RUNNING);
            assertThat(state).doesNotExist();
        }
    }

    private void saveOnce() throws Exception {
        try (Machine machine = boot("count.bin")) {
            machine.resume();
            awaitCountBeyond(machine, 3);
            machine.save(state.toString(), SaveOptions.IN_PLACE);
        }
    }

    @Test
    void aStateKnowsWhetherItsGuestWasPaused() throws Exception {
        try (Machine machine = boot("count.bin")) {
            machine.resume();
            awaitCountBeyond(machine, 3);
            machine.save(state.toString(), SaveOptions.IN_PLACE);
            try (Incoming incoming = new Incoming(state.toString(), false)) {
                assertThat(incoming.isPaused()).isFalse();
            }
            machine.resume();
            machine.pause();
            machine.save(state.toString(), SaveOptions.IN_PLACE);
        }
        try (Machine machine = restore(false)) {
            assertThat(machine.startsPaused()).isTrue();
            int count = counter(machine);
            machine.resume();
            awaitCountBeyond(machine, count);
        }
    }

    @Test
    void aStateIsTakenUpOnce() throws Exception {
        saveOnce();
        try (Machine machine = restore(false)) {
            machine.resume();
        }
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(RestoreRefused.class)
                .hasMessageContaining("moved on")
                .hasMessageContaining("restored already");
        try (Machine machine = restore(true)) {
            machine.resume();
        }
    }

    /** The kernel is in RAM by then, though nothing has run. */
    @Test
    void ramThatAKernelWasLoadedIntoIsOfThePast() throws Exception {
        try (Machine machine = boot("idle.elf")) {
            machine.resume();
            awaitCountBeyond(machine, 3);
            machine.save(state.toString(), SaveOptions.IN_PLACE);
        }
        assertThatThrownBy(() -> new Machine(config("nothing.elf", "16M", "mem-path=" + ram, 1), fdsets))
                .isInstanceOf(VmmException.class);
        restore(false).close(); // nothing was loaded
        boot("idle.elf").close();
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(RestoreRefused.class)
                .hasMessageContaining("another guest's");
    }

    @Test
    void aResetOfASavedGuestMakesItsStateOneOfThePast() throws Exception {
        MachineConfig config = MachineBuilder.kernel(guest("idle.elf"))
                .memory("16M")
                .ram("mem-path=" + ram)
                .serial("null")
                .rebootOnReset()
                .config();
        try (Machine machine = new Machine(config, fdsets)) {
            FutureTask<MachineEnd> end = new FutureTask<>(machine::await);
            new Thread(end).start();
            machine.resume();
            awaitCountBeyond(machine, 3);
            machine.save(state.toString(), SaveOptions.IN_PLACE);
            machine.requestReset();
            Guest.await("the reset", () -> machine.state() == RunState.PAUSED);
            machine.quit();
            end.get();
        }
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(RestoreRefused.class)
                .hasMessageContaining("moved on");
    }

    @Test
    void aStateThatWasNotRunMayBeTriedAgain() throws Exception {
        saveOnce();
        restore(false).close();
        try (Machine machine = restore(false)) {
            int count = counter(machine);
            machine.resume();
            awaitCountBeyond(machine, count);
        }
    }

    @Test
    void ramThatWentOnIsRefused() throws Exception {
        try (Machine machine = boot("count.bin")) {
            machine.resume();
            awaitCountBeyond(machine, 3);
            machine.save(state.toString(), SaveOptions.IN_PLACE);
            int count = counter(machine);
            machine.resume();
            awaitCountBeyond(machine, count);
        }
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(RestoreRefused.class)
                .hasMessageContaining("went on after the state was saved");
    }

    @Test
    void ramOfALaterBootIsRefused() throws Exception {
        saveOnce();
        try (Machine machine = boot("count.bin")) {
            machine.resume();
        }
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(RestoreRefused.class)
                .hasMessageContaining("foreign");
    }

    @Test
    void zeroedRamIsRefused() throws Exception {
        saveOnce();
        try (Fd file = Fd.open(ram.toString(), Fd.O_RDWR)) {
            // Without the page behind RAM that has the mark where the file system keeps no attributes.
            file.writeFully(Arena.ofAuto().allocate(16 << 20), 0);
        }
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(RestoreRefused.class)
                .hasMessageContaining("zeroed");
    }

    @Test
    void ramThatWasCutAndGrownAgainIsRefused() throws Exception {
        saveOnce();
        try (Fd file = Fd.open(ram.toString(), Fd.O_RDWR)) {
            long size = file.stat().size();
            file.truncate(0);
            file.truncate(size);
        }
        // An attribute stands after that, a page does not.
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(RestoreRefused.class)
                .message()
                .containsAnyOf("zeroed", "not marked");
    }

    @Test
    void aGuestThatHasNotRunYetIsSaved() throws Exception {
        try (Machine machine = boot("count.bin")) {
            machine.save(state.toString(), SaveOptions.IN_PLACE);
        }
        try (Machine machine = restore(false)) {
            machine.resume();
            awaitCountBeyond(machine, 3);
        }
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(RestoreRefused.class)
                .hasMessageContaining("moved on");
    }

    @Test
    void foreignAndMissingRamAreRefused() throws Exception {
        saveOnce();
        Files.copy(ram, dir.resolve("copy"));
        Files.delete(ram);
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(RestoreRefused.class)
                .hasMessageContaining("ENOENT");
        assertThat(ram).doesNotExist();
        Files.copy(dir.resolve("copy"), ram);
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(RestoreRefused.class)
                .hasMessageContaining("not marked");
    }

    @Test
    void ramMayBeADeviceIfItIsDax() throws Exception {
        saveOnce();
        Files.delete(ram);
        Files.createSymbolicLink(ram, Path.of("/dev/null"));
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("nor a DAX device");
        Files.delete(ram);
        Files.createSymbolicLink(ram, dir);
        assertThatThrownBy(() -> restore(false))
                .isInstanceOf(RestoreRefused.class)
                .hasMessageContaining("a directory");
    }

    @Test
    void aDamagedStateIsRefusedAndItsRamLeftAlone() throws Exception {
        saveOnce();
        byte[] good = Files.readAllBytes(state);
        // The header's length, behind which the timeline is; docs/vmstate.md.
        int timeline = ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getInt(16);
        Random random = new Random(1);
        for (int i = 0; i < 200; i++) {
            byte[] bad = good.clone();
            int at = random.nextInt(good.length);
            if (at >= timeline && at < timeline + TIMELINE_SIZE) {
                continue; // for people to look at: a damaged one is told of, and keeps no guest from running
            }
            bad[at] ^= (byte) (1 << random.nextInt(8));
            Files.write(state, bad);
            assertThatThrownBy(() -> restore(false)).isInstanceOf(StateException.class);
        }
        Files.write(state, good);
        try (Machine machine = restore(false)) {
            int count = counter(machine);
            machine.resume();
            awaitCountBeyond(machine, count);
        }
    }

    @Test
    void aTargetThatCannotBeWrittenLeavesTheGuestRunning() throws Exception {
        try (Machine machine = boot("count.bin")) {
            machine.resume();
            assertThatThrownBy(() -> machine.save(dir.resolve("no/such/dir").toString(), SaveOptions.IN_PLACE))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("ENOENT");
            assertThat(machine.state()).isEqualTo(RunState.RUNNING);
            awaitCountBeyond(machine, counter(machine));
        }
    }

    @Test
    void twoVcpusGoOn() throws Exception {
        try (Machine machine = new Machine(config("idle.elf", "16M", "mem-path=" + ram, 2), fdsets)) {
            machine.resume();
            awaitCountBeyond(machine, 3);
            machine.save(state.toString(), SaveOptions.IN_PLACE);
        }
        try (Machine machine = restore(false)) {
            int count = counter(machine);
            machine.resume();
            awaitCountBeyond(machine, count + 3);
        }
    }
}
