package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.machine.LivingGuest;
import dev.holdover.machine.LongRun;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Guests saved at random points, their VMM killed, and restored by another process: their output never breaks. */
@NeedsKvm
@Tag("long")
@Timeout(value = 600, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NewProcessTest {
    /** Of each guest; 203 over all with LONG=1. */
    private static final int PULSES = LongRun.rounds(1, 3, 29);

    private static final int MAX_MICROS = 50_000;
    private static final long MOST_NANOS = Patience.host().nanos(30_000);

    @TempDir
    Path directory;

    private Path ram;
    private Path state;
    private MappedByteBuffer memory;

    @BeforeEach
    void makeRam() throws IOException {
        ram = Files.createTempFile(Path.of("/dev/shm"), "holdover-test", ".ram");
        state = directory.resolve("state");
        try (RandomAccessFile file = new RandomAccessFile(ram.toFile(), "rw")) {
            file.setLength(16 << 20);
            memory = file.getChannel().map(FileChannel.MapMode.READ_WRITE, 0, 8192);
            memory.order(ByteOrder.LITTLE_ENDIAN);
        }
    }

    @AfterEach
    void removeRam() throws IOException {
        Files.deleteIfExists(ram);
    }

    private int rounds() {
        return memory.getInt((int) LivingGuest.ROUNDS);
    }

    private void awaitRounds() throws InterruptedException {
        int before = rounds();
        long start = System.nanoTime();
        while (rounds() == before) {
            assertThat(System.nanoTime() - start)
                    .as("nanoseconds without a round")
                    .isLessThan(MOST_NANOS);
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    @ParameterizedTest
    @EnumSource
    void theOutputIsUnbroken(LivingGuest guest) throws Exception {
        Random random = new Random(17 + guest.name().hashCode());
        List<String> options = guest.options(directory, ram);
        options.addFirst("run");
        ChildVmm vmm = ChildVmm.start(directory, options);
        try {
            awaitRounds();
            long nonce = memory.getLong((int) LivingGuest.NONCE);
            for (int i = 0; i < PULSES; i++) {
                TimeUnit.MICROSECONDS.sleep(random.nextInt(MAX_MICROS));
                vmm.save(state);
                int rounds = rounds();
                vmm.end();
                assertThat(rounds()).as("rounds when saved").isEqualTo(rounds);
                vmm = ChildVmm.start(directory, List.of("restore", state.toString()));
                awaitRounds();
                assertThat(memory.getLong((int) LivingGuest.NONCE)).isEqualTo(nonce);
            }
            assertThat(memory.getInt((int) LivingGuest.BROKEN)).isZero();
            vmm.save(state);
        } finally {
            vmm.end();
        }
        guest.assertUnbroken(directory);
    }
}
