package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.kvm.KvmProblem;
import dev.holdover.kvm.KvmUnavailable;
import dev.holdover.linux.Errno;
import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/** Where the demo is to be shown, on hosts with KVM and without; it is not shown here. Needs no KVM. */
class DemoCommandTest {
    private static final KvmProblem PROBLEM = new KvmProblem.NoNesting(Errno.ENOENT);
    private static final EmulatedHost TREE = new EmulatedHost(Optional.of(Path.of("./lab/demo")), false);
    private static final EmulatedHost PACKAGE = new EmulatedHost(Optional.empty(), false);
    private static final EmulatedHost INSIDE = new EmulatedHost(Optional.of(Path.of("./lab/demo")), true);

    @TempDir
    private Path dir;

    private record Outcome(int code, String said) {}

    private static void noKvm() {
        throw new KvmUnavailable(PROBLEM);
    }

    /** What would show it on a host with KVM. */
    private static void kvm() {
        throw new AssertionError("KVM was asked for");
    }

    private static Outcome demo(Runnable requireKvm, EmulatedHost host, String... options) throws Exception {
        DemoCommand command = new DemoCommand(requireKvm, host);
        new CommandLine(command).parseArgs(options);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream console = System.err;
        System.setErr(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        try {
            return new Outcome(command.call(), bytes.toString(StandardCharsets.UTF_8));
        } finally {
            System.setErr(console);
        }
    }

    @Test
    void goesOnInAnEmulatedHostWhereThereIsNoKvm() throws Exception {
        Outcome outcome = demo(DemoCommandTest::noKvm, TREE);
        assertThat(outcome.code()).isEqualTo(69);
        assertThat(outcome.said())
                .startsWith("vmm demo: " + PROBLEM.sentence() + "\n")
                .contains("it goes on in an emulated host", "--no-emulation")
                .hasLineCount(2);
    }

    @Test
    void takesThatWayAtOnceIfItIsAskedTo() throws Exception {
        assertThat(demo(DemoCommandTest::kvm, TREE, "--emulated")).isEqualTo(new Outcome(69, ""));
        Path kernel = Files.writeString(dir.resolve("vmlinuz"), "kernel");
        assertThat(demo(DemoCommandTest::kvm, TREE, "--emulated", "--host-kernel", kernel.toString()))
                .isEqualTo(new Outcome(69, ""));
    }

    @Test
    void stopsIfItIsToldTo() {
        assertThatThrownBy(() -> demo(DemoCommandTest::noKvm, TREE, "--no-emulation"))
                .isInstanceOf(VmmException.class)
                .hasMessage(PROBLEM.sentence());
    }

    @Test
    void startsNoEmulatedHostWithinOne() {
        assertThatThrownBy(() -> demo(DemoCommandTest::noKvm, INSIDE)).hasMessage(PROBLEM.sentence());
        assertThatThrownBy(() -> demo(DemoCommandTest::kvm, INSIDE, "--emulated"))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("this host is an emulated one");
    }

    @Test
    void aPackageHasNoEmulatedHost() {
        assertThatThrownBy(() -> demo(DemoCommandTest::noKvm, PACKAGE))
                .isInstanceOf(VmmException.class)
                .hasMessageStartingWith(PROBLEM.sentence())
                .hasMessageContaining("this distribution has no emulated host");
        assertThatThrownBy(() -> demo(DemoCommandTest::kvm, PACKAGE, "--emulated"))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("this distribution has no emulated host");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            --no-emulation --emulated            | --no-emulation and --emulated exclude each other
            --no-emulation --host-kernel TMP/k   | --no-emulation and --host-kernel exclude each other
            --host-kernel TMP/none               | TMP/none does not exist (ENOENT): name a kernel image
            --emulated --host-kernel TMP         | TMP is no file that can be read: name a kernel image
            --host-kernel=                       | --host-kernel is empty
            """)
    void refusesOptionsBeforeItLooksAtTheHost(String line, String sentence) throws IOException {
        Files.writeString(dir.resolve("k"), "kernel");
        String[] options = line.replace("TMP", dir.toString()).split(" ", -1);
        assertThatThrownBy(() -> demo(DemoCommandTest::kvm, TREE, options))
                .isInstanceOf(UsageException.class)
                .hasMessageContaining(sentence.replace("TMP", dir.toString()));
    }

    @Test
    void theHintNamesACommandThatCanBeTyped() {
        assertThat(TREE.hint()).isEqualTo("; lab/run --shell opens a shell in an emulated host, where this works");
        assertThat(new EmulatedHost(Optional.of(Path.of("/opt/tree/lab/demo")), false).shellCommand())
                .isEqualTo("/opt/tree/lab/run --shell");
        assertThat(PACKAGE.hint()).isEmpty();
        assertThat(INSIDE.hint()).isEmpty();
    }
}
