package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** As {@link BadInputTest}, for what the VMM gets from the process that starts it: descriptors, rights, devices. */
class BadSurroundingsTest {
    /** Root without the right to pass over files' permissions. */
    private static final String POWERLESS = "setpriv --bounding-set=-dac_override,-dac_read_search,-net_admin";

    private static final boolean ROOT = Files.isWritable(Path.of("/proc/1/oom_score_adj"));

    @TempDir
    private Path dir;

    @BeforeEach
    void makeFiles() throws IOException {
        Files.copy(Guests.path("poweroff.bin"), dir.resolve("bios"));
        Files.copy(Guests.path("idle.elf"), dir.resolve("kernel"));
        try (RandomAccessFile ram = new RandomAccessFile(dir.resolve("ram").toFile(), "rw")) {
            ram.setLength(1 << 20);
        }
    }

    private void refuses(String script, String inherited, String options, String sentence)
            throws IOException, InterruptedException {
        String[] arguments = ("run --serial null " + options).split(" ", -1);
        Shell.Outcome outcome = new Shell(dir).run(script, Shell.vmm(inherited, arguments));
        assertThat(outcome.err())
                .as(script)
                .startsWith("vmm run: ")
                .contains(sentence)
                .matches("[^\n]+\n");
        assertThat(outcome.out()).isEmpty();
        assertThat(outcome.code()).isEqualTo(sentence.startsWith("--add-fd") ? ExitCode.USAGE : ExitCode.FAILED);
    }

    @NeedsKvm
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            9<ram   | 9  | EACCES (Permission denied); its descriptors are open read-only, one that is open read-write is
            9>>ram  | 9  | EACCES (Permission denied); its descriptors are open write-only
            9<>/dev/null | 9 | can't use backing store /dev/fdset/1 for guest RAM
            9<>bios | 9  | backing store size 0x1000 is too small
            """)
    void refusesADescriptor(String redirection, String inherited, String sentence)
            throws IOException, InterruptedException {
        String options = "--bios bios -m 1M --add-fd fd=9,set=1 --ram mem-path=/dev/fdset/1";
        refuses("exec \"$@\" " + redirection, inherited, options, sentence);
        assertThat(Files.size(dir.resolve("ram"))).isEqualTo(1 << 20);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            9<>ram  | ''
            8<>ram  | 8
            """)
    void refusesADescriptorThatWasNotPassed(String redirection, String inherited)
            throws IOException, InterruptedException {
        refuses(
                "exec \"$@\" " + redirection,
                inherited,
                "--bios bios -m 1M --add-fd fd=9,set=1 --ram mem-path=/dev/fdset/1",
                "--add-fd fd=9,set=1: fd is not valid or already in use");
    }

    @NeedsKvm
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            kernel | -k kernel                       | kernel: cannot be opened: EACCES (Permission denied)
            bios   | --bios bios                     | bios: cannot be opened: EACCES
            ram    | -k kernel -i ram                | ram: cannot be opened: EACCES
            ram    | --bios bios --disk path=ram     | for writing: EACCES (Permission denied); change its permissions
            ram    | --bios bios -m 1M --ram mem-path=ram | it must be open to you for reading and writing
            closed | --bios bios --ram mem-path=closed/ram | can't open backing store closed/ram for guest RAM: EACCES
            closed | --bios bios --console file:closed/log | open closed/log: EACCES (Permission denied): name a file
            """)
    void refusesWhatMayNotBeOpened(String file, String options, String sentence)
            throws IOException, InterruptedException {
        Path path = dir.resolve(file);
        if (!Files.exists(path)) {
            Files.createDirectory(path);
        }
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("---------"));
        try {
            refuses((ROOT ? POWERLESS : "exec") + " \"$@\"", "", options, sentence);
        } finally {
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwx------"));
        }
    }

    @NeedsKvm
    @Test
    void refusesATapWithoutTheRightToMakeOne() throws IOException, InterruptedException {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "/dev/net/tun");
        refuses(
                (ROOT ? POWERLESS : "exec") + " \"$@\"",
                "",
                "--bios bios --net tap=holdovertest",
                "EPERM (Operation not permitted); have root make it for you: ip tuntap add dev holdovertest");
    }

    @Test
    void refusesAHostWithoutKvm() throws IOException, InterruptedException {
        refusesAfter("mount -t tmpfs none /dev", "cannot open /dev/kvm: ENOENT (No such file or directory):");
    }

    @NeedsKvm
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            mount --bind /dev/null /dev/kvm | /dev/kvm is not KVM: ioctl KVM_GET_API_VERSION: ENOTTY
            mount --bind shut /dev/kvm      | cannot open /dev/kvm: EACCES (Permission denied): only its owner may
            """)
    void refusesADeviceNodeThatCannotBeUsed(String mount, String sentence) throws IOException, InterruptedException {
        refusesAfter(mount, sentence);
    }

    private void refusesAfter(String mount, String sentence) throws IOException, InterruptedException {
        assumeTrue(ROOT, "a mount namespace");
        Files.createFile(
                dir.resolve("shut"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("---------")));
        refuses(
                "exec unshare -m sh -c '" + mount + " && exec " + POWERLESS + " \"$@\"' sh \"$@\"",
                "",
                "--bios bios",
                sentence);
    }

    /** Its rehearsal needs KVM: whichever side of that fails first, the user is told the cause. */
    @Test
    void aStandbyWithoutKvmSaysSo() throws IOException, InterruptedException {
        assumeTrue(ROOT, "a mount namespace");
        String onlyRandom = "touch random && mount --bind /dev/urandom random && mount -t tmpfs none /dev"
                + " && touch /dev/urandom && mount --bind random /dev/urandom";
        Shell.Outcome outcome = new Shell(dir)
                .run(
                        "exec unshare -m sh -c '" + onlyRandom + " && exec \"$@\"' sh \"$@\"",
                        Shell.vmm("", "standby", "--listen", "socket"));
        assertThat(outcome.err())
                .startsWith("vmm standby: cannot open /dev/kvm: ENOENT (No such file or directory): ")
                .hasLineCount(1);
        assertThat(outcome.code()).isEqualTo(ExitCode.FAILED);
        assertThat(dir.resolve("socket")).doesNotExist();
    }
}
