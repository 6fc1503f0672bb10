package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.machine.LivingGuest;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.AnnotatedElementContext;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.io.TempDirFactory;

/** A guest whose files have moved since it was saved, or are not its own. */
@NeedsKvm
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class RestoreElsewhereTest {
    @TempDir
    Path directory;

    @TempDir(factory = InMemory.class)
    Path memory;

    private Path state;
    private Path ram;

    private ChildVmm vmm;

    /** On tmpfs, which keeps the attributes by which RAM is known. */
    private static final class InMemory implements TempDirFactory {
        @Override
        public Path createTempDirectory(AnnotatedElementContext element, ExtensionContext context) throws IOException {
            return Files.createTempDirectory(Path.of("/dev/shm"), "holdover-test");
        }
    }

    @BeforeEach
    void saveAGuest() throws Exception {
        state = directory.resolve("state");
        ram = memory.resolve("ram");
        List<String> options = LivingGuest.DISK.options(directory, ram);
        options.addFirst("run");
        vmm = ChildVmm.start(directory, options);
        TimeUnit.MILLISECONDS.sleep(50);
        vmm.save(state);
        vmm.end();
    }

    @AfterEach
    void end() throws Exception {
        vmm.end();
    }

    private Shell.Outcome restore(String... options) throws Exception {
        List<String> arguments = new ArrayList<>(List.of("restore", state.toString()));
        arguments.addAll(Arrays.asList(options));
        return new Shell(directory).run("exec \"$@\"", Shell.vmm("", arguments.toArray(new String[0])));
    }

    @Test
    void theFilesAreFoundWhereTheOptionsSay() throws Exception {
        Path newRam = memory.resolve("moved");
        Path disk = directory.resolve("moved-disk");
        Path serial = directory.resolve("moved-serial");
        Files.move(ram, newRam);
        Files.move(directory.resolve("disk"), disk);
        assertThat(restore().code()).isEqualTo(4);
        assertThat(restore("--ram", "mem-path=" + newRam).err())
                .contains("cannot open disk " + directory.resolve("disk") + " for writing: ENOENT");
        vmm = ChildVmm.start(
                directory,
                List.of(
                        "restore",
                        state.toString(),
                        "--ram",
                        "mem-path=" + newRam,
                        "--disk",
                        "path=" + disk,
                        "--serial",
                        "file:" + serial));
        long start = System.nanoTime();
        while (Files.size(serial) < 3) {
            assertThat(System.nanoTime() - start).isLessThan(Patience.host().nanos(30_000));
            TimeUnit.MILLISECONDS.sleep(1);
        }
        // Written behind what the first file ends with.
        String before = Files.readString(directory.resolve("com1"));
        char last = before.charAt(before.length() - 1);
        char next = last == 'z' || last == 'D' ? 'a' : (char) (last + 1);
        assertThat(Files.readString(serial).charAt(0)).isEqualTo(next);
    }

    @Test
    void anotherDiskIsRefused() throws Exception {
        Path disk = directory.resolve("disk");
        byte[] content = Files.readAllBytes(disk);
        content[0] ^= 1;
        Path other = Files.write(directory.resolve("other"), content);
        Shell.Outcome outcome = restore("--disk", "path=" + other);
        assertThat(outcome.err())
                .startsWith("vmm restore: won't restore " + state + ": disk other does not hold what it held");
        assertThat(outcome.err().lines()).hasSize(1);
        assertThat(outcome.code()).isEqualTo(4);

        Path shorter = Files.write(directory.resolve("short"), Arrays.copyOf(content, 512));
        outcome = restore("--disk", "path=" + shorter);
        assertThat(outcome.err()).contains("disk short has 1 sectors, writable; the saved guest's had 64, writable");
        assertThat(outcome.code()).isEqualTo(4);
        assertThat(restore("--force", "--disk", "path=" + shorter).code()).isEqualTo(4);

        outcome = restore("--disk", "path=" + disk + ",readonly=on");
        assertThat(outcome.err()).contains("read-only; the saved guest's had 64, writable");
        assertThat(outcome.code()).isEqualTo(4);
        assertThat(restore("--disk", "path=" + disk, "--disk", "path=" + other).code())
                .isEqualTo(2);

        // All that was in vain, and changed nothing.
        vmm = ChildVmm.start(directory, List.of("restore", state.toString()));
        assertThat(vmm.ask("{'execute': 'query-status'}")).contains("\"running\"");
    }

    @Test
    void aCopyOfTheDiskIsAsGood() throws Exception {
        Path copy = directory.resolve("copy");
        Files.copy(directory.resolve("disk"), copy, StandardCopyOption.COPY_ATTRIBUTES);
        vmm = ChildVmm.start(directory, List.of("restore", state.toString(), "--disk", "path=" + copy));
        assertThat(vmm.ask("{'execute': 'query-status'}")).contains("\"running\"");
    }

    @Test
    void anotherRamIsRefused() throws Exception {
        Path other = Files.write(memory.resolve("other"), new byte[16 << 20]);
        Shell.Outcome outcome = restore("--ram", "mem-path=" + other);
        assertThat(outcome.err()).contains("is not marked as any guest's");
        assertThat(outcome.code()).isEqualTo(4);
        outcome = restore("--ram", "backend=memfd");
        assertThat(outcome.err()).contains("its RAM was left in place and this RAM is new");
        assertThat(outcome.code()).isEqualTo(4);
    }
}
