package dev.holdover.boot;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.VmmException;
import dev.holdover.platform.MemoryMap;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class NotAKernelTest {
    @TempDir
    Path directory;

    @AutoClose
    private final TestGuest guest = new TestGuest(8 * MemoryMap.MIB);

    private void refused(Path kernel, String says) {
        assertThatThrownBy(() -> guest.boot(kernel))
                .isInstanceOf(VmmException.class)
                .hasMessageStartingWith(kernel + ": ")
                .hasMessageContaining(says);
    }

    private void refused(Image image, String says) throws IOException {
        refused(image.write(directory.resolve("kernel")), says);
    }

    @Test
    void saysWhatAFileIsInstead() throws IOException {
        refused(new Image(4096).text(0, "MZ").text(0x38, "ARMd"), "Linux kernel for 64-bit ARM");
        refused(new Image(4096).text(0x38, "RSC\u0005"), "Linux kernel for RISC-V");
        refused(new Image(100).text(0, "\u001f\u008b\b\0"), "compressed by gzip; decompress it first");
        refused(new Image(100).text(0, "\u00fd7zXZ"), "compressed by xz");
        refused(new Image(100).text(0, "(\u00b5/\u00fd"), "compressed by zstd");
        refused(new Image(4096).text(0, "070701"), "cpio archive");
        refused(new Image(4096).text(0, "MZ"), "EFI program");
        refused(new Image(4096).u16(0x1fe, 0xaa55), "boot sector or a disk image");
        refused(new Image(4096), "no kernel of a known kind");
        refused(new Image(1), "has 1 bytes and is no kernel");
    }

    @Test
    void knowsMultiboot2() throws IOException {
        Image image = Image.elf64(0x400000, 0x400000, 0x400000)
                .u32(0x1008, 0xe85250d6L)
                .u32(0x100c, 0)
                .u32(0x1010, 24)
                .u32(0x1014, -(0xe85250d6L + 24));
        refused(image, "has a multiboot 2 header");
    }

    @Test
    void wantsAFileThatIsThere() throws IOException {
        refused(directory.resolve("nothing"), "cannot be opened: ENOENT (No such file or directory)");
        refused(directory, "is a directory");
        refused(Path.of("/dev/null"), "is not a regular file");
        refused(Files.createFile(directory.resolve("empty")), "is empty (0 bytes)");
    }

    @Test
    @Timeout(10)
    void doesNotWaitForAFifo() throws IOException, InterruptedException {
        Path fifo = directory.resolve("fifo");
        new ProcessBuilder("mkfifo", fifo.toString()).inheritIO().start().waitFor();
        refused(fifo, "is not a regular file");
    }

    @Test
    void namesAnInitrdThatCannotBeUsed() throws IOException {
        Path kernel = Image.elf64(0x400000, 0x400000, 0x400000).write(directory.resolve("kernel"));
        for (Path initrd :
                new Path[] {directory.resolve("nothing"), directory, Files.createFile(directory.resolve("empty"))}) {
            assertThatThrownBy(() -> guest.boot(kernel, initrd, ""))
                    .isInstanceOf(VmmException.class)
                    .hasMessageStartingWith(initrd + ": ");
        }
    }
}
