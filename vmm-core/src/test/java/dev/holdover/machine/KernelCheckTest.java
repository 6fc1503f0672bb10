package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.machine.Finding.Grade;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KernelCheckTest {
    @TempDir
    private Path root;

    private Finding finding(String subject, Path shm) {
        return new KernelCheck(root, shm)
                .run().stream()
                        .filter(finding -> finding.subject().equals(subject))
                        .findFirst()
                        .orElseThrow();
    }

    private Finding ofRelease(String release) throws IOException {
        Path file = root.resolve("proc/sys/kernel/osrelease");
        Files.createDirectories(file.getParent());
        Files.writeString(file, release + "\n");
        return finding("kernel", root);
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
            5.10.0-30-amd64;  prefault=on,clock,AMX,--vfio,kexec;  nothing
            5.15.0-91-generic; clock,AMX,--vfio,kexec;             prefault=on
            6.1.0-57-amd64;   --vfio,kexec;                        clock
            6.12.1;           shared RAM,kexec;                    AMX
            6.18.44;          kexec;                               --vfio
            """)
    void anOlderKernelLacks(String release, String lost, String there) throws IOException {
        Finding finding = ofRelease(release);
        assertThat(finding.grade()).isEqualTo(Grade.LIMITED);
        assertThat(finding.text())
                .startsWith("Linux " + release)
                .contains(lost.split(","))
                .doesNotContain(there);
    }

    @ParameterizedTest
    @CsvSource({"6.19.0", "7.3.4-amd64", "10.0"})
    void aNewerOneLacksNothing(String release) throws IOException {
        assertThat(ofRelease(release).grade()).isEqualTo(Grade.OK);
    }

    @Test
    void aReleaseThatIsUnknownIsSaid() throws IOException {
        assertThat(finding("kernel", root).text()).contains("/proc/sys/kernel/osrelease");
        assertThat(ofRelease("rolling").grade()).isEqualTo(Grade.LIMITED);
    }

    @Test
    void saysHowThisHostsRamIsMarked() {
        Path shm = Path.of("/dev/shm");
        boolean keeps;
        try (Fd file = Fd.open(shm.toString(), Fd.O_RDWR | Fd.O_TMPFILE, 0600);
                Arena arena = Arena.ofConfined()) {
            keeps = !Errno.EOPNOTSUPP.is(file.trySetAttribute("user.test", arena.allocate(1)));
        }
        Finding finding = finding("RAM in files", shm);
        assertThat(finding.grade()).isEqualTo(Grade.OK);
        assertThat(finding.text()).contains(keeps ? "marked by one" : "marked by a page");
    }

    @Test
    void saysWhereNoFileCanBeMade() {
        Finding finding = finding("RAM in files", root.resolve("missing"));
        assertThat(finding.grade()).isEqualTo(Grade.LIMITED);
        assertThat(finding.text()).contains("ENOENT");
    }
}
