package dev.holdover.vfio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import dev.holdover.vfio.VfioRegion.Area;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What needs no VFIO: reading what the kernel tells, and what becomes of its errors. A memfd stands for the device. */
class VfioDeviceTest {
    private static final int READ_WRITE_MMAP = 7;
    private static final int CAPS = 8;

    /** struct vfio_region_info of 64 KiB with this behind it, 32 bit a word. */
    private static MemorySegment region(Arena arena, int flags, int firstCapability, int... words) {
        MemorySegment info = arena.allocate(32 + 4L * words.length, 8);
        info.set(ValueLayout.JAVA_INT, 0, (int) info.byteSize());
        info.set(ValueLayout.JAVA_INT, 4, flags);
        info.set(ValueLayout.JAVA_INT, 8, 2);
        info.set(ValueLayout.JAVA_INT, 12, firstCapability);
        info.set(ValueLayout.JAVA_LONG, 16, 0x10000);
        info.set(ValueLayout.JAVA_LONG, 24, 2L << 40);
        for (int i = 0; i < words.length; i++) {
            info.set(ValueLayout.JAVA_INT, 32 + 4L * i, words[i]);
        }
        return info;
    }

    private static VfioRegion parse(int flags, int firstCapability, int... words) {
        try (Arena arena = Arena.ofConfined()) {
            return VfioRegion.parse(region(arena, flags, firstCapability, words));
        }
    }

    @Test
    void aRegionWithoutCapabilitiesIsMappableAsAWhole() {
        assertThat(parse(READ_WRITE_MMAP, 0))
                .isEqualTo(new VfioRegion(2, true, true, List.of(new Area(0, 0x10000)), false, 0x10000, 2L << 40));
        assertThat(parse(3, 0).mappable()).isEmpty();
    }

    @Test
    void sparseAreasAndTheMsixMarkAreRead() {
        int[] words = {
            3 | 1 << 16,
            40, // MSI-X mappable, next at 40
            1 | 1 << 16,
            0,
            2,
            0, // sparse, two areas
            0,
            0,
            0x2000,
            0, //
            0x3000,
            0,
            0xd000,
            0
        };
        VfioRegion region = parse(READ_WRITE_MMAP | CAPS, 32, words);
        assertThat(region.mappable()).containsExactly(new Area(0, 0x2000), new Area(0x3000, 0xd000));
        assertThat(region.msixMappable()).isTrue();
    }

    @Test
    void areasOutsideTheRegionAreLeftOut() {
        int[] words = {
            1,
            0,
            6,
            0, //
            0x1000,
            0,
            0x10000,
            0, // beyond the end
            -0x1000,
            -1,
            0x2000,
            0, // before the start
            0x1000,
            0,
            -0x1000,
            0x7fffffff, // overflows
            0x1000,
            0,
            0x800,
            0, // half a page
            0x1000,
            0,
            0,
            0, // nothing
            0xf000,
            0,
            0x1000,
            0
        };
        assertThat(parse(READ_WRITE_MMAP | CAPS, 32, words).mappable()).containsExactly(new Area(0xf000, 0x1000));
    }

    @Test
    void aBrokenChainEndsInsteadOfLeadingOut() {
        int many = Integer.MAX_VALUE;
        assertThat(parse(READ_WRITE_MMAP | CAPS, 32, 1, 0, many, 0, 0, 0, 0x1000, 0)
                        .mappable())
                .as("more areas than there is room for")
                .containsExactly(new Area(0, 0x1000));
        assertThat(parse(READ_WRITE_MMAP | CAPS, 32, 9, 32).mappable())
                .as("a capability that names itself")
                .hasSize(1);
        assertThat(parse(READ_WRITE_MMAP | CAPS, 36, 0, 1).mappable())
                .as("a header cut short")
                .hasSize(1);
        assertThat(parse(READ_WRITE_MMAP | CAPS, 32, 1, 0, 1).mappable())
                .as("a sparse capability cut short")
                .isEmpty();
        assertThat(parse(READ_WRITE_MMAP | CAPS, -1, 0, 0).mappable())
                .as("far outside")
                .hasSize(1);
        assertThat(parse(READ_WRITE_MMAP | CAPS, 8, 0, 0).mappable())
                .as("inside the struct itself")
                .hasSize(1);
    }

