package dev.holdover.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.VmmException;
import dev.holdover.platform.MemoryMap;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FlatFirmwareTest {
    @TempDir
    Path directory;

    @Test
    void endsAtFourGibibytesAndAtOneMebibyte() throws IOException {
        Image image = new Image(256 * 1024).pattern(0, 256 * 1024);
        try (FlatFirmware firmware = FlatFirmware.read(image.write(directory.resolve("rom")))) {
            assertThat(firmware.gpa()).isEqualTo(0xfffc0000L);
            assertThat(firmware.rom().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(image.bytes(0, 256 * 1024));
            assertThat(firmware.isaGpa()).isEqualTo(0xe0000);
            assertThat(firmware.isaRom().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(image.bytes(128 * 1024, 128 * 1024));
        }
    }

    @Test
    void showsAllOfASmallOneBelowOneMebibyte() throws IOException {
        try (FlatFirmware firmware = FlatFirmware.read(new Image(4096).write(directory.resolve("rom")))) {
            assertThat(firmware.gpa()).isEqualTo(0xfffff000L);
            assertThat(firmware.isaGpa()).isEqualTo(0xff000);
            assertThat(firmware.isaRom().byteSize()).isEqualTo(4096);
        }
    }

    @Test
    void refusesOtherSizes() throws IOException {
        Path rom = directory.resolve("rom");
        for (int size : new int[] {1, 4095, 65537, (int) MemoryMap.BIOS_MAX_SIZE + 4096}) {
            new Image(size).write(rom);
            assertThatThrownBy(() -> FlatFirmware.read(rom))
                    .isInstanceOf(VmmException.class)
                    .hasMessage(rom + ": has " + size
                            + " bytes; a firmware image is a multiple of 4096 bytes, at most 16384 KiB");
        }
    }
}
