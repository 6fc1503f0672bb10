package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.testing.NeedsKvm;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A guest that cannot go on ends with a sentence that says where, and exit code 3. */
@NeedsKvm
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class CrashTest {
    @TempDir
    Path directory;

    @Test
    void ofTripleFault() throws Exception {
        Guest.Outcome outcome = Guest.named("crash.elf", directory).run();
        assertThat(outcome.output()).isEqualTo("C\n");
        assertThat(outcome.end())
                .isInstanceOfSatisfying(
                        MachineEnd.Crashed.class,
                        crashed -> assertThat(crashed.why())
                                // On a host with SVM, KVM resets a vCPU before it tells of its triple fault.
                                .matches("the guest crashed on vCPU 0: triple fault at RIP"
                                        + " (0x[0-9a-f]+, CS 0x10|0xfff0, CS 0xf000 base 0xffff0000, RSP 0x0,) .*"));
        assertThat(outcome.end().exitCode()).isEqualTo(3);
    }

    @Test
    void ofAnInstructionThatKvmCannotEmulate() throws Exception {
        Guest.Outcome outcome = Guest.named("emufail.bin", directory).run();
        if (!Guest.isEmulated()) {
            // The CPU of this host runs every instruction.
            assertThat(outcome).isEqualTo(new Guest.Outcome(new MachineEnd.DebugExit(0x10), "F\nok\n"));
            return;
        }
        assertThat(outcome.output()).isEqualTo("F\n");
        assertThat(outcome.end())
                .isInstanceOfSatisfying(
                        MachineEnd.Crashed.class,
                        crashed -> assertThat(crashed.why())
                                .matches("the guest crashed on vCPU 0: KVM internal error, suberror 1"
                                        + " \\(emulation failure\\) at RIP 0xf[0-9a-f]{3}, CS 0xf000 base 0xffff0000, .*"
                                        + ", instruction 9b( [0-9a-f]{2})*"));
        assertThat(outcome.end().exitCode()).isEqualTo(3);
    }
}
