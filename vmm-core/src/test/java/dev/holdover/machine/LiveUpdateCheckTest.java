package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.machine.Finding.Grade;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A host that lacks nothing, in a directory; then each lack for itself. */
class LiveUpdateCheckTest {
    private static final String THP = "sys/kernel/mm/transparent_hugepage/shmem_enabled";

    @TempDir
    private Path root;

    @BeforeEach
    void makeHost() throws IOException {
        write("dev/liveupdate", "");
        write("proc/cmdline", "root=/dev/vda kho=on liveupdate=on\n");
        write("proc/sys/vm/memfd_noexec", "0\n");
        write("proc/sys/kernel/kexec_load_disabled", "0\n");
        limits("1048576");
        write("proc/meminfo", "MemTotal:        8388608 kB\nMemFree:  1 kB\n");
        write("proc/self/cgroup", "0::/guests/vm0\n");
        write("sys/fs/cgroup/guests/vm0/memory.max", "max\n");
        write("sys/fs/cgroup/guests/memory.max", "max\n");
        write("sys/kernel/kexec_loaded", "1\n");
        write(THP, "always within_size [advise] never deny force\n");
    }

    private void limits(String hard) throws IOException {
        write(
                "proc/self/limits",
                "Limit      Soft Limit  Hard Limit  Units\nMax open files  256  " + hard + "  files\n");
    }

    private void write(String path, String text) throws IOException {
        Path file = root.resolve(path);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private Finding finding(String subject) {
        return new LiveUpdateCheck(root)
                .run().stream()
                        .filter(finding -> finding.subject().equals(subject))
                        .findFirst()
                        .orElseThrow();
    }

    private void limited(String subject, String cost, String advice) {
        Finding finding = finding(subject);
        assertThat(finding.text()).contains(cost);
        assertThat(finding.advice()).contains(advice);
        assertThat(finding.grade()).isEqualTo(Grade.LIMITED);
        // No lack has another's finding for a companion.
        assertThat(new LiveUpdateCheck(root).run())
                .filteredOn(other -> other.grade() != Grade.OK)
                .hasSize(1);
    }

    @Test
    void findsNothingWhereNothingLacks() {
        assertThat(new LiveUpdateCheck(root).run()).hasSize(7).allSatisfy(finding -> {
            assertThat(finding.grade()).as(finding.text()).isEqualTo(Grade.OK);
            assertThat(finding.advice()).isEmpty();
        });
        assertThat(finding("live update").text()).contains("you may open it", ":", "rw-");
    }

    @Test
    void findsNoDevice() throws IOException {
        Files.delete(root.resolve("dev/liveupdate"));
        limited("live update", "cannot outlive a kexec", "CONFIG_LIVEUPDATE");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "quiet",
                "kho=on",
                "liveupdate=on",
                "kho=on liveupdate=on liveupdate=off",
                "-- kho=on liveupdate=on"
            })
    void findsAKernelThatHandsNothingOn(String commandLine) throws IOException {
        write("proc/cmdline", commandLine);
        limited("kernel options", "hands nothing on", "boot loader");
    }

    @Test
    void findsNoKexec() throws IOException {
        Files.delete(root.resolve("sys/kernel/kexec_loaded"));
        limited("kexec", "has no kexec", "CONFIG_KEXEC_FILE");
    }

    @Test
    void saysHowToLoadAKernel() throws IOException {
        write("sys/kernel/kexec_loaded", "0\n");
        assertThat(finding("kexec").text()).contains("no next kernel is loaded", "luoctl load");
        write("proc/sys/kernel/kexec_load_disabled", "1\n");
        limited("kexec", "forbids it until a reboot", "keep that sysctl 0");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"always within_size advise [never] deny force", "always within_size advise never [deny] force"})
    void findsHugePagesOff(String setting) throws IOException {
        write(THP, setting);
        limited("huge pages", "140 ms a GiB", "echo advise");
    }

    @Test
    void findsAKernelWithoutHugePages() throws IOException {
        Files.delete(root.resolve(THP));
        limited("huge pages", "140 ms a GiB", "CONFIG_TRANSPARENT_HUGEPAGE");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            1 | gives back unwritable   | MFD_EXEC
            2 | /dev/shm take their place | sysctl vm.memfd_noexec=1
            """)
    void findsMemfdsSealed(String value, String cost, String advice) throws IOException {
        write("proc/sys/vm/memfd_noexec", value + "\n");
        limited("memfd_noexec", cost, advice);
    }

    @Test
    void takesAKernelBeforeThatSysctl() throws IOException {
        Files.delete(root.resolve("proc/sys/vm/memfd_noexec"));
        assertThat(finding("memfd_noexec").grade()).isEqualTo(Grade.OK);
    }

    @Test
    void findsFewOpenFiles() throws IOException {
        limits("512");
        limited("open files", "RLIMIT_NOFILE is 512", "LimitNOFILE=");
        limits("unlimited");
        assertThat(finding("open files").grade()).isEqualTo(Grade.OK);
    }

    @Test
    void findsTheLeastMemoryLimitAbove() throws IOException {
        write("sys/fs/cgroup/guests/vm0/memory.max", "2147483648\n");
        write("sys/fs/cgroup/guests/memory.max", "1073741824\n");
        limited("memory limit", "/sys/fs/cgroup/guests/memory.max allows 1 GiB of the host's 8 GiB", "MemoryMax=");
    }

    @Test
    void readsControlGroupsOfVersion1() throws IOException {
        write("proc/self/cgroup", "5:devices:/x\n4:memory:/vm\n0::/\n");
        write("sys/fs/cgroup/memory/vm/memory.limit_in_bytes", "536870912\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        limited("memory limit", "/sys/fs/cgroup/memory/vm/memory.limit_in_bytes allows 512 MiB", "MemoryMax=");
    }
}
