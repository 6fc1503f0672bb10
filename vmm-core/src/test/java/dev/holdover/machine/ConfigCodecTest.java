package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.boot.BootConfig;
import dev.holdover.memory.RamConfig;
import dev.holdover.serial.SerialConfig;
import dev.holdover.virtio.DiskConfig;
import dev.holdover.vmstate.SectionEntry;
import dev.holdover.vmstate.SectionView;
import dev.holdover.vmstate.StateException;
import dev.holdover.vmstate.StateInput;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Every version that was ever written is read. */
class ConfigCodecTest {
    private static final String VERSION_1 = "0100" + "67" // name
            + "0500" + "4d454d4644" + "0000000100000000" + "0000" + "01" + "0000000000000000" + "0100" // RAM
            + "02000000" // vCPUs
            + "01" + "0700" + "2f6b65726e656c" + "0000" + "0600" + "717569657420" // /kernel, no initrd, "quiet "
            + "0400" + "6e756c6c" + "0000" // serial, console
            + "01000000" + "0500" + "2f6469736b" + "01" // a disk, read-only
            + "00000000" + "01" + "f4000000" + "00"; // no card, rng, debug exit, on reset

    private static MachineConfig config(boolean pci) {
        return new MachineConfig(
                "g",
                RamConfig.memfd(16 << 20),
                2,
                new BootSource.KernelImage(new BootConfig(Path.of("/kernel"), null, "quiet ")),
                new SerialConfig.Null(),
                null,
                List.of(DiskConfig.raw("/disk", true)),
                List.of(),
                true,
                pci,
                List.of(),
                0xf4,
                false);
    }

    private static StateInput input(byte[] bytes) {
        SectionEntry entry = new SectionEntry("config", 0, 1, 0, bytes.length, 0);
        return new SectionView("a state", entry, MemorySegment.ofArray(bytes)).input();
    }

    private static byte[] encoded(MachineConfig config) {
        return ConfigCodec.encode(config).toArray(ValueLayout.JAVA_BYTE);
    }

    @Test
    void aMachineWithoutPciIsWrittenAsEver() {
        assertThat(ConfigCodec.version(config(false))).isEqualTo(1);
        byte[] bytes = encoded(config(false));
        assertThat(HexFormat.of().formatHex(bytes)).isEqualTo(VERSION_1);
        assertThat(ConfigCodec.decode(1, input(bytes))).isEqualTo(config(false));
    }

    @Test
    void aPciBusComesBack() {
        int version = ConfigCodec.version(config(true));
        assertThat(version).isGreaterThan(1);
        byte[] bytes = encoded(config(true));
        assertThat(ConfigCodec.decode(version, input(bytes))).isEqualTo(config(true));
        assertThatThrownBy(() -> ConfigCodec.decode(1, input(bytes))).isInstanceOf(StateException.class);
        assertThatThrownBy(() -> ConfigCodec.decode(version + 1, input(bytes)))
                .hasMessageContaining("this VMM reads up to");
    }
}
