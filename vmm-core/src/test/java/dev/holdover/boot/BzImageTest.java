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

class BzImageTest {
    private static final long PARAMS = MemoryMap.BOOT_PARAMS;
    private static final long RAM = 64 * MemoryMap.MIB;

    @TempDir
    Path directory;

    @AutoClose
    private final TestGuest guest = new TestGuest(RAM);

    private Path kernel;
    private Path initrd;

    @BeforeEach
    void names() {
        kernel = directory.resolve("bzImage");
        initrd = directory.resolve("initrd.img");
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
    void entersInLongModeWithABootParamsPage() throws IOException {
        Image image = Image.bzImage();
        CpuEntry entry = guest.boot(image.write(kernel), null, "console=ttyS0 ü");

        assertThat(entry).isEqualTo(CpuEntry.linux(CpuEntry.Mode.LONG_64, Image.PREFERRED + 0x200));
        assertThat(entry.rsi()).isEqualTo(PARAMS);
        assertThat(guest.memory().read(Image.PREFERRED, Image.CODE_SIZE))
                .isEqualTo(image.bytes(Image.SETUP_SIZE, Image.CODE_SIZE));
        // the setup header is the image's, but for the loader's fields
        assertThat(guest.memory().read(PARAMS + 0x1f1, 0x1f)).isEqualTo(image.bytes(0x1f1, 0x1f));
        assertThat(guest.memory().read(PARAMS + 0x22c, 0x40)).isEqualTo(image.bytes(0x22c, 0x40));
        assertThat(guest.memory().getByte(PARAMS + 0x210)).isEqualTo((byte) 0xff);
        assertThat(guest.string(guest.u32(PARAMS + 0x228))).isEqualTo("console=ttyS0 ü");
        assertThat(guest.memory().getLong(PARAMS + 0x70)).isEqualTo(MemoryMap.RSDP);
        assertThat(guest.u32(PARAMS + 0x218)).isZero();
        assertThat(guest.u32(PARAMS + 0x21c)).isZero();
        // nothing of what was in RAM before, the sentinel above all
        assertThat(guest.memory().getByte(PARAMS + 0x1ef)).isZero();
        assertThat(guest.memory().read(PARAMS + 0x26c, 0x24)).containsOnly(0);
    }

    @Test
    void tellsTheMemoryMap() throws IOException {
        guest.boot(Image.bzImage().write(kernel));

        assertThat(guest.memory().getByte(PARAMS + 0x1e8)).isEqualTo((byte) 4);
        long last = PARAMS + 0x2d0 + 3 * 20;
        assertThat(guest.memory().getLong(last)).isEqualTo(MemoryMap.HIGH_MEMORY);
        assertThat(guest.memory().getLong(last + 8)).isEqualTo(RAM - MemoryMap.HIGH_MEMORY);
        assertThat(guest.u32(last + 16)).isEqualTo(E820.RAM);
    }

    @Test
    void leavesWhatABiosWouldHaveSaidOfLowMemory() throws IOException {
        guest.boot(Image.bzImage().write(kernel));
        assertThat(guest.memory().getShort(0x400)).isEqualTo((short) 0x3f8);
        assertThat(guest.memory().getShort(0x40e)).isEqualTo((short) 0x9fc0);
        assertThat(guest.memory().getShort(0x413)).isEqualTo((short) 639);
        assertThat(guest.memory().getByte(0x9fc00)).isEqualTo((byte) 1);
    }

    @Test
    void putsTheInitrdAtTheTopOfRam() throws IOException {
        Files.write(initrd, new byte[] {1, 2, 3});
        guest.boot(Image.bzImage().write(kernel), initrd, "");

        long gpa = guest.u32(PARAMS + 0x218);
        assertThat(gpa).isEqualTo(RAM - MemoryMap.PAGE);
        assertThat(guest.u32(PARAMS + 0x21c)).isEqualTo(3);
        assertThat(guest.memory().read(gpa, 4)).containsExactly(1, 2, 3, 0);
    }

    @Test
    void obeysTheKernelsLimitForTheInitrd() throws IOException {
        Files.write(initrd, new byte[5000]);
        guest.boot(Image.bzImage().u32(0x22c, 0x1ffffff).write(kernel), initrd, "");
        assertThat(guest.u32(PARAMS + 0x218)).isEqualTo(0x2000000 - 2 * MemoryMap.PAGE);

        // XLF_CAN_BE_LOADED_ABOVE_4G lifts it
        guest.boot(Image.bzImage().u32(0x22c, 0x1ffffff).u16(0x236, 3).write(kernel), initrd, "");
        assertThat(guest.u32(PARAMS + 0x218)).isEqualTo(RAM - 2 * MemoryMap.PAGE);
    }

    @Test
    void keepsTheInitrdOffTheKernelsWorkingSpace() throws IOException {
        long end = Image.PREFERRED + Image.INIT_SIZE;
        Image.bzImage().u32(0x22c, end + MemoryMap.PAGE - 1).write(kernel);
        Files.write(initrd, new byte[4096]);
        guest.boot(kernel, initrd, "");
        assertThat(guest.u32(PARAMS + 0x218)).isEqualTo(end);

        Files.write(initrd, new byte[4097]);
        assertThatThrownBy(() -> guest.boot(kernel, initrd, ""))
                .isInstanceOf(VmmException.class)
                .hasMessage(initrd + ": has 5 KiB and does not fit between the kernel's end at 0x1300000 and 0x1301000;"
                        + " give the guest more with --memory or make the initrd smaller");
    }

    @Test
    void entersInProtectedModeWithoutA64BitEntry() throws IOException {
        Image image = Image.bzImage().u16(0x206, 0x206).u8(0x201, 0x23c - 0x202).u8(0x234, 0);
        CpuEntry entry = guest.boot(image.write(kernel));

        assertThat(entry).isEqualTo(CpuEntry.linux(CpuEntry.Mode.PROTECTED_32, 0x100000));
        assertThat(guest.memory().read(0x100000, Image.CODE_SIZE))
                .isEqualTo(image.bytes(Image.SETUP_SIZE, Image.CODE_SIZE));
    }

    @Test
    void putsAKernelThatCannotBeRelocatedWhereItExpectsToBe() throws IOException {
        // memtest86+ prefers that address as well; a Linux of its kind moves itself up from there
        CpuEntry entry = guest.boot(Image.bzImage().u8(0x234, 0).write(kernel));
        assertThat(entry.rip()).isEqualTo(0x100200);

        refused(Image.bzImage().u8(0x234, 0).u64(0x258, RAM - 0x200000), "needs 65536 KiB of RAM at 0x100000");
    }

    @Test
    void refusesWhatNeedsABios() throws IOException {
        refused(Image.bzImage().u16(0x206, 0x203), "boot protocol 2.03", "2.06");
        refused(Image.bzImage().u16(0x206, 0x207).u32(0x214, 0), "code32_start is 0x0", "2.07", "BIOS");
        refused(Image.bzImage().u8(0x211, 0), "zImage");
    }

    @Test
    void refusesAKernelThatIsCutOff() throws IOException {
        refused(Image.bzImage().cut(Image.SETUP_SIZE + Image.CODE_SIZE - 16), "is cut off", "9201", "9200");
        refused(Image.bzImage().u32(0x1f4, 0).cut(Image.SETUP_SIZE), "is cut off");
        refused(Image.bzImage().cut(0x230), "is cut off", "the file has 560");
        refused(Image.bzImage().cut(0x205), "is no kernel, or one that is cut off");
    }

    @Test
    void refusesADamagedHeader() throws IOException {
        refused(Image.bzImage().u8(0x201, 0x10), "is damaged", "0x212");
        refused(Image.bzImage().u8(0x201, 0xff), "is damaged", "0x301");
        refused(Image.bzImage().u64(0x258, 0x8000), "at 0x8000; only addresses from 1 MiB up");
        refused(Image.bzImage().u8(0x234, 0).u64(0x258, 1L << 40), "prefers to run at 0x10000000000");
    }

    @Test
    void refusesAKernelLargerThanRam() throws IOException {
        refused(
                Image.bzImage().u32(0x260, RAM),
                "needs 65536 KiB of RAM at 0x1000000, and the guest's RAM there ends at 0x4000000",
                "--memory");
        refused(Image.bzImage().u64(0x258, 0xfffffffffff00000L), "needs 3072 KiB", "0xfffffffffff00000");
    }

    @Test
    void refusesACommandLineLongerThanTheKernelTakes() throws IOException {
        Image.bzImage().u32(0x238, 255).write(kernel);
        guest.boot(kernel, null, "x".repeat(255));
        assertThat(guest.string(MemoryMap.COMMAND_LINE)).hasSize(255);
        assertThatThrownBy(() -> guest.boot(kernel, null, "x".repeat(256)))
                .isInstanceOf(VmmException.class)
                .hasMessage(
                        kernel + ": takes a command line of at most 255 bytes, and this one has 256; shorten --append");
    }
}
