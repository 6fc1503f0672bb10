package dev.holdover.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.machine.Incoming;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineBuilder;
import dev.holdover.machine.MachineConfig;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.GuestMemory;
import dev.holdover.memory.RamConfig;
import dev.holdover.testing.NeedsKvm;
import java.io.InputStream;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** With x-ignore-shared a save writes next to nothing, however large the RAM is and however much of it was touched. */
@NeedsKvm
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class SaveBoundTest {
    private static final String OK = "{\"return\": {}}";
    private static final long MIB = 1 << 20;
    private static final Pattern RAM =
            Pattern.compile("\"ram\": \\{\"total\": ([0-9]+), \"transferred\": ([0-9]+), \"remaining\": 0,");

    @TempDir
    private Path directory;

    private final FdSets fdsets = new FdSets();
    private Path image;
    private Path ram;
    private Path state;

    @BeforeEach
    void makeFiles() throws Exception {
        image = directory.resolve("count.bin");
        try (InputStream in = SaveBoundTest.class.getResourceAsStream("/guests/count.bin")) {
            Files.copy(in, image);
        }
        ram = Files.createTempFile(Path.of("/dev/shm"), "holdover-test", ".ram");
        state = directory.resolve("state");
    }

    @AfterEach
    void removeRam() throws Exception {
        fdsets.close();
        Files.deleteIfExists(ram);
    }

    private MachineConfig config(RamConfig ramConfig) {
        return MachineBuilder.firmware(image).serial("null").config().withRam(ramConfig);
    }

    /** Not the page where the guest counts. */
    private static void touchEveryPage(Machine machine) {
        for (GuestMemory.Region region : machine.memory().regions()) {
            for (long at = 0; at < region.size(); at += 4096) {
                if (region.gpa() + at != 0x1000) {
                    region.segment().set(ValueLayout.JAVA_LONG, at, at ^ 0x0123456789abcdefL);
                }
            }
        }
    }

    /** Saves as a QMP client does, and returns the bytes transferred. */
    private long transferred(Machine machine, FdSets sets) throws InterruptedException {
        return transferred(machine, sets, state.toString());
    }

    private long transferred(Machine machine, FdSets sets, String target) throws InterruptedException {
        String path = directory.resolve("control").toString();
        try (ControlSocket socket = ControlSocket.open(path, sets, machine, null);
                QmpClient client = QmpClient.negotiated(path)) {
            assertThat(socket).isNotNull();
            machine.resume();
            touchEveryPage(machine);
            assertThat(client.ask("{'execute': 'migrate-set-capabilities', 'arguments': {'capabilities':"
                            + " [{'capability': 'x-ignore-shared', 'state': true}]}}"))
                    .isEqualTo(OK);
            assertThat(client.ask("{'execute': 'migrate-set-parameters', 'arguments': {'mode': 'cpr-reboot'}}"))
                    .isEqualTo(OK);
            assertThat(client.ask("{'execute': 'migrate', 'arguments': {'uri': 'file:" + target + "'}}"))
                    .isEqualTo(OK);
            String answer = client.ask("{'execute': 'query-migrate'}");
            while (!answer.contains("\"completed\"")) {
                assertThat(answer).doesNotContain("failed");
                TimeUnit.MILLISECONDS.sleep(1);
                answer = client.ask("{'execute': 'query-migrate'}");
            }
            Matcher told = RAM.matcher(answer);
            assertThat(told.find()).as(answer).isTrue();
            assertThat(told.group(1))
                    .as("bytes of RAM that were not left in place")
                    .isEqualTo("0");
            assertThat(client.ask("{'execute': 'query-status'}")).contains("postmigrate");
            return Long.parseLong(told.group(2));
        }
    }

    private void assertWithinBound(long transferred, long size) throws Exception {
        assertThat(transferred).isEqualTo(Files.size(state));
        assertThat(transferred).isLessThan(Math.max(2 * MIB, Math.min(8 * MIB, size / 32)));
        // What it really is, without the firmware, which is part of the state.
        assertThat(transferred - Files.size(image)).isLessThan(32 << 10);
    }

    /** A state in a descriptor that a client passed, taken up from it. */
    @Test
    void toADescriptorOfAnFdset() throws Exception {
        RamConfig ramConfig = RamConfig.parse("16M", "mem-path=" + ram);
        try (Fd file = Memfd.create("state", 0)) {
            fdsets.add(3, file.dup(), null);
            long transferred;
            try (Machine machine = new Machine(config(ramConfig), fdsets)) {
                transferred = transferred(machine, fdsets, "/dev/fdset/3");
            }
            assertThat(transferred).isEqualTo(file.stat().size());
            try (Incoming incoming = new Incoming(file, false);
                    Machine machine = Machine.restore(incoming.config(), fdsets, incoming)) {
                int rounds = machine.memory().getInt(0x1000);
                machine.resume();
                while (machine.memory().getInt(0x1000) == rounds) {
                    TimeUnit.MILLISECONDS.sleep(1);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {16, 64, 128, 256, 512})
    void ramInAFile(long mib) throws Exception {
        RamConfig config = RamConfig.parse(mib + "M", "mem-path=" + ram);
        try (Machine machine = new Machine(config(config), fdsets)) {
            assertWithinBound(transferred(machine, fdsets), mib * MIB);
        }
    }

    @Test
    void ramInAMemfdOfAnFdset() throws Exception {
        try (Fd memfd = Memfd.create("ram", 128 * MIB)) {
            fdsets.add(1, memfd.dup(), "ram");
            RamConfig config = RamConfig.parse("128M", "mem-path=/dev/fdset/1");
            try (Machine machine = new Machine(config(config), fdsets)) {
                assertWithinBound(transferred(machine, fdsets), 128 * MIB);
            }
        }
    }
}
