package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.testing.NeedsKvm;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What a user may get wrong: one sentence on stderr that names it, the right exit code, and no file that was not there
 * before. In this JVM; what needs a process of its own is in {@link BadSurroundingsTest}.
 */
class BadInputTest {
    private static final int MIB = 1 << 20;

    @TempDir
    private Path dir;

    /** Files of every wrong kind, and what is right beside them. */
    @BeforeEach
    void makeFiles() throws IOException {
        Files.copy(Guests.path("poweroff.bin"), dir.resolve("bios"));
        Files.copy(Guests.path("idle.elf"), dir.resolve("kernel"));
        byte[] elf = Files.readAllBytes(Guests.path("pvh.elf"));
        Files.write(dir.resolve("cut"), Arrays.copyOf(elf, 100));
        Files.writeString(dir.resolve("text"), "no kernel");
        Files.createFile(dir.resolve("empty"));
        Files.createDirectory(dir.resolve("dir"));
        Files.createSymbolicLink(dir.resolve("nowhere"), dir.resolve("missing/file"));
        makeSparse("disk", MIB);
        makeSparse("huge", 40 * MIB);
        makeSparse("ram", MIB);
    }

    private void makeSparse(String name, long size) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(dir.resolve(name).toFile(), "rw")) {
            file.setLength(size);
        }
    }

    private record Outcome(int code, String said) {}

    /** Runs a command line in which TMP/ stands for the directory of the files and EMPTY for an empty argument. */
    private Outcome vmm(String line) {
        List<String> arguments = new ArrayList<>();
        for (String word : line.split(" ", -1)) {
            arguments.add(word.replace("EMPTY", "").replace("TMP", dir.toString()));
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream console = System.err;
        System.setErr(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        int code;
        try {
            code = Main.execute(arguments.toArray(new String[0]));
        } finally {
            System.setErr(console);
        }
        return new Outcome(code, bytes.toString(StandardCharsets.UTF_8));
    }

    private void refuses(int code, String line, String sentence) throws IOException {
        List<Path> before = files();
        Outcome outcome = vmm(line);
        assertThat(outcome.said())
                .as(line)
                .contains(sentence.replace("TMP", dir.toString()))
                .matches("vmm( [a-z]+)?: [^\n]{10,}\n");
        assertThat(outcome.code()).isEqualTo(code);
        assertThat(files()).isEqualTo(before);
        assertThat(dir.resolve("text")).hasContent("no kernel");
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.walk(dir)) {
            return files.sorted().toList();
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', maxCharsPerColumn = 8192, textBlock = """
            bogus                       | unknown command 'bogus'; see ./vmm --help
            rn                          | unknown command 'rn' (did you mean run?)
            help bogus                  | 'bogus'; see ./vmm --help
            -x                          | unknown option '-x'
            demo x                      | unexpected argument 'x'; see ./vmm demo --help
            doctor --x                  | unknown option '--x'
            run --bois x                | unknown option '--bois' (did you mean --bios?); see ./vmm run --help
            run --memroy=3              | unknown option '--memroy' (did you mean --memory?)
            run extra                   | unexpected argument 'extra'
            run -- --bios               | unexpected argument '--bios'
            run @args                   | unexpected argument '@args'
            run -m 1M --memory 2M       | --memory is given twice
            run -k                      | --kernel needs a value: FILE
            run -m -k                   | --memory needs a value: SIZE
            run --ram                   | --ram needs a value: KEY=VALUE
            run --rng=x                 | 'x' is not a boolean
            run                         | nothing to boot: give a kernel with -k or a firmware image with --bios
            run -k TMP/kernel --bios TMP/bios | -k and --bios exclude each other
            run --control EMPTY         | --control is empty
            run --machine pc            | --machine pc: expected none
            run --machine none          | --machine none needs a control socket
            run --machine none --control TMP/new --bios TMP/bios | --machine none boots nothing: leave --bios out
            restore                     | nothing to restore: name a state, or an agent with --live-update
            restore TMP/text TMP/text   | unexpected argument
            restore EMPTY               | STATE is empty: name one
            restore TMP/text --ram EMPTY | --ram is empty
            restore TMP/text --serial EMPTY | --serial is empty
            restore TMP/text --control EMPTY | --control is empty
            restore TMP/text --add-fd fd=9,set=1 | --add-fd fd=9,set=1: fd is not valid or already in use
            inspect                     | STATE is missing; see ./vmm inspect --help
            inspect EMPTY               | STATE is empty: name one
            ctl                         | SOCKET is missing; see ./vmm ctl --help
            ctl TMP/text                | COMMAND is missing
            ctl EMPTY stop              | SOCKET is empty: name one
            ctl TMP/text EMPTY          | COMMAND is empty: name one
            ctl TMP/text timeline x     | timeline: takes no arguments but --svg FILE
            ctl TMP/text timeline --svg EMPTY | --svg is empty
            ctl TMP/text stop --svg TMP/new | --svg goes with timeline only
            ctl TMP/text timeline --force | --force goes with save only
            ctl TMP/text handover       | handover: expected the socket of a VMM that stands by
            ctl TMP/text handover a b   | handover: expected the socket of a VMM that stands by
            inspect TMP/text --svg EMPTY | --svg is empty
            standby                     | --listen
            standby --listen EMPTY      | --listen is empty
            standby --listen TMP/new --control EMPTY | --control is empty
            standby --listen TMP/new x  | unexpected argument 'x'
            run -k TMP/kernel --live-update luod | --live-update needs a name
            run -k TMP/kernel --name a --live-update EMPTY | --live-update is empty
            run -k TMP/kernel --name a --live-update foo | --live-update foo: expected luod[,socket=PATH]|systemd|device
            run -k TMP/kernel --name a --live-update luod, | --live-update luod,: expected luod[,socket=PATH]|
            run -k TMP/kernel --name a --live-update luod,socket= | --live-update luod,socket=: expected luod[,socket=PATH]
            run -k TMP/kernel --name a --live-update device,holder=x | --live-update device,holder=x: holder= goes with ./vmm restore only
            restore --live-update luod  | --live-update needs a name
            restore --live-update luod --name EMPTY | --name is empty
            restore --live-update none --name a | --live-update none: nobody to restore a guest from
            restore TMP/text --live-update luod --name a | a state and --live-update exclude each other
            restore --name a            | nothing to restore: name a state, or an agent with --live-update
            restore --live-update luod --name a --ram thp=on | --ram goes with a state only
            restore --live-update luod --name a --force | --force goes with a state only
            restore TMP/text --or-boot -k TMP/kernel | --or-boot goes with --live-update
            restore TMP/text --name a   | --name goes with --live-update
            restore --live-update luod --name a --or-boot | --or-boot needs options of run
            restore --live-update luod --name a --disk path=TMP/disk --add-fd fd=9,set=1 | --add-fd goes with a state only
            ctl TMP/text stop --force   | --force goes with save only
            ctl TMP/text save           | save: expected one file for the state
            ctl TMP/text stop x         | x: expected key=value, or one JSON object
            ctl TMP/text stop {bad      | {bad: JSON parse error
            ctl TMP/text add-fd         | add-fd: expected fd=N
            ctl TMP/text add-fd fd=9    | add-fd fd=9: no such file descriptor was passed to this command
            """)
    void refusesACommandLine(String line, String sentence) throws IOException {
        refuses(ExitCode.USAGE, line, sentence);
    }

    @Test
    void refusesNoCommandAtAll() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream console = System.err;
        System.setErr(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        try {
            assertThat(Main.execute()).isEqualTo(ExitCode.USAGE);
        } finally {
            System.setErr(console);
        }
        assertThat(bytes).hasToString("vmm: no command is given; ./vmm --help lists them\n");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', maxCharsPerColumn = 8192, textBlock = """
            --kernel EMPTY   | --kernel is empty
            --memory EMPTY   | --memory is empty
            --ram EMPTY      | --ram is empty
            --add-fd EMPTY   | --add-fd is empty
            --cpus EMPTY     | --cpus is empty
            --serial EMPTY   | --serial is empty
            --console EMPTY  | --console is empty
            --disk EMPTY     | --disk is empty
            --net EMPTY      | --net is empty
            --vfio EMPTY     | --vfio is empty
            --debug-exit EMPTY | --debug-exit is empty
            --on-reset EMPTY | --on-reset is empty
            --cpus 0         | --cpus 0: expected a number from 1 to 255
            --cpus 10000     | --cpus 10000: expected a number from 1 to 255
            --cpus abc       | --cpus abc: expected a number from 1 to 255
            --cpus -1        | --cpus -1: expected a number from 1 to 255
            --cpus 1.5       | --cpus 1.5: expected a number from 1 to 255
            --cpus 0x        | --cpus 0x: expected a number from 1 to 255
            --cpus 4294967297 | --cpus 4294967297: expected a number from 1 to 255
            -m 0             | -m 0: a guest needs RAM
            -m abc           | -m abc: expects a size
            -m -1            | -m -1: expects a size
            -m 16E           | -m 16E: expects a size
            -m 4095B         | -m 4095B: 4095 bytes are no multiple of the page size 4096
            --ram x          | --ram x: Invalid parameter 'x' (there are backend=memfd|file|anonymous
            --ram size=1G    | Invalid parameter 'size'
            --ram backend=x  | Parameter 'backend' expects 'memfd', 'file' or 'anonymous'
            --ram backend=file | Parameter 'mem-path' is missing
            --ram mem-path=  | Parameter 'mem-path' expects a path
            --ram backend=memfd,mem-path=TMP/new | Parameter 'mem-path' expects backend=file, or none
            --ram share=maybe | Parameter 'share' expects 'on' or 'off'
            --ram share=on,share=off | Parameter 'share' is given twice
            --ram backend=anonymous,share=on | shared RAM is backend=memfd
            --ram mem-path=TMP/ram,offset=1 | Parameter 'offset' expects a multiple of the page size 4096
            --ram thp=2      | Parameter 'thp' expects 'on' or 'off'
            --ram prefault=yes | Parameter 'prefault' expects 'on' or 'off'
            --add-fd 3       | --add-fd 3: Invalid parameter '3'
            --add-fd foo=1   | Invalid parameter 'foo'
            --add-fd fd=x,set=1 | Parameter 'fd' expects a number
            --add-fd fd=9,set=x | Parameter 'set' expects a number
            --add-fd set=1   | fd option is required and must be non-negative
            --add-fd fd=-1,set=1 | fd option is required and must be non-negative
            --add-fd fd=0,set=1 | fd cannot be a standard I/O stream
            --add-fd fd=2,set=1 | fd cannot be a standard I/O stream
            --add-fd fd=3,set=1 | fd is not valid or already in use; have the shell pass it: ./vmm ... 3<>FILE
            --add-fd fd=99999999999,set=1 | fd is not valid or already in use
            --serial x       | --serial x is not known: use stdio, null, file:PATH, unix:PATH or pty
            --serial file:   | --serial file: needs a path
            --serial unix:   | --serial unix: needs a path
            --serial tcp:1   | --serial tcp:1 is not known
            --console stdio  | the terminal belongs to --serial
            --console file:  | --console file: is not known: use pty or file:PATH
            --disk TMP/disk  | is not KEY=VALUE; keys are path, readonly
            --disk path=     | path has no value
            --disk path=TMP/disk,readonly=maybe | readonly is on or off, not 'maybe'
            --disk path=TMP/disk,path=TMP/disk | path is given twice
            --disk readonly=on | no path; write --disk path=FILE
            --disk path=TMP/disk,bus=ide | unknown key 'bus'; known are path, readonly
            --vfio ,on-kexec=reset | no device; write --vfio BDF
            --vfio 0:4.0,on-kexec=x | 'on-kexec=x' is unknown; write --vfio BDF
            --net x          | 'x' is not KEY=VALUE; keys are tap, mac
            --net mac=52:54:00:12:34:56 | no tap; write --net tap=NAME
            --net tap=a/b    | 'a/b' is no interface name
            --net tap=abcdefghijklmnop | 'abcdefghijklmnop' is no interface name
            --net tap=t0,mac=xx | --net tap=t0,mac=xx: 'xx' is no MAC address
            --net tap=t0,mac=01:00:00:00:00:00 | the first octet is even
            --debug-exit 99999 | --debug-exit 99999: expected a number from 0 to 65535
            --debug-exit x   | --debug-exit x: expected a number from 0 to 65535
            --on-reset x     | --on-reset x: expected exit or reboot
            --initrd TMP/disk | --initrd needs a kernel
            --append quiet   | --append needs a kernel
            """)
    void refusesAValue(String option, String sentence) throws IOException {
        String serial = option.startsWith("--serial") ? "" : "--serial null ";
        String bios = option.startsWith("--kernel") ? "" : "--bios TMP/bios ";
        refuses(ExitCode.USAGE, "run " + bios + serial + option, sentence);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', maxCharsPerColumn = 8192, textBlock = """
            ctl TMP/no/socket timeline  | cannot connect to the control socket TMP/no/socket, ENOENT
            ctl TMP/text handover x     | cannot connect to the control socket TMP/text, ECONNREFUSED
            standby --listen TMP/text   | the stand-by socket TMP/text cannot be made, EEXIST
            standby --listen TMP/no/new | the stand-by socket TMP/no/new cannot be made, ENOENT
            """)
    void refusesWhatIsInTheWay(String line, String sentence) throws IOException {
        refuses(ExitCode.FAILED, line, sentence);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            --ram share=off      | it is private (backend=anonymous or
            --ram mem-path=TMP/r | guest RAM cannot be kept
            """)
    void refusesRamThatALiveUpdateCannotKeep(String options, String sentence) throws IOException {
        makeSparse("r", 256L << 20);
        refuses(ExitCode.FAILED, "run -k TMP/kernel --serial null --name a --live-update luod " + options, sentence);
    }

    @Test
    void waitsNotForEverForAControlSocketThatDoesNotGreet() throws IOException {
        try (ServerSocketChannel silent = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            silent.bind(UnixDomainSocketAddress.of(dir.resolve("silent")));
            refuses(
                    ExitCode.FAILED,
                    "ctl TMP/silent stop",
                    "TMP/silent does not answer within "
                            + Patience.text(Patience.host().millis(10_000)));
        }
    }

    @Test
    void refusesANameThatWouldBreakMessages() throws IOException {
        refuses(ExitCode.USAGE, "run --bios TMP/bios --name a\nb", "--name has a control character");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', maxCharsPerColumn = 8192, textBlock = """
            -k TMP/missing --pci     | TMP/missing: cannot be opened: ENOENT (No such file or directory)
            -k TMP/missing --cpus 255 | TMP/missing: cannot be opened: ENOENT (No such file or directory)
            -k TMP/missing           | TMP/missing: cannot be opened: ENOENT (No such file or directory)
            -k TMP/text/x            | TMP/text/x: cannot be opened: ENOTDIR
            -k TMP/dir               | TMP/dir: is a directory; name a file
            -k /dev/null             | /dev/null: is not a regular file
            -k TMP/empty             | TMP/empty: is empty
            -k TMP/text              | TMP/text: has 9 bytes and is no kernel
            -k TMP/cut               | TMP/cut: is cut off
            -k TMP/huge              | TMP/huge: is no kernel of a known kind
            -k /bin/true             | /bin/true: is a program or library of user space
            -k TMP/kernel -m 1M      | TMP/kernel: needs 1 KiB of RAM at 0x100000, and the guest's RAM there ends at
            -k TMP/kernel -m 64K     | need 1 MiB of RAM, and there is less; give it more with --memory
            -k TMP/kernel -m 8M -i TMP/huge    | TMP/huge: has 40960 KiB and does not fit
            -k TMP/kernel -i TMP/missing | TMP/missing: cannot be opened: ENOENT
            -k TMP/kernel -i TMP/dir | TMP/dir: is a directory
            -k TMP/kernel -i TMP/empty | TMP/empty: is empty
            --bios TMP/missing       | TMP/missing: cannot be opened: ENOENT
            --bios TMP/text          | TMP/text: has 9 bytes; a firmware image is a multiple of 4096 bytes
            --bios TMP/huge          | TMP/huge: has 41943040 bytes; a firmware image is
            --bios TMP/bios -m 1P    | guest RAM of 1024 TiB is more than this host's
            --bios TMP/bios --ram backend=anonymous -m 1P | guest RAM of 1024 TiB is more than this host's
            --bios TMP/bios --ram mem-path=TMP/no/ram | can't open backing store TMP/no/ram for guest RAM: ENOENT
            --bios TMP/bios --ram mem-path=TMP/nowhere | can't open backing store TMP/nowhere for guest RAM: ENOENT
            --bios TMP/bios --ram mem-path=TMP/ram | backing store size 0x100000 is too small
            --bios TMP/bios -m 1M --ram mem-path=TMP/ram,offset=4096 | backing store size 0x100000 is too small
            --bios TMP/bios --ram mem-path=/dev/null | can't use backing store /dev/null for guest RAM
            --bios TMP/bios --ram mem-path=/proc/self/mem | unable to map backing store /proc/self/mem
            --bios TMP/bios --ram mem-path=/dev/fdset/7 | did you forget to pass it with '--add-fd fd=<n>,set=<id>'?
            --bios TMP/bios --ram mem-path=/dev/fdset/x | a number from 0 to 2147483647 is expected
            --bios TMP/text --ram mem-path=TMP/new | TMP/text: has 9 bytes
            -k TMP/text --ram mem-path=TMP/new | TMP/text: has 9 bytes
            -k TMP/text --serial file:TMP/new | TMP/text: has 9 bytes
            -k TMP/cut --serial file:TMP/text | TMP/cut: is cut off
            -k TMP/text --serial unix:TMP/new | TMP/text: has 9 bytes
            --bios TMP/bios --serial file:TMP/dir | cannot open the serial port's file, open TMP/dir: EISDIR
            --bios TMP/bios --serial file:TMP/no/log | open TMP/no/log: ENOENT (No such file or directory): name a
            --bios TMP/bios --serial unix:TMP/no/socket | the serial port's socket TMP/no/socket cannot be made, ENOENT
            --bios TMP/bios --serial unix:TMP/text | a file that is no socket is there; delete it or name another
            --bios TMP/bios --console file:TMP/dir | cannot open the virtio console, open TMP/dir: EISDIR
            --bios TMP/bios --disk path=TMP/missing | truncate -s 1G TMP/missing
            --bios TMP/bios --disk path=TMP/empty | disk TMP/empty is empty
            --bios TMP/bios --disk path=TMP/dir | cannot open disk TMP/dir for writing: EISDIR
            --bios TMP/bios --disk path=/dev/null | disk /dev/null is a character device
            --bios TMP/bios --disk path=TMP/disk --disk path=TMP/disk | disk TMP/disk is in use
            """)
    void refusesAFileOrAHost(String options, String sentence) throws IOException {
        String serial = options.contains("--serial") ? "" : " --serial null";
        refuses(ExitCode.FAILED, "run " + options + serial, sentence);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', maxCharsPerColumn = 8192, textBlock = """
            1 | inspect TMP/missing  | can't open state TMP/missing: ENOENT
            1 | inspect TMP/dir      | can't read state TMP/dir: it is neither a regular file nor a memfd
            1 | inspect /dev/null    | can't read state /dev/null: it is neither a regular file nor a memfd
            1 | inspect TMP/empty    | state TMP/empty: it is empty
            1 | inspect TMP/text     | state TMP/text: it is not a state of this VMM
            1 | restore TMP/missing  | can't open state TMP/missing: ENOENT
            1 | restore TMP/dir      | can't read state TMP/dir: it is neither a regular file nor a memfd
            4 | restore TMP/empty    | state TMP/empty: it is empty
            4 | restore TMP/text     | state TMP/text: it is not a state of this VMM
            1 | ctl TMP/missing stop --wait 0 | cannot connect to the control socket TMP/missing, ENOENT (No such file or directory): is
            1 | ctl TMP/missing stop --wait 1 | ENOENT (No such file or directory), after waiting 1 s for it: is it the --control
            2 | ctl TMP/missing stop --wait -1 | --wait -1: expected a number of seconds from 0 to
            2 | ctl TMP/missing stop --wait 5s | --wait 5s: expected a number of seconds from 0 to
            1 | ctl TMP/text stop    | cannot connect to the control socket TMP/text, ECONNREFUSED
            1 | run --machine none --control TMP/no/socket | the control socket TMP/no/socket cannot be made, ENOENT
            1 | run --bios TMP/bios --serial null --control TMP/no/socket | the control socket TMP/no/socket cannot be made, ENOENT
            1 | run --bios TMP/bios --serial null --control TMP/text | a file that is no socket is there; delete it or name another
            1 | run --machine none --control TMP/text | a file that is no socket is there; delete it or name another
            """)
    void refusesAStateOrASocket(int code, String line, String sentence) throws IOException {
        refuses(code, line, sentence);
    }

    @Test
    void refusesACommandLineTooLongForItsKernel() throws IOException {
        Files.copy(Guests.path("long64.elf"), dir.resolve("linux"));
        refuses(2, "run -k TMP/linux --serial null -a " + "x".repeat(70_000), "--append: its text has 70000 bytes");
    }

    @Test
    void refusesASocketPathThatIsTooLong() throws IOException {
        String name = "s".repeat(108);
        refuses(ExitCode.FAILED, "run --bios TMP/bios --serial unix:TMP/" + name, "a unix socket's has 1 to 107");
    }

    @Test
    void refusesMoreDevicesThanThereAreSlots() throws IOException {
        String disks = " --disk path=TMP/disk,readonly=on".repeat(17);
        refuses(
                ExitCode.USAGE,
                "run --bios TMP/bios --serial null" + disks,
                "17 virtio devices: this machine has room");
    }

    @Test
    void refusesRamAndDisksThatAnotherVmmUses() throws IOException {
        try (Fd ram = Fd.open(dir.resolve("ram").toString(), Fd.O_RDWR);
                Fd disk = Fd.open(dir.resolve("disk").toString(), Fd.O_RDWR)) {
            assertThat(ram.tryLock(true)).isTrue();
            assertThat(disk.tryLock(true)).isTrue();
            String bios = "run --bios TMP/bios --serial null -m 1M";
            refuses(ExitCode.FAILED, bios + " --ram mem-path=TMP/ram", "TMP/ram is in use by another VMM");
            refuses(ExitCode.FAILED, bios + " --disk path=TMP/disk", "disk TMP/disk is in use");
            refuses(ExitCode.FAILED, bios + " --disk path=TMP/disk,readonly=on", "and written to; stop that one first");
        }
    }

    @Test
    void aSentenceIsOneLineWhateverAPathHasInIt() throws IOException {
        refuses(ExitCode.FAILED, "run --bios TMP/a\nb\u001b --serial null", "a b : cannot be opened: ENOENT");
    }

    @NeedsKvm
    @Test
    void takesWhatIsUnusualButRight() {
        String bios = "run --bios TMP/bios --serial null";
        for (String options : List.of(
                " -m 1.5",
                " -m 0x10",
                " --cpus 0x2",
                " --cpus 02",
                " --debug-exit 65535",
                " --name EMPTY",
                " --disk path=TMP/text",
                " --disk path=TMP/disk,readonly=on --disk path=TMP/disk,readonly=on",
                " -m 1M --ram mem-path=TMP/ram,share=off",
                " --ram mem-path=TMP" + File.separator + "dir")) {
            assertThat(vmm(bios + options)).as(options).isEqualTo(new Outcome(0, ""));
        }
    }
}
