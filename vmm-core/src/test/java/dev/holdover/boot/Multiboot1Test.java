package dev.holdover.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.VmmException;
import dev.holdover.platform.MemoryMap;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class Multiboot1Test {
    private static final long PHYSICAL = 0x400000;
    private static final long INFO = MemoryMap.MULTIBOOT_INFO;
    private static final long RAM = 16 * MemoryMap.MIB;
    private static final int HEADER = 0x1200;

    @TempDir
    Path directory;

    @AutoClose
    private final TestGuest guest = new TestGuest(RAM);

    private Path kernel;

    @BeforeEach
    void name() {
        kernel = directory.resolve("test.flat");
    }

    private void refused(Image image, String... says) throws IOException {
        image.write(kernel);
        assertThatThrownBy(() -> guest.boot(kernel))
                .isInstanceOf(VmmException.class)
                .hasMessageStartingWith(kernel + ": ")
                .message()
                .contains(says);
    }

    @Test
    void entersAnElfFileWithItsBootInformation() throws IOException {
        Image image = Image.elf32(PHYSICAL, PHYSICAL + 4).multiboot(HEADER, 0);
        Path module = Files.writeString(directory.resolve("env"), "NR_CPUS=2\n");
        CpuEntry entry = guest.boot(image.write(kernel), module, "arg1 arg2");

        assertThat(entry).isEqualTo(new CpuEntry(CpuEntry.Mode.PROTECTED_32, PHYSICAL + 4, 0, 0, INFO, 0x2badb002L));
        assertThat(guest.memory().read(PHYSICAL, 0x100)).isEqualTo(image.bytes(Image.ELF_CODE, 0x100));
        assertThat(guest.u32(INFO)).isEqualTo(0x24d);
        assertThat(guest.u32(INFO + 4)).isEqualTo(639);
        assertThat(guest.u32(INFO + 8)).isEqualTo(15 * 1024);
        assertThat(guest.string(guest.u32(INFO + 16))).isEqualTo("test.flat arg1 arg2");
        assertThat(guest.string(guest.u32(INFO + 64))).isEqualTo("Holdover");
    }

    @Test
    void givesTheInitrdAsAModule() throws IOException {
        Path module = Files.writeString(directory.resolve("env"), "NR_CPUS=2\n");
        guest.boot(Image.elf32(PHYSICAL, PHYSICAL).multiboot(0x40 * 4, 0).write(kernel), module, "");

        assertThat(guest.u32(INFO + 20)).isEqualTo(1);
        long modules = guest.u32(INFO + 24);
        long start = guest.u32(modules);
        assertThat(start % MemoryMap.PAGE).isZero();
        assertThat(guest.u32(modules + 4) - start).isEqualTo(10);
        assertThat(guest.memory().read(start, 10)).asString().isEqualTo("NR_CPUS=2\n");
        assertThat(guest.string(guest.u32(modules + 8))).isEqualTo("env");

        guest.boot(kernel);
        assertThat(guest.u32(INFO) & 8).isZero();
        assertThat(guest.u32(INFO + 20)).isZero();
        assertThat(guest.string(guest.u32(INFO + 16))).isEqualTo("test.flat");
    }

    @Test
    void tellsTheMemoryMap() throws IOException {
        guest.boot(Image.elf32(PHYSICAL, PHYSICAL).multiboot(HEADER, 2).write(kernel));
        long at = guest.u32(INFO + 48);
        long end = at + guest.u32(INFO + 44);
        long ram = 0;
        while (at < end) {
            if (guest.u32(at + 20) == E820.RAM) {
                ram += guest.memory().getLong(at + 12);
            }
            at += guest.u32(at) + 4;
        }
        assertThat(at).isEqualTo(end);
        assertThat(ram).isEqualTo(RAM - (MemoryMap.HIGH_MEMORY - MemoryMap.EBDA));
    }

    @Test
    void loadsAnyFileWhoseHeaderHasAddresses() throws IOException {
        Image image = new Image(0x1000)
                .pattern(0, 0x1000)
                .multiboot(0x100, 1 << 16)
                .u32(0x10c, 0x200080)
                .u32(0x110, 0x200000)
                .u32(0x114, 0x200f00)
                .u32(0x118, 0x201000)
                .u32(0x11c, 0x200200);
        CpuEntry entry = guest.boot(image.write(kernel));
        assertThat(entry.rip()).isEqualTo(0x200200);
        assertThat(guest.memory().read(0x200000, 0xf00)).isEqualTo(image.bytes(0x80, 0xf00));
        assertThat(guest.memory().read(0x200f00, 0x100)).containsOnly(0);

        // ends of 0: all of the file, nothing to clear
        Image whole = image.copy().u32(0x114, 0).u32(0x118, 0);
        guest.boot(whole.write(kernel));
        assertThat(guest.memory().read(0x200000, 0xf80)).isEqualTo(whole.bytes(0x80, 0xf80));

        refused(image.copy().u32(0x10c, 0x1fffff), "is damaged", "0x1fffff");
        refused(image.copy().u32(0x10c, 0x200101), "is damaged");
        refused(image.copy().u32(0x114, 0x200f81).u32(0x118, 0), "is cut off");
        refused(image.copy().u32(0x114, 0x1ff000), "is damaged");
        refused(image.copy().u32(0x118, 0x200eff), "is damaged");
        refused(image.copy().u32(0x11c, 0x201000), "its entry at 0x201000 is outside");
    }

    @Test
    void refusesWhatItCannotGive() throws IOException {
        refused(Image.elf32(PHYSICAL, PHYSICAL).multiboot(HEADER, 1 << 5), "asks by the flags 0x20");
        refused(new Image(0x1000).multiboot(0, 0), "without load addresses");
    }

    @Test
    void takesNoNoticeOfAHeaderThatIsNone() throws IOException {
        String says = "neither a PVH note nor a multiboot header";
        refused(Image.elf32(PHYSICAL, PHYSICAL), says);
        refused(Image.elf32(PHYSICAL, PHYSICAL).multiboot(HEADER, 0).u32(HEADER + 8, 1), says); // checksum
        refused(Image.elf32(PHYSICAL, PHYSICAL).multiboot(HEADER + 2, 0), says); // alignment
    }
}
