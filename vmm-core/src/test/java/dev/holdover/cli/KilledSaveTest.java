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
    private static final int KILLS = LongRun.rounds(2, 10, 100);
    private static final int MOST_KILLS = KILLS * 10;

    @TempDir
    Path directory;

    private Path ram;
    private Path state;
    private ChildVmm vmm;
    /** A save is killed within so long of its request: longer after a kill that came before the rename, else shorter. */
    private long span = 10_000_000;

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
        // At least one kill on each side of the rename, whose instant depends on the host.
        for (int i = 0; i < KILLS || ((refused == 0 || restored == 0) && i < MOST_KILLS); i++) {
            byte[] old = Files.readAllBytes(state);
            vmm.keepRam();
            vmm.send(ChildVmm.migrate(state));
            LockSupport.parkNanos(random.nextLong(span));
            vmm.kill();
            vmm.end();
            removeParts();
            if (Arrays.equals(Files.readAllBytes(state), old)) {
                assertOldIsRefused();
                refused++;
                span = span * 5 / 4;
                boot();
            } else {
                // Its VMM raises the generation before the guest runs: a second restore is refused, as is the next
                // save's old.
                vmm = ChildVmm.start(directory, List.of("restore", state.toString()));
                assertThat(vmm.ask("{'execute': 'query-status'}")).contains("\"running\"");
                TimeUnit.MILLISECONDS.sleep(20);
                restored++;
                span = span * 3 / 4;
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
