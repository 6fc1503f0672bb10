package dev.holdover.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DiskTest {
    @TempDir
    Path directory;

    @Test
    void parsesWhatTheUserWrites() {
        assertThat(DiskConfig.parse("path=/a/b.img")).isEqualTo(new DiskConfig("/a/b.img", false));
        assertThat(DiskConfig.parse("readonly=on,path=x=y")).isEqualTo(new DiskConfig("x=y", true));
        assertThat(DiskConfig.parse("path=a,,b,readonly=off")).isEqualTo(new DiskConfig("a,b", false));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "''|no path; write --disk path=FILE[,readonly=on|off][,format=raw][,locking=on|off|auto]",
                "readonly=on|no path",
                "a.img|'a.img' is not KEY=VALUE; keys are path, readonly, format, locking",
                "path=a,format=qcow2|format is raw, not 'qcow2'; other images have to be converted",
                "path=a,locking=yes|locking is on, off or auto, not 'yes'",
                "path=a,bus=ide|unknown key 'bus'",
                "path=|path has no value; write path=VALUE",
                "path=a,path=b|path is given twice",
                "path=a,readonly=yes|readonly is on or off, not 'yes'",
                "path=a,readonly|readonly has no value",
            })
    void refusesWhatItCannotMean(String text, String why) {
        assertThatThrownBy(() -> DiskConfig.parse(text))
                .isInstanceOf(UsageException.class)
                .hasMessageStartingWith("--disk " + text + ": ")
                .hasMessageContaining(why);
    }

    private void refused(Path path, boolean readOnly, String sentence) {
        assertThatThrownBy(() -> Disk.open(new DiskConfig(path.toString(), readOnly)))
                .isInstanceOf(VmmException.class)
                .hasMessage(sentence.replace("FILE", path.toString()));
    }

    @Test
    void saysWhatIsWrongWithAFile() throws Exception {
        Path missing = directory.resolve("missing");
        refused(
                missing,
                false,
                "cannot open disk FILE for writing: ENOENT (No such file or directory);"
                        + " an empty one is made by: truncate -s 1G FILE");
        assertThat(missing).doesNotExist();
        refused(
                directory,
                false,
                "cannot open disk FILE for writing: EISDIR (Is a directory);"
                        + " give a raw image file or a block device");
        refused(directory, true, "disk FILE is a directory; give a raw image file or a block device");
        refused(
                Path.of("/dev/null"),
                false,
                "disk FILE is a character device; give a raw image file or a block device");
        Path empty = Files.createFile(directory.resolve("empty"));
        refused(empty, true, "disk FILE is empty; give it a size, say with: truncate -s 1G FILE");
        Path fifo = directory.resolve("fifo");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();
        refused(fifo, true, "disk FILE is a FIFO or socket; give a raw image file or a block device");
    }

    /** As its bytes, an image of another format is no disk for a guest, whose first write would destroy it. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "514649fb00000003 | 0 | qcow2",
                "51454400 | 0 | QED",
                "4b444d5601000000 | 0 | VMDK",
                "23204469736b2044657363726970746f7246696c65 | 0 | VMDK",
                "7668647866696c65 | 0 | VHDX",
                "636f6e6563746978 | 0 | VHD",
                "636f6e6563746978 | 3584 | VHD",
                "7f10dabe | 64 | VDI",
                "576974686f7574467265655370616365 | 0 | Parallels",
            })
    void refusesImagesOfOtherFormats(String magic, int at, String format) throws IOException {
        byte[] bytes = new byte[4096];
        byte[] found = HexFormat.of().parseHex(magic);
        System.arraycopy(found, 0, bytes, at, found.length);
        Path image = Files.write(directory.resolve("image"), bytes);
        assertThatThrownBy(() -> Disk.open(DiskConfig.parse("path=" + image)))
                .isInstanceOf(VmmException.class)
                .hasMessageStartingWith("disk " + image + " is a " + format + " image, and would be given to the guest")
                .hasMessageContaining("qemu-img convert -O raw " + image)
                .hasMessageContaining("format=raw");
        Disk.open(DiskConfig.parse("format=raw,path=" + image)).close();
        Disk.open(DiskConfig.raw(image.toString(), false)).close(); // a saved guest's: it may have written that
        assertThat(image).hasBinaryContent(bytes);
    }

    @Test
    void isNotLockedIfTheUserSaysSo() throws IOException {
        Path image = Files.write(directory.resolve("image"), new byte[512]);
        try (Disk _ = Disk.open(DiskConfig.parse("locking=on,path=" + image))) {
            Disk.open(DiskConfig.parse("locking=off,path=" + image)).close();
            assertThatThrownBy(() -> Disk.open(DiskConfig.parse("locking=auto,path=" + image)))
                    .hasMessageContaining("in use");
        }
    }

    @Test
    void hasOneWriterOrSeveralReaders() throws IOException {
        Path image = Files.write(directory.resolve("image"), new byte[512]);
        DiskConfig writing = new DiskConfig(image.toString(), false);
        DiskConfig reading = new DiskConfig(image.toString(), true);
        try (Disk _ = Disk.open(writing)) {
            refused(
                    image,
                    false,
                    "disk FILE is in use (by another process, or by another --disk); stop that one first, or have both only read it with"
                            + " readonly=on");
            refused(
                    image,
                    true,
                    "disk FILE is in use (by another process, or by another --disk) and written to; stop that one first");
        }
        try (Disk _ = Disk.open(reading);
                Disk _ = Disk.open(reading)) {
            assertThatThrownBy(() -> Disk.open(writing)).hasMessageContaining("in use");
        }
        Disk.open(writing).close();
    }
}
