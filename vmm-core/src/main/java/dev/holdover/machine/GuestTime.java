package dev.holdover.machine;

import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.kvm.state.VmState;
import dev.holdover.vmstate.TimelineEvent;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * How time has passed for a guest between its old machine and its new one, and how its clocks are set by that: the TSC of
 * each vCPU, and the clock that KVM shows to guests. What the guest's own RTC says comes from the host's real time.
 *
 * <p>The host's TSC runs on through a kexec, to a microsecond; its real time is off by up to a second there. So a live
 * update goes by the TSC, and by real time only if the TSC went back or disagrees by more than two seconds: the machine
 * was switched off, or is another.
 */
final class GuestTime {
    /** What is known of the time in between. */
    enum Passed {
        /** None, for the guest: it goes on at the instant at which it was saved. */
        NOT,
        /** As for everybody under this kernel. */
        UNDER_THIS_KERNEL,
        /** As for everybody on this machine, whose kernel is another by now. */
        ON_THIS_MACHINE
    }

    // struct kvm_clock_data: clock@0 flags@8 realtime@16 host_tsc@24
    private static final int FLAGS = 8;
    private static final int REALTIME = 16;
    private static final int HOST_TSC = 24;
    private static final int KVM_CLOCK_REALTIME = 1 << 2;
    private static final int KVM_CLOCK_HOST_TSC = 1 << 3;

    private static final long TRUSTED_NANOS = 2_000_000_000L;

    private final Passed passed;
    private final KvmVcpu first;
    private final int khz;
    /** Of the first vCPU when no time has passed; what the offsets change by when it has. */
    private final long offset;

    private GuestTime(Passed passed, KvmVcpu first, int khz, long offset) {
        this.passed = passed;
        this.first = first;
        this.khz = khz;
        this.offset = offset;
    }

    /**
     * Looks at the clocks.
     *
     * @param first the first vCPU, with its state set
     * @param state that state
     */
    static GuestTime of(Passed passed, KvmVcpu first, VcpuState state, VmState saved) {
        if (!first.hasTscOffset()) {
            // A kernel before 5.16: TSC and clock do not advance, whatever has passed.
            return new GuestTime(Passed.NOT, first, 0, 0);
        }
        if (passed == Passed.NOT) {
            return new GuestTime(passed, first, 0, offsetOf(state.msrs(), first));
        }
        if (passed == Passed.UNDER_THIS_KERNEL) {
            return new GuestTime(passed, first, 0, 0);
        }
        MemorySegment clock = saved.clock();
        long then = hostTsc(clock);
        long now = hostTsc(first);
        int khz = first.tscKhz();
        long real = (clock.get(ValueLayout.JAVA_INT, FLAGS) & KVM_CLOCK_REALTIME) == 0
                ? 0
                : Math.max(0, TimelineEvent.realtimeNow() - clock.get(ValueLayout.JAVA_LONG, REALTIME));
        long byTsc = nanos(now - then, khz);
        boolean trusted = then != 0 && now >= then && (real == 0 || Math.abs(byTsc - real) < TRUSTED_NANOS);
        // Else the guest's TSC goes on by as much as real time has.
        return new GuestTime(passed, first, khz, trusted ? 0 : then + cycles(real, khz) - now);
    }

    /**
     * The offset at which the TSC goes on from its saved value. A kernel before 6.7 ignores a TSC that is set within a second
     * of the new VM's own, which it takes for an attempt to synchronize the two: a young guest would see its TSC go back.
     */
    private static long offsetOf(Msrs saved, KvmVcpu first) {
        boolean known = saved.size() > 0 && saved.index(0) == Msrs.IA32_TSC;
        return known ? saved.value(0) - hostTsc(first) : first.getTscOffset();
    }

    private static long nanos(long cycles, int khz) {
        return (long) ((double) cycles * 1e6 / khz);
    }

    private static long cycles(long nanos, int khz) {
        return (long) ((double) nanos * khz / 1e6);
    }

    /** The host's TSC when this clock was read; 0 if KVM did not tell. */
    static long hostTsc(MemorySegment clock) {
        boolean known = (clock.get(ValueLayout.JAVA_INT, FLAGS) & KVM_CLOCK_HOST_TSC) != 0;
        return known ? clock.get(ValueLayout.JAVA_LONG, HOST_TSC) : 0;
    }

    /** The host's TSC now, by way of a vCPU's that does not run; 0 if KVM does not tell its offset. */
    static long hostTsc(KvmVcpu vcpu) {
        if (!vcpu.hasTscOffset()) {
            return 0;
        }
        Msrs tsc = new Msrs(Msrs.IA32_TSC);
        vcpu.getMsrs(tsc);
        return tsc.value(0) - vcpu.getTscOffset();
    }

    /** Sets a vCPU's TSC; its state is set already. */
    void setTsc(KvmVcpu vcpu, VcpuState state) {
        if (!vcpu.hasTscOffset()) {
            return;
        }
        vcpu.setTscOffset(passed == Passed.NOT ? offset : state.tscOffset() + offset);
        int last = state.msrs().size() - 1;
        boolean deadline = last >= 0
                && state.msrs().index(last) == Msrs.IA32_TSC_DEADLINE
                && state.msrs().value(last) != 0;
        if (deadline) {
            // Once more: the timer counts from the TSC that it finds.
            Msrs again = new Msrs(Msrs.IA32_TSC_DEADLINE);
            again.set(0, state.msrs().value(last));
            vcpu.setMsrs(again);
        }
    }

    /** Sets the VM's clock; right before the vCPUs run. */
    void setClock(KvmVm vm, VmState state) {
        MemorySegment clock = state.clock();
        int known = clock.get(ValueLayout.JAVA_INT, FLAGS);
        int flags = passed == Passed.UNDER_THIS_KERNEL ? known & KVM_CLOCK_REALTIME : 0;
        if (passed == Passed.ON_THIS_MACHINE) {
            // Now, not when the clocks were looked at: milliseconds have passed since.
            long elapsed = nanos(hostTsc(first) + offset - hostTsc(clock), khz);
            clock.set(ValueLayout.JAVA_LONG, 0, clock.get(ValueLayout.JAVA_LONG, 0) + elapsed);
        }
        clock.set(ValueLayout.JAVA_INT, FLAGS, flags);
        vm.setClock(clock);
    }
}
