package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.linux.VmmException;
import dev.holdover.testing.NeedsKvm;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A guest drives the virtio devices through KVM's doorbells and interrupts, then ill-treats them. */
@NeedsKvm
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class VirtioGuestTest {
    private static final MachineEnd PASSED = new MachineEnd.DebugExit(0x10);
    private static final int SECTOR = 512;
    private static final String WRITTEN = "written by virtio-blk's guest\n";
    private static final String BLK = "sector 0: the first sector\nsector 1 written\nblk ok\n";
    private static final String CONSOLE = "console ok\n";
    private static final String RNG = "rng 16 bytes\nrng ok\n";
    private static final String NET = "net ok\n";

    @TempDir
    Path directory;

    private Path disk;
    private Path console;

    @BeforeEach
    void makeFiles() throws Exception {
        byte[] image = new byte[4 * SECTOR];
        byte[] text = "the first sector\n".getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(text, 0, image, 0, text.length);
        disk = Files.write(directory.resolve("disk"), image);
        console = directory.resolve("console");
    }

    private static String hostile(String exercise) {
        return """
                a buffer outside RAM
                a buffer that goes on behind RAM
                a buffer that wraps around
                a chain that loops
                a next descriptor that is not there
                an indirect table nobody agreed on
                a chain that begins nowhere
                more chains than there is room for
                descriptors outside RAM
                """ + exercise + "hostile ok\n";
    }

    private static String well(String exercise) {
        return exercise + hostile(exercise);
    }

    @Test
    void diskEntropySourceAndConsole() throws Exception {
        Guest guest =
                Guest.named("virtio.elf", directory).disk(disk, false).rng().console(console);
        Guest.Outcome outcome = guest.run();
        assertThat(outcome.output())
                .isEqualTo("slot 0: device 2\nslot 1: device 4\nslot 2: device 3\n" + well(BLK) + well(RNG)
                        + well(CONSOLE) + "virtio ok\n");
        assertThat(outcome.end()).isEqualTo(PASSED);

        byte[] image = Files.readAllBytes(disk);
        assertThat(image).hasSize(4 * SECTOR);
        assertThat(new String(image, 0, 17, StandardCharsets.US_ASCII)).isEqualTo("the first sector\n");
        String second = new String(image, SECTOR, SECTOR, StandardCharsets.US_ASCII);
        assertThat(second).isEqualTo(WRITTEN + "w".repeat(SECTOR - WRITTEN.length()));
        assertThat(Arrays.copyOfRange(image, 2 * SECTOR, 4 * SECTOR)).containsOnly(0);
        assertThat(console).hasContent("hello from virtio-console\n".repeat(2));
    }

    @Test
    void aReadOnlyDiskStaysAsItIs() throws Exception {
        byte[] before = Files.readAllBytes(disk);
        Guest.Outcome outcome = Guest.named("virtio.elf", directory)
                .append("parts=b")
                .disk(disk, true)
                .run();
        assertThat(outcome.output())
                .isEqualTo("slot 0: device 2\nsector 0: the first sector\nread-only\nblk ok\nvirtio ok\n");
        assertThat(outcome.end()).isEqualTo(PASSED);
        assertThat(disk).hasBinaryContent(before);
    }

    @Test
    void network() throws Exception {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "/dev/net/tun is not there or not ours");
        Guest guest = Guest.named("virtio.elf", directory)
                .net("hv-guest" + ProcessHandle.current().pid() % 1000);
        try {
            guest.machine().close();
        } catch (VmmException e) {
            assumeTrue(false, e.getMessage());
        }
        Guest.Outcome outcome = guest.run();
        assertThat(outcome.output()).isEqualTo("slot 0: device 1\n" + well(NET) + "virtio ok\n");
        assertThat(outcome.end()).isEqualTo(PASSED);
    }
}
