package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.boot.BootConfig;
import dev.holdover.kvm.state.Regs;
import dev.holdover.kvm.state.Sregs;
import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.RamConfig;
import dev.holdover.serial.SerialConfig;
import dev.holdover.testing.NeedsKvm;
import dev.holdover.virtio.DiskConfig;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class MachineBuilderTest {
    /** How it counts is in its source. */
    private static final Path COUNT = Path.of("src/test/resources/guests/count.bin");

    private static final long ROUNDS = 0x1000;

    private static Machine counting() throws InterruptedException {
        Machine machine =
                MachineBuilder.firmware(COUNT).memory("4M").serial("null").build();
        machine.resume();
        Guest.await("it counts", () -> machine.memory().getInt(ROUNDS) > 0);
        return machine;
    }

    @Test
    void takesWhatRunTakesWhereNothingIsSaid() {
        assertThat(MachineBuilder.firmware(COUNT).config())
                .isEqualTo(new MachineConfig(
                        "",
                        RamConfig.parse(null, null),
                        1,
                        new BootSource.Firmware(COUNT),
                        SerialConfig.parse("stdio"),
                        null,
                        List.of(),
                        List.of(),
                        false,
                        false,
                        List.of(),
                        -1,
                        false));
    }

    @Test
    void takesAllThatIsSaid() {
        MachineConfig config = MachineBuilder.kernel(COUNT)
                .initrd(Path.of("initrd"))
                .append("quiet")
                .name("guest")
                .ram("backend=anonymous")
                .memory("8M")
                .cpus(3)
                .serial("null")
                .disk("path=a,readonly=on")
                .rng()
                .pci()
                .debugExit(0xf4)
                .rebootOnReset()
                .config();
        assertThat(config.boot())
                .isEqualTo(new BootSource.KernelImage(new BootConfig(COUNT, Path.of("initrd"), "quiet")));
        assertThat(config.ram()).isEqualTo(RamConfig.parse("8M", "backend=anonymous"));
        assertThat(config.disks()).containsExactly(new DiskConfig("a", true));
        assertThat(List.of(config.name(), config.cpus(), config.serial(), config.debugExitPort()))
                .isEqualTo(List.of("guest", 3, new SerialConfig.Null(), 0xf4));
        assertThat(List.of(config.rng(), config.pci(), config.rebootOnReset())).doesNotContain(false);
    }

    @Test
    void refusesAtOnceWhatIsWrong() {
        MachineBuilder builder = MachineBuilder.firmware(COUNT);
        assertThatThrownBy(() -> builder.memory("much")).isInstanceOf(UsageException.class);
        assertThatThrownBy(() -> builder.ram("mem-path")).isInstanceOf(UsageException.class);
        assertThatThrownBy(() -> builder.cpus(0)).hasMessage("0 vCPUs: expected a number from 1 to 255");
        assertThatThrownBy(() -> builder.append("quiet"))
                .hasMessage("a command line needs a kernel; firmware gets none");
        assertThatThrownBy(() -> builder.debugExit(65536)).isInstanceOf(UsageException.class);
        assertThatThrownBy(() -> MachineBuilder.firmware(Path.of("nothing")).build())
                .isInstanceOf(RuntimeException.class)
                .hasMessageContaining("ENOENT");
    }

    @NeedsKvm
    @Test
    void registersAreThoseOfTheGuestThatStandsStill() throws Exception {
        try (Machine machine = counting()) {
            assertThatThrownBy(() -> machine.registers(0))
                    .isInstanceOf(VmmException.class)
                    .hasMessage("the registers of vCPU 0 can't be seen: the guest runs, pause it first");
            machine.pause();
            Regs registers = machine.registers(0);
            assertThat(registers.get(Regs.RCX)).isEqualTo(0x01234567);
            assertThat(registers.get(Regs.RSP)).isEqualTo(0x76543210);
            assertThat(registers.toString()).startsWith("rip=").contains(" rcx=1234567 ", " rsp=76543210 ");
            Sregs system = machine.systemRegisters(0);
            assertThat(system.selector(Sregs.ES)).isEqualTo(0x1357);
            assertThat(system.toString()).contains("cr0=60000010 ", " cs=f000@ffff0000 ");
            assertThatThrownBy(() -> machine.registers(1)).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @NeedsKvm
    @Test
    void registersCanBeChanged() throws Exception {
        try (Machine machine = counting()) {
            machine.pause();
            Regs registers = machine.registers(0);
            registers.set(Regs.RCX, 5);
            machine.setRegisters(0, registers);
            assertThat(machine.registers(0).get(Regs.RCX)).isEqualTo(5);
            machine.resume();
            // The guest looks at its registers, and counts the times that one was not kept.
            Guest.await("it notices", () -> machine.memory().getInt(0x1010) > 0);
        }
    }

    @NeedsKvm
    @Test
    void aClosedMachineSaysSo() throws Exception {
        Machine machine = counting();
        machine.close();
        assertThatThrownBy(() -> machine.registers(0)).hasMessageContaining("the guest has ended");
    }
}
