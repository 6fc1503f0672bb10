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

class ElfKernelTest {
    private static final long PHYSICAL = 0x1000000;
    private static final long VIRTUAL = 0xffffffff81000000L;
    private static final long RAM = 32 * MemoryMap.MIB;

    @TempDir
    Path directory;

    @AutoClose
    private final TestGuest guest = new TestGuest(RAM);

    private Path kernel;
    private Path initrd;

    @BeforeEach
    void names() {
        kernel = directory.resolve("vmlinux");
        initrd = directory.resolve("initrd.img");
    }

    private static Image vmlinux() {
        return Image.elf64(PHYSICAL, VIRTUAL, PHYSICAL + 0x40);
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
    void entersVmlinuxByThe64BitProtocol() throws IOException {
        Image image = vmlinux();
        guest.memory().slice(PHYSICAL, 0x4000).fill((byte) 0xcc);
        Files.write(initrd, new byte[100]);
        CpuEntry entry = guest.boot(image.write(kernel), initrd, "quiet");

        assertThat(entry).isEqualTo(CpuEntry.linux(CpuEntry.Mode.LONG_64, PHYSICAL + 0x40));
        assertThat(guest.memory().read(PHYSICAL, 0x100)).isEqualTo(image.bytes(Image.ELF_CODE, 0x100));
        assertThat(guest.memory().read(PHYSICAL + 0x100, 0x2f00)).containsOnly(0);
        assertThat(guest.memory().getByte(PHYSICAL + 0x3000)).isEqualTo((byte) 0xcc);
        long params = MemoryMap.BOOT_PARAMS;
        assertThat(guest.memory().getShort(params + 0x1fe)).isEqualTo((short) 0xaa55);
        assertThat(guest.memory().read(params + 0x202, 4)).containsExactly('H', 'd', 'r', 'S');
        assertThat(guest.string(guest.u32(params + 0x228))).isEqualTo("quiet");
        assertThat(guest.u32(params + 0x218)).isEqualTo(RAM - MemoryMap.PAGE);
        assertThat(guest.u32(params + 0x21c)).isEqualTo(100);
    }

    @Test
    void takesTheEntryOfThePvhNoteFirst() throws IOException {
        Files.write(initrd, new byte[] {9, 8});
        for (int valueSize = 4; valueSize <= 8; valueSize += 4) {
            CpuEntry entry =
                    guest.boot(vmlinux().pvhNote(PHYSICAL + 0x80, valueSize).write(kernel), initrd, "a=b");

            assertThat(entry)
                    .isEqualTo(new CpuEntry(CpuEntry.Mode.PROTECTED_32, PHYSICAL + 0x80, 0, 0, MemoryMap.PVH_INFO, 0));
        }
        long info = MemoryMap.PVH_INFO;
        assertThat(guest.u32(info)).isEqualTo(0x336ec578);
        assertThat(guest.u32(info + 4)).isEqualTo(1);
        assertThat(guest.u32(info + 12)).isEqualTo(1);
        long module = guest.memory().getLong(info + 16);
        assertThat(guest.memory().read(guest.memory().getLong(module), 3)).containsExactly(9, 8, 0);
        assertThat(guest.memory().getLong(module + 8)).isEqualTo(2);
        assertThat(guest.string(guest.memory().getLong(info + 24))).isEqualTo("a=b");
        assertThat(guest.memory().getLong(info + 32)).isEqualTo(MemoryMap.RSDP);
        long map = guest.memory().getLong(info + 40);
        assertThat(guest.u32(info + 48)).isEqualTo(4);
        assertThat(guest.memory().getLong(map + 3 * 24)).isEqualTo(MemoryMap.HIGH_MEMORY);
        assertThat(guest.memory().getLong(map + 3 * 24 + 8)).isEqualTo(RAM - MemoryMap.HIGH_MEMORY);
        assertThat(guest.memory().getLong(map + 3 * 24 + 16)).isEqualTo(E820.RAM);
    }

    @Test
    void tellsAPvhKernelOfNoModuleWhereThereIsNone() throws IOException {
        guest.boot(vmlinux().pvhNote(PHYSICAL, 8).write(kernel));
        assertThat(guest.u32(MemoryMap.PVH_INFO + 12)).isZero();
        assertThat(guest.memory().getLong(MemoryMap.PVH_INFO + 16)).isZero();
    }

    @Test
    void takesAVirtualEntryForItsPhysicalPlace() throws IOException {
        CpuEntry entry =
                guest.boot(Image.elf64(PHYSICAL, VIRTUAL, VIRTUAL + 0x10).write(kernel));
        assertThat(entry.rip()).isEqualTo(PHYSICAL + 0x10);
        refused(Image.elf64(PHYSICAL, VIRTUAL, PHYSICAL + 0x3000), "its entry at 0x1003000 is outside");
        refused(vmlinux().pvhNote(0x100000, 4), "its entry at 0x100000 is outside");
    }

    @Test
    void refusesAProgram() throws IOException {
        String says = "is a program or library of user space";
        refused(vmlinux().header64(3), says); // PT_INTERP
        refused(vmlinux().header64(7), says); // PT_TLS, as static programs have
        refused(vmlinux().u16(16, 3), says); // ET_DYN
        refused(vmlinux().u16(16, 1), "an object, a module or a core dump");
    }

    @Test
    void refusesAnotherMachine() throws IOException {
        refused(vmlinux().u16(18, 183), "for 64-bit ARM; this machine is x86");
        refused(vmlinux().u16(18, 12345), "for another machine (number 12345)");
        refused(vmlinux().u8(5, 2), "big-endian");
        refused(vmlinux().u8(4, 3), "class 3");
    }

    @Test
    void refusesWhatIsCutOff() throws IOException {
        refused(vmlinux().cut(30), "is cut off: it has 30 bytes");
        refused(vmlinux().cut(100), "is cut off: its program headers start at byte 64");
        refused(vmlinux().cut(Image.ELF_CODE + 0xff), "is cut off: a segment of 256 bytes starts at byte 4096");
        refused(vmlinux().pvhNote(PHYSICAL, 8).u64(128, 0x7fffffffffffffffL), "is cut off: its notes");
    }

    @Test
    void refusesHostileSegments() throws IOException {
        refused(vmlinux().u64(64 + 40, 0xff), "more bytes in the file than in memory");
        refused(vmlinux().u64(64 + 8, -1L), "is cut off");
        refused(vmlinux().u64(64 + 40, -1L).u64(24, PHYSICAL), "needs 18014398509481984 KiB of RAM at 0x1000000");
        refused(vmlinux().u64(64 + 24, -0x1000L).u64(24, -0x1000L), "at 0xfffffffffffff000");
        refused(vmlinux().u64(64 + 24, 0x7000).u64(24, 0x7000), "at 0x7000; only addresses from 1 MiB up");
        refused(vmlinux().u64(64 + 24, RAM - 0x1000).u64(24, RAM - 0x1000), "needs 12 KiB of RAM", "ends at 0x2000000");
        refused(vmlinux().u64(64 + 40, 0).u64(64 + 32, 0), "nothing to load");
        refused(vmlinux().u16(56, 0xffff), "65535 program headers");
    }

    @Test
    void survivesNotesThatLie() throws IOException {
        Image image = vmlinux().pvhNote(PHYSICAL, 8);
        for (long size : new long[] {0x7fffffffL, 0xffffffffL, 0xfffffff4L}) {
            CpuEntry entry = guest.boot(image.copy().u32(Image.NOTES, size).write(kernel));
            assertThat(entry.mode()).isEqualTo(CpuEntry.Mode.LONG_64);
            entry = guest.boot(image.copy().u32(Image.NOTES + 4, size).write(kernel));
            assertThat(entry.mode()).isEqualTo(CpuEntry.Mode.LONG_64);
        }
    }

    @Test
    void refusesMoreCommandLineThanLinuxTakes() throws IOException {
        vmlinux().write(kernel);
        assertThatThrownBy(() -> guest.boot(kernel, null, "x".repeat(2048)))
                .hasMessageContaining("at most 2047 bytes, and this one has 2048");
    }
}
