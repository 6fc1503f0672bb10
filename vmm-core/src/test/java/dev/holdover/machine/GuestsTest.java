package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Fd;
import dev.holdover.testing.NeedsKvm;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every guest of the table in src/test/guests that ends by itself says and does what the table promises. */
@NeedsKvm
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GuestsTest {
    private static final MachineEnd PASSED = new MachineEnd.DebugExit(0x10);
    private static final MachineEnd POWERED_OFF = new MachineEnd.PoweredOff();
    /** Of 32 MiB: RAM, EBDA, ACPI tables, RAM. */
    private static final String MAP = """
            map 00000000 00000000 00000000 0009fc00 type 1
            map 00000000 0009fc00 00000000 00000400 type 2
            map 00000000 000e0000 00000000 00020000 type 2
            map 00000000 00100000 00000000 01f00000 type 1
            """;

    @TempDir
    Path directory;

    static Stream<Arguments> guestsThatEnd() {
        return Stream.of(
                Arguments.of("poweroff.bin", POWERED_OFF, "P\n"),
                Arguments.of("real.bin", PASSED, "string out\nport 5f0: 000000ff 0000ffff ffffffff\nreal ok\n"),
                Arguments.of("cpl3.elf", PASSED, "int3 ok\nfaults ok\ncpl3 ok\n"),
                Arguments.of("pit.elf", PASSED, "pit ok\n"),
                Arguments.of(
                        "lapic.elf",
                        PASSED,
                        "periodic ok\none-shot ok\n(no tsc deadline|tsc deadline ok)\nlapic ok\n"));
    }

    @ParameterizedTest
    @MethodSource
    void guestsThatEnd(String file, MachineEnd end, String output) throws Exception {
        Guest.Outcome outcome = Guest.named(file, directory).run();
        assertThat(outcome.output()).matches(output);
        assertThat(outcome.end()).isEqualTo(end);
    }

    @Test
    void theDemo() throws Exception {
        Guest.Outcome outcome = Guest.firmware(Guest.resource("/dev/holdover/cli/demo.bin"), directory)
                .run();
        assertThat(outcome.output()).matches("Hello from a guest\\.\n(counted to [0-9]+\n){8}Good-bye\\.\n");
        assertThat(outcome.end()).isEqualTo(POWERED_OFF);
    }

    @Test
    void userCodeThatCallsItsKernelBySyscall() throws Exception {
        Guest.Outcome outcome = Guest.named("syscall.elf", directory).run();
        if (Guest.isEmulated()) {
            // KVM of this host has no hardware support: SYSCALL does not leave CPL 3, where the handler's stack is not
            // mapped.
            assertThat(outcome.end()).isInstanceOf(MachineEnd.Crashed.class);
            assertThat(outcome.output()).isEmpty();
            return;
        }
        assertThat(outcome.output()).isEqualTo("syscall ok\nint ok\n");
        assertThat(outcome.end()).isEqualTo(PASSED);
    }

    private Guest withEnvironment(String file) throws IOException {
        return Guest.named(file, directory).append("a b").initrd("NR_CPUS=2\nMEMSIZE=32\n");
    }

    @Test
    void aMultibootKernelWithAModule() throws Exception {
        Guest.Outcome outcome = withEnvironment("protected.elf").run();
        assertThat(outcome.output())
                .isEqualTo("flags 0000024d\n"
                        + "memory below 0000027f KiB, above 00007c00 KiB\n"
                        + "command line: protected.elf a b\n"
                        + "module 01fff000-01fff015: env\n"
                        + "module begins: NR_CPUS=2\n"
                        + MAP
                        + "memory nobody has: ffffffff\n"
                        + "protected ok\n");
        assertThat(outcome.end()).isEqualTo(PASSED);
    }

    @Test
    void aMultibootKernelWithoutModule() throws Exception {
        Guest.Outcome outcome = Guest.named("protected.elf", directory).run();
        assertThat(outcome.output()).doesNotContain("module").endsWith("protected ok\n");
        assertThat(outcome.end()).isEqualTo(PASSED);
    }

    @Test
    void aKernelOfLinux64BitProtocol() throws Exception {
        Guest.Outcome outcome = withEnvironment("long64.elf").run();
        assertThat(outcome.output())
                .isEqualTo("command line: a b\n"
                        + "initrd 01fff000 size 00000015\n"
                        + "initrd begins: NR_CPUS=2\n"
                        + "rsdp 00000000 000e0000\n"
                        + MAP
                        + "long64 ok\n");
        assertThat(outcome.end()).isEqualTo(PASSED);
    }

    @Test
    void aPvhKernel() throws Exception {
        Guest.Outcome outcome = withEnvironment("pvh.elf").run();
        assertThat(outcome.output())
                .isEqualTo("version 00000001 flags 00000000\n"
                        + "command line: a b\n"
                        + "module 00000000 01fff000 size 00000000 00000015\n"
                        + "module begins: NR_CPUS=2\n"
                        + "rsdp 00000000 000e0000\n"
                        + MAP
                        + "pvh ok\n");
        assertThat(outcome.end()).isEqualTo(PASSED);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void everyCpuOfTheAcpiTablesComesUp(int cpus) throws Exception {
        StringBuilder expected = new StringBuilder("cpus " + cpus + "\n");
        for (int id = 0; id < cpus; id++) {
            expected.append("apic ").append(id).append('\n');
        }
        Guest.Outcome outcome = Guest.named("smp.elf", directory)
                .cpus(cpus)
                .initrd("NR_CPUS=" + cpus + "\n")
                .run();
        assertThat(outcome.output()).isEqualTo(expected + "smp ok\n");
        assertThat(outcome.end()).isEqualTo(PASSED);
    }

    @Test
    void whatIsTypedIsEchoed() throws Exception {
        // A terminal, unlike a socket's client, is there from the start: nothing the guest writes is lost.
        Guest guest = Guest.named("uart.elf", directory).serial("pty");
        String typed = "abcdefghijklmnoprstuvwxyz 0123456789 ".repeat(4) + "q";
        ByteArrayOutputStream told = new ByteArrayOutputStream();
        PrintStream err = System.err;
        System.setErr(new PrintStream(told, true, StandardCharsets.UTF_8));
        try (Machine machine = guest.machine()) {
            System.setErr(err);
            String path = told.toString(StandardCharsets.UTF_8).strip().replace("serial: ", "");
            ByteArrayOutputStream seen = new ByteArrayOutputStream();
            try (Fd terminal = Fd.open(path, Fd.O_RDWR);
                    Arena arena = Arena.ofConfined()) {
                machine.resume();
                MemorySegment buffer = arena.allocate(4096);
                String ready = "uart ok, echoing up to q\n";
                readUpTo(terminal, ready, buffer, seen);
                terminal.tryWrite(arena.allocateFrom(typed).asSlice(0, typed.length()));
                readUpTo(terminal, "bye\n", buffer, seen);
                assertThat(seen.toString(StandardCharsets.US_ASCII)).isEqualTo(ready + typed + "\nbye\n");
            }
            assertThat(machine.await()).isEqualTo(PASSED);
        } finally {
            System.setErr(err);
        }
    }

    private static void readUpTo(Fd terminal, String text, MemorySegment buffer, ByteArrayOutputStream seen) {
        while (!seen.toString(StandardCharsets.US_ASCII).endsWith(text)) {
            long n = terminal.tryRead(buffer);
            assertThat(n).as("bytes read after " + seen).isPositive();
            seen.writeBytes(buffer.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE));
        }
    }

    @Test
    void whatThereIsNotReadsAsAllOnesAndIsCounted() throws Exception {
        try (Machine machine = Guest.named("real.bin", directory).machine()) {
            machine.resume();
            assertThat(machine.await()).isEqualTo(PASSED);
            assertThat(machine.ports().unknownReads()).isEqualTo(3);
            assertThat(machine.ports().unknownAddresses()).containsExactly(0x5f0);
        }
        try (Machine machine = Guest.named("protected.elf", directory).machine()) {
            machine.resume();
            assertThat(machine.await()).isEqualTo(PASSED);
            assertThat(machine.mmio().unknownReads()).isEqualTo(1);
            assertThat(machine.mmio().unknownAddresses()).containsExactly(0xcfff0000L);
        }
    }

    @Test
    void leavingEndsAGuestThatRuns() throws Exception {
        try (Machine machine = Guest.named("count.bin", directory).cpus(2).machine()) {
            machine.resume();
            Guest.awaitCount(machine);
            machine.quit();
            assertThat(machine.await()).isEqualTo(new MachineEnd.Quit());
            int count = machine.memory().getInt(Guest.COUNT);
            Thread.sleep(5);
            assertThat(machine.memory().getInt(Guest.COUNT))
                    .as("counted when parked")
                    .isEqualTo(count);
        }
    }

    @Test
    void aGuestOfMoreThanLowRam() throws Exception {
        Guest guest = Guest.named("poweroff.bin", directory).ram("4G", "thp=off");
        Guest.Outcome outcome = guest.run();
        assertThat(outcome.end()).isEqualTo(POWERED_OFF);
        assertThat(outcome.output()).isEqualTo("P\n");
    }
}
