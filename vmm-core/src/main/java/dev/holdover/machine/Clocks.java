package dev.holdover.machine;

import dev.holdover.kvm.KvmVm;
import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.Timeline;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;

/**
 * Stamps a state's timeline with three clocks: CLOCK_MONOTONIC is exact and ends with the kernel, the host's TSC outlives
 * a kexec, CLOCK_REALTIME is what people read.
 */
final class Clocks {
    private static final int KVM_CLOCK_HOST_TSC = 1 << 3;
    private static final int FLAGS_AT = 8;
    private static final int HOST_TSC_AT = 24;
    private static final long NANOS = 1_000_000_000L;

    private Clocks() {}

    /** The guest has reached a phase now. The TSC is 0 before the VM's first KVM_RUN, when KVM does not tell it. */
    static void stamp(Timeline timeline, Phase phase, KvmVm vm) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment clock = arena.allocate(KvmVm.CLOCK_SIZE, 8);
            vm.getClock(clock);
            boolean told = (clock.get(ValueLayout.JAVA_INT, FLAGS_AT) & KVM_CLOCK_HOST_TSC) != 0;
            Instant now = Instant.now();
            timeline.stamp(
                    phase.code(),
                    System.nanoTime(),
                    now.getEpochSecond() * NANOS + now.getNano(),
                    told ? clock.get(ValueLayout.JAVA_LONG, HOST_TSC_AT) : 0);
        }
    }
}
