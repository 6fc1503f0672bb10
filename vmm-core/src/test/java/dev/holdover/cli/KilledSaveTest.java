package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.machine.Incoming;
import dev.holdover.machine.LivingGuest;
import dev.holdover.machine.LongRun;
import dev.holdover.machine.Machine;
import dev.holdover.machine.RestoreRefused;
import dev.holdover.memory.FdSets;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A VMM is killed at random instants of a save. Under the state's name there is the old state or the new one, whole. The
 * new one can be restored; the old one is of RAM that has moved on, and is refused.
 */
@NeedsKvm
@Tag("long")
@Timeout(value = 900, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class KilledSaveTest {
    private static final int KILLS = LongRun.rounds(10, 100);
    /** About as long as a save takes in a VMM that has just started, from the request on. */
    private static final int MAX_NANOS = 40_000_000;

    @TempDir
    Path directory;

    private Path ram;
    private Path state;
    private ChildVmm vmm;
    private int refused;
    private int restored;

    @BeforeEach
    void names() throws IOException {
        ram = Files.createTempFile(Path.of("/dev/shm"), "holdover-test", ".ram");
        state = directory.resolve("state");
    }

    @AfterEach
    void end() throws IOException, InterruptedException {
        if (vmm != null) {
            vmm.end();
        }
        Files.deleteIfExists(ram);
    }

    /** A guest that was saved, and has gone on since. */
    private void boot() throws IOException, InterruptedException {
        List<String> options = LivingGuest.COUNT.options(directory, ram);
        options.addFirst("run");
        vmm = ChildVmm.start(directory, options);
        vmm.save(state);
        assertThat(vmm.ask("{'execute': 'cont'}")).isEqualTo("{\"return\": {}}");
    }

    /** What a VMM that was killed left beside: never under the state's name. */
    private void removeParts() throws IOException {
        try (DirectoryStream<Path> found = Files.newDirectoryStream(directory, "state.part-*")) {
            for (Path part : found) {
                Files.delete(part);
            }
        }
    }

    @Test
    void thereIsAWholeStateOrTheOldOneWhichIsRefused() throws Exception {
        Random random = new Random(99);
        boot();
        for (int i = 0; i < KILLS; i++) {
            byte[] old = Files.readAllBytes(state);
            vmm.keepRam();
            vmm.send(ChildVmm.migrate(state));
            LockSupport.parkNanos(random.nextInt(MAX_NANOS));
            vmm.kill();
            vmm.end();
            removeParts();
            if (Arrays.equals(Files.readAllBytes(state), old)) {
                assertOldIsRefused();
                refused++;
                boot();
            } else {
                // Its VMM raises the generation before the guest runs: a second restore is refused, as is the next
                // save's old.
                vmm = ChildVmm.start(directory, List.of("restore", state.toString()));
                assertThat(vmm.ask("{'execute': 'query-status'}")).contains("\"running\"");
                TimeUnit.MILLISECONDS.sleep(20);
                restored++;
            }
        }
        assertThat(refused).as("kills before the rename").isPositive();
        assertThat(restored).as("kills after the rename").isPositive();
    }

    private void assertOldIsRefused() {
        try (Incoming incoming = new Incoming(state.toString(), false);
                FdSets fdsets = new FdSets()) {
            assertThatThrownBy(() -> Machine.restore(incoming.config(), fdsets, incoming))
                    .isInstanceOf(RestoreRefused.class)
                    .hasMessageContaining("has moved on");
        }
    }
}
