package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.kvm.Kvm;
import dev.holdover.kvm.KvmCap;
import dev.holdover.platform.MemoryMap;
import dev.holdover.testing.NeedsKvm;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where a firmware image lies, and that it is read-only between RAM that is not. */
@NeedsKvm
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class FirmwareTest {
    private static final int RESULTS = 0x500;
    private static final int DEBUG_EXIT = MemoryMap.PORT_DEBUG_EXIT;

    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(ints = {4 << 10, 64 << 10, 256 << 10})
    void isReadOnlyBetweenRam(int size) throws Exception {
        try (Kvm kvm = Kvm.open()) {
            assumeTrue(kvm.has(KvmCap.READONLY_MEM), "KVM of this host has no read-only memory slots");
        }
        int rom = (1 << 20) - Math.min(size, 128 << 10);
        int segment = (rom >> 4) - 1; // ROM begins at 0x10 of it
        RomCode code = new RomCode()
                // movb $0x55, %cs:0xf800; mov %cs:0xf800, %al; mov %al, %es:0x500
                .bytes(0x2e, 0xc6, 0x06, 0x00, 0xf8, 0x55, 0x2e, 0xa0, 0x00, 0xf8)
                .bytes(0x26, 0xa2, 0x00, 0x05)
                // mov $segment, %ax; mov %ax, %ds; movb $0x11, 0xf; mov 0xf, %al; mov %al, %es:0x501
                .bytes(0xb8, segment & 0xff, segment >> 8, 0x8e, 0xd8)
                .bytes(0xc6, 0x06, 0x0f, 0x00, 0x11, 0xa0, 0x0f, 0x00)
                .bytes(0x26, 0xa2, 0x01, 0x05)
                // movb $0x55, 0x10; mov 0x10, %al; mov %al, %es:0x502
                .bytes(0xc6, 0x06, 0x10, 0x00, 0x55, 0xa0, 0x10, 0x00)
                .bytes(0x26, 0xa2, 0x02, 0x05)
                // mov $0xffff, %ax; mov %ax, %ds; movb $0x22, 0x10; mov 0x10, %al; out %al, $DEBUG_EXIT; hlt
                .bytes(0xb8, 0xff, 0xff, 0x8e, 0xd8, 0xc6, 0x06, 0x10, 0x00, 0x22, 0xa0, 0x10, 0x00)
                .bytes(0xe6, DEBUG_EXIT, 0xf4);
        // The first byte of the smallest image is that of the code itself.
        byte first = size == 4 << 10 ? 0x2e : RomCode.FILL;
        try (Machine machine =
                Guest.firmware(code.write(directory, size), directory).machine()) {
            machine.resume();
            assertThat(machine.await()).as("RAM above ROM").isEqualTo(new MachineEnd.DebugExit(0x22));
            assertThat(machine.memory().getByte(RESULTS)).as("ROM below 4 GiB").isEqualTo(RomCode.FILL);
            assertThat(machine.memory().getByte(RESULTS + 1))
                    .as("RAM below ROM")
                    .isEqualTo((byte) 0x11);
            assertThat(machine.memory().getByte(RESULTS + 2))
                    .as("ROM below 1 MiB")
                    .isEqualTo(first);
            assertThat(machine.memory().getByte(rom - 1)).isEqualTo((byte) 0x11);
            assertThat(machine.memory().getByte(MemoryMap.HIGH_MEMORY)).isEqualTo((byte) 0x22);
            assertThat(machine.mmio().unknownWrites()).as("stores to ROM").isEqualTo(2);
        }
    }

    @Test
    void needsNoRamWhereItLies() throws Exception {
        Guest.Outcome outcome =
                Guest.named("poweroff.bin", directory).ram("640K", null).run();
        assertThat(outcome.end()).isEqualTo(new MachineEnd.PoweredOff());
        assertThat(outcome.output()).isEqualTo("P\n");
    }
}
