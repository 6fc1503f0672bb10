package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.memory.FdSets;
import dev.holdover.testing.NeedsKvm;
import dev.holdover.vmstate.SectionEntry;
import dev.holdover.vmstate.SectionType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What was set is what is got: a guest that was restored and has not run is saved once more, and the second state is the
 * first, but for what KVM changes by itself. Each such field is named here, with its reason.
 */
@NeedsKvm
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ReadBackTest {
    // Some kernels list these (TLFS, "Hypervisor Synthetic MSRs").
    private static final int HYPERV_VP_RUNTIME = 0x40000010;
    private static final int HYPERV_TIME_REF_COUNT = 0x40000020;

    private static final int ROUNDS = 5;

    /**
     * A field that may differ.
     *
     * @param part of the state
     * @param offset in it, bytes
     * @param bits of the 4 bytes there
     */
    private record Altered(String part, long offset, int bits, String reason) {}

    /** Where they are in the vm section: kvm_clock_data has 48 bytes, kvm_pit_state2 112. */
    private static final long PIT = 48;

    private static final long PIC = 48 + 112;

    private static final List<Altered> ALTERED = List.of(
            new Altered("vm 0", 0, -1, "kvm_clock_data.clock: runs on, also while no vCPU does"),
            new Altered("vm 0", 4, -1, "kvm_clock_data.clock, its upper half"),
            new Altered("vm 0", 8, -1, "kvm_clock_data.flags: what KVM knows of the clock before a first run"),
            new Altered("vm 0", 16, -1, "kvm_clock_data.realtime: the host's"),
            new Altered("vm 0", 20, -1, "kvm_clock_data.realtime, its upper half"),
            new Altered("vm 0", 24, -1, "kvm_clock_data.host_tsc: the host's"),
            new Altered("vm 0", 28, -1, "kvm_clock_data.host_tsc, its upper half"),
            new Altered("vm 0", PIT + 16, -1, "kvm_pit_channel_state.count_load_time: the host's, when it was set"),
            new Altered("vm 0", PIT + 20, -1, "its upper half"),
            new Altered("vm 0", PIT + 40, -1, "count_load_time of channel 1"),
            new Altered("vm 0", PIT + 44, -1, "its upper half"),
            new Altered("vm 0", PIT + 64, -1, "count_load_time of channel 2"),
            new Altered("vm 0", PIT + 68, -1, "its upper half"),
            new Altered("vm 0", PIC + 8, 0xffff, "kvm_pic_state.last_irr and irr: the PIT ticks on meanwhile"),
            new Altered("lapic", 0xa0, -1, "PPR: a new vCPU's is made of TPR alone until KVM looks for an interrupt"),
            new Altered("lapic", 0x390, -1, "the timer's current count: runs on"),
            new Altered("lapic", 0x220, 1, "the timer's interrupt, requested meanwhile"),
            new Altered("acpi-pm 0", 12, -1, "the ACPI timer: runs on"),
            new Altered("acpi-pm 0", 16, -1, "its upper half"),
            new Altered("cmos-rtc 0", 12, -1, "when the clock was looked at last: the host's time"),
            new Altered("cmos-rtc 0", 16, -1, "its upper half"),
            new Altered("cmos-rtc 0", 32, 0x10, "register C, update ended: a second has passed"));

    private static boolean mayDiffer(String part, long offset, int bits) {
        for (Altered field : ALTERED) {
            if (field.part().equals(part) && field.offset() == offset && (bits & ~field.bits()) == 0) {
                return true;
            }
        }
        return false;
    }

    @TempDir
    Path directory;

    private final FdSets fdsets = new FdSets();
    private Path ram;
    private Path first;
    private Path second;

    @BeforeEach
    void makeRam() throws Exception {
        ram = Files.createTempFile(Path.of("/dev/shm"), "holdover-test", ".ram");
        first = directory.resolve("first");
        second = directory.resolve("second");
    }

    @AfterEach
    void removeRam() throws Exception {
        fdsets.close();
        Files.deleteIfExists(ram);
    }

    @ParameterizedTest
    @EnumSource
    void theStateOfARestoredGuestIsTheStateItWasRestoredFrom(LivingGuest guest) throws Exception {
        try (Machine machine = guest.guest(directory, ram).machine()) {
            machine.resume();
            Guest.awaitCount(machine);
            machine.save(first.toString(), SaveOptions.IN_PLACE);
        }
        for (int round = 0; round < ROUNDS; round++) {
            try (Incoming incoming = new Incoming(first.toString(), false);
                    Machine machine = Machine.restore(incoming.config(), fdsets, incoming)) {
                machine.save(second.toString(), SaveOptions.IN_PLACE);
            }
            try (Incoming set = new Incoming(first.toString(), false);
                    Incoming got = new Incoming(second.toString(), false)) {
                compare(set, got);
            }
            try (Incoming incoming = new Incoming(second.toString(), false);
                    Machine machine = Machine.restore(incoming.config(), fdsets, incoming)) {
                machine.resume();
                Guest.awaitCount(machine);
                machine.save(first.toString(), SaveOptions.IN_PLACE);
            }
        }
        guest.assertUnbroken(directory);
    }

    private static void compare(Incoming set, Incoming got) {
        List<SectionEntry> sections = set.state().header().sections();
        List<String> differing = new ArrayList<>();
        for (SectionEntry entry : sections) {
            SectionType type = new SectionType(entry.name(), entry.version());
            MemorySegment before = set.state().section(type, entry.instance()).bytes();
            MemorySegment after = got.state().section(type, entry.instance()).bytes();
            if (entry.name().equals(VcpuSection.TYPE.name())) {
                compare(
                        set.vcpu(entry.instance()).state(),
                        got.vcpu(entry.instance()).state(),
                        differing);
                if (set.vcpu(entry.instance())
                                .cpuid()
                                .segment()
                                .mismatch(got.vcpu(entry.instance()).cpuid().segment())
                        >= 0) {
                    differing.add("cpuid");
                }
            } else {
                compare(entry.id(), before, after, differing);
            }
        }
        assertThat(got.state().header().sections()).hasSameSizeAs(sections);
        assertThat(differing).isEmpty();
    }

    private static void compare(VcpuState set, VcpuState got, List<String> differing) {
        compare("mp", set.mpState(), got.mpState(), differing);
        compare("regs", set.regs().segment(), got.regs().segment(), differing);
        compare("sregs", set.sregs().segment(), got.sregs().segment(), differing);
        compare("xsave", set.xsave(), got.xsave(), differing);
        compare("xcrs", set.xcrs(), got.xcrs(), differing);
        compare("debug", set.debugRegs(), got.debugRegs(), differing);
        compare("lapic", set.lapic(), got.lapic(), differing);
        compare("events", set.events(), got.events(), differing);
        for (int i = 0; i < set.msrs().size(); i++) {
            assertThat(got.msrs().index(i)).isEqualTo(set.msrs().index(i));
            if (set.msrs().value(i) != got.msrs().value(i) && !runsOn(set.msrs().index(i))) {
                differing.add("MSR 0x" + Integer.toHexString(set.msrs().index(i)));
            }
        }
    }

    /** The TSC, a deadline that it has reached, which is kept as its value (Save), and Hyper-V's counters of time. */
    private static boolean runsOn(int msr) {
        return msr == Msrs.IA32_TSC
                || msr == Msrs.IA32_TSC_DEADLINE
                || msr == HYPERV_VP_RUNTIME
                || msr == HYPERV_TIME_REF_COUNT;
    }

    private static void compare(String what, MemorySegment set, MemorySegment got, List<String> differing) {
        for (long at = 0; at < set.byteSize(); at += 4) {
            int before = set.get(ValueLayout.JAVA_INT_UNALIGNED, at);
            int after = got.get(ValueLayout.JAVA_INT_UNALIGNED, at);
            if (before != after && !mayDiffer(what, at, before ^ after)) {
                differing.add(what + " at 0x" + Long.toHexString(at) + ": " + Integer.toHexString(before) + " -> "
                        + Integer.toHexString(after));
            }
        }
    }
}
