package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.platform.MemoryMap;
import dev.holdover.testing.NeedsKvm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A reset that the guest asks for ends the machine, or starts the guest again. */
@NeedsKvm
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ResetTest {
    private static final int SEEN_MARK = 0x4d454d52; // what reset.S leaves at COUNT

    private static final int RESETS = 20;

    @TempDir
    Path directory;

    @Test
    void endsTheMachineUnlessToldOtherwise() throws Exception {
        Guest.Outcome outcome = Guest.named("reset.bin", directory).run();
        assertThat(outcome.output()).isEqualTo("first\n");
        assertThat(outcome.end()).isEqualTo(new MachineEnd.Reset());
        assertThat(outcome.end().exitCode()).isZero();
    }

    @Test
    void startsTheGuestAgainAndKeepsItsRam() throws Exception {
        Guest guest = Guest.named("reset.bin", directory).rebootOnReset();
        try (Machine machine = guest.machine()) {
            machine.resume();
            assertThat(machine.await()).isEqualTo(new MachineEnd.PoweredOff());
            assertThat(machine.memory().getInt(Guest.COUNT)).isEqualTo(SEEN_MARK);
        }
        assertThat(guest.output()).isEqualTo("first\nagain\n");
    }

    /** The keyboard controller is asked here instead of by the guest, so that the reset comes wherever that is. */
    @ParameterizedTest
    @CsvSource({"idle.elf,I", "regs.elf,R"})
    void loadsAKernelAnewAndPutsItsCpuBack(String file, String letter) throws Exception {
        resetsAgainAndAgain(Guest.named(file, directory).cpus(2), letter);
    }

    /** Its disk's function has lost its place, its vectors and its driver: the guest finds it as the first time. */
    @Test
    void putsAPciBusBack() throws Exception {
        resetsAgainAndAgain(LivingGuest.PCI_DISK.guest(directory, null), "D");
    }

    private static void resetsAgainAndAgain(Guest guest, String letter) throws Exception {
        guest.rebootOnReset();
        CompletableFuture<MachineEnd> end = new CompletableFuture<>();
        try (Machine machine = guest.machine()) {
            Thread waiter = new Thread(() -> {
                try {
                    end.complete(machine.await());
                } catch (Throwable t) {
                    end.completeExceptionally(t);
                }
            });
            waiter.start();
            machine.resume();
            long nonce = 0;
            for (int i = 0; i <= RESETS; i++) {
                if (i > 0) {
                    machine.ports().write(MemoryMap.PORT_I8042_COMMAND, 1, 0xfe);
                }
                guest.awaitOutput((letter + "[^" + letter + "]*").repeat(i + 1));
                assertThat(machine.memory().getLong(Guest.NONCE))
                        .as("nonce of start " + i)
                        .isNotEqualTo(nonce);
                nonce = machine.memory().getLong(Guest.NONCE);
                Guest.awaitCount(machine);
            }
            machine.quit();
            assertThat(end.get()).isEqualTo(new MachineEnd.Quit());
        }
        assertThat(guest.output().replaceAll("[.a-z]", "")).isEqualTo(letter.repeat(RESETS + 1));
    }

    @Test
    void fiftyTimesLeaveNothingBehind() throws Exception {
        RomCode code = new RomCode()
                // mov 0x1000, %ax; inc %ax; mov %ax, 0x1000; cmp $51, %ax; je off
                .bytes(0xa1, 0x00, 0x10, 0x40, 0xa3, 0x00, 0x10, 0x3d, 51, 0x00, 0x74, 0x06)
                // mov $0xfe, %al; out %al, $0x64; jmp .
                .bytes(0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe)
                // off: mov $0x604, %dx; mov $0x3400, %ax; out %ax, (%dx); jmp .
                .bytes(0xba, 0x04, 0x06, 0xb8, 0x00, 0x34, 0xef, 0xeb, 0xfe);
        Path disk = Files.write(directory.resolve("disk"), new byte[512]);
        Guest guest = Guest.firmware(code.write(directory, 4096), directory)
                .cpus(2)
                .rng()
                .disk(disk, false)
                .rebootOnReset();
        try (Machine machine = guest.machine()) {
            Footprint before = Footprint.now();
            machine.resume();
            assertThat(machine.await()).isEqualTo(new MachineEnd.PoweredOff());
            assertThat(machine.memory().getInt(Guest.COUNT)).isEqualTo(51);
            Footprint after = Footprint.now();
            assertThat(after.descriptors()).isEqualTo(before.descriptors());
            assertThat(after.threads()).isLessThanOrEqualTo(before.threads());
        }
    }
}