    @Test
    void registersAreReadAndWrittenInTheirWidth() {
        try (VfioDevice device = VfioDevice.adopt(Memfd.create("device", 4096), "device")) {
            assertThat(device.write(1024, 8, 8, 0x1122334455667788L)).isTrue();
            assertThat(device.read(1024, 8, 1)).isEqualTo(0x88);
            assertThat(device.read(1024, 10, 2)).isEqualTo(0x5566);
            assertThat(device.read(1024, 8, 4)).isEqualTo(0x55667788L);
            assertThat(device.write(1024, 9, 1, -1)).isTrue();
            assertThat(device.read(1024, 8, 8)).isEqualTo(0x112233445566ff88L);
        }
    }

    @Test
    void whatTheKernelRefusesReadsAsOnes() {
        try (VfioDevice device = VfioDevice.adopt(Memfd.create("device", 4096), "device")) {
            assertThat(device.read(4096, 0, 1)).isEqualTo(0xff);
            assertThat(device.read(4096, -1, 2)).as("half of it").isEqualTo(0xffff);
            assertThat(device.read(0, -4, 4)).isEqualTo(0xffffffffL);
            assertThat(device.read(-1, 0, 8)).isEqualTo(-1);
            assertThat(device.write(0, -4, 4, 1)).isFalse();
        }
    }

    @Test
    void hotResetSaysWhoseDevicesThoseAre() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(12 + 16, 8);
            struct.set(ValueLayout.JAVA_INT, 4, 1);
            struct.set(ValueLayout.JAVA_INT, 12, 3);
            struct.set(ValueLayout.JAVA_BYTE, 18, (byte) 0x81);
            struct.set(ValueLayout.JAVA_BYTE, 19, (byte) (4 << 3 | 1));
            struct.set(ValueLayout.JAVA_INT, 20, -1);
            struct.set(ValueLayout.JAVA_SHORT, 24, (short) 0xf000);
            HotReset info = VfioDevice.hotReset(struct, 2);
            assertThat(info.owned()).isFalse();
            assertThat(info.devices())
                    .extracting(HotReset.Device::toString)
                    .containsExactly("0000:81:04.1", "f000:00:00.0");
            assertThat(info.devices()).extracting(HotReset.Device::owned).containsExactly(true, false);
            struct.set(ValueLayout.JAVA_INT, 4, 3);
            assertThat(VfioDevice.hotReset(struct, 1).owned()).isTrue();
            struct.set(ValueLayout.JAVA_INT, 4, 2);
            assertThat(VfioDevice.hotReset(struct, 1).owned())
                    .as("by group, as of no cdev")
                    .isFalse();
        }
    }

    @Test
    void rangesContainWhatLiesInThem() {
        IovaRange low = new IovaRange(0, 0xfedfffffL);
        IovaRange high = new IovaRange(0xfef00000L, -1);
        assertThat(low.contains(0, 0xfee00000L)).isTrue();
        assertThat(low.contains(0, 0xfee00001L)).isFalse();
        assertThat(low.contains(0, 0)).isFalse();
        assertThat(high.contains(0x100000000L, 1L << 40)).isTrue();
        assertThat(high.contains(0xfeefffffL, 2)).isFalse();
        assertThat(high.contains(-4096, 4096)).isTrue();
        assertThat(high.contains(-4096, 4097)).as("around the end").isFalse();
        assertThat(high).hasToString("0xfef00000-0xffffffffffffffff");
    }

    @Test
    void errorsAreSentences(@TempDir Path directory) throws IOException {
        assertThatThrownBy(() -> VfioDevice.open("/dev/vfio/devices/vfio4711"))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("/dev/vfio/devices/vfio4711: ENOENT")
                .hasMessageContaining("CONFIG_VFIO_DEVICE_CDEV");
        Path file = Files.createFile(directory.resolve("file"));
        // Neither knows the other's ioctls: ENOTTY, as from a kernel that is too old.
        try (Iommufd iommufd = Iommufd.adopt(Fd.open(file.toString(), Fd.O_RDWR));
                VfioDevice device = VfioDevice.open(file.toString());
                Fd memfd = Memfd.create("ram", 4096)) {
            assertThatThrownBy(() -> iommufd.mapFile(1, memfd, 0, 4096, 0xfee00000L))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("4 KiB of guest RAM at 0xfee00000")
                    .hasMessageContaining("ENOTTY")
                    .hasMessageContaining("Linux 6.13");
            assertThatThrownBy(() -> device.bind(iommufd))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("cannot take the device: ioctl VFIO_DEVICE_BIND_IOMMUFD " + file)
                    .hasMessageContaining("ENOTTY");
            assertThat(device.migrationFlags()).isZero();
            assertThatThrownBy(device::hotResetInfo)
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOTTY));
            assertThatThrownBy(() -> device.setInterrupts(VfioDevice.MSIX, 0, new EventFd[2049]))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }
}
