package dev.holdover.kvm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Why KVM_RUN returned. {@link Io} and {@link Mmio} are views of {@code struct kvm_run}, one a vCPU, valid until its next
 * run: an exit allocates nothing. Only the vCPU's own thread uses them.
 */
public sealed interface VcpuExit {
    /** A port access: {@code count} units of {@code width} bytes at one port (REP INS/OUTS have more than one). */
    final class Io implements VcpuExit {
        private final MemorySegment run;

        Io(MemorySegment run) {
            this.run = run;
        }

        public boolean isWrite() {
            return run.get(ValueLayout.JAVA_BYTE, 32) == 1;
        }

        /** 1, 2 or 4 bytes. */
        public int width() {
            return run.get(ValueLayout.JAVA_BYTE, 33);
        }

        public int port() {
            return run.get(ValueLayout.JAVA_SHORT, 34) & 0xFFFF;
        }

        public int count() {
            return run.get(ValueLayout.JAVA_INT, 36);
        }

        /** Unit {@code i} of what the guest writes. */
        public long get(int i) {
            return KvmVcpu.load(run, at(i), width());
        }

        /** Sets unit {@code i} of what the guest reads. */
        public void put(int i, long value) {
            KvmVcpu.store(run, at(i), width(), value);
        }

        private long at(int i) {
            return run.get(ValueLayout.JAVA_LONG, 40) + (long) i * width();
        }
    }

    /**
     * An access to an address without memory, or a write to a read-only memslot. KVM's instruction emulator also takes it
     * for one if the memory behind a memslot cannot be had: see {@link MemoryFault}.
     */
    final class Mmio implements VcpuExit {
        private static final int DATA = 40;

        private final MemorySegment run;

        Mmio(MemorySegment run) {
            this.run = run;
        }

        public long address() {
            return run.get(ValueLayout.JAVA_LONG, 32);
        }

        /** 1 to 8 bytes; mostly a power of two. */
        public int width() {
            return run.get(ValueLayout.JAVA_INT, 48);
        }

        public boolean isWrite() {
            return run.get(ValueLayout.JAVA_BYTE, 52) != 0;
        }

        public long get() {
            return KvmVcpu.load(run, DATA, width());
        }

        public void put(long value) {
            KvmVcpu.store(run, DATA, width(), value);
        }
    }

    /** A signal, or immediate_exit, or nothing to run yet: look at what is asked, then run again. */
    record Interrupted() implements VcpuExit {}

    /** HLT; only without an in-kernel irqchip. */
    record Halted() implements VcpuExit {}

    /** Triple fault. */
    record TripleFault() implements VcpuExit {}

    /** The guest's RAM is not there: EFAULT, or KVM_EXIT_MEMORY_FAULT. */
    record MemoryFault() implements VcpuExit {}

    /**
     * KVM cannot go on with this guest.
     *
     * @param why with suberror and what bytes KVM gave
     * @param maybeNot whether KVM says that an event was being delivered when the guest reached for a device
     *     (KVM_INTERNAL_ERROR_DELIVERY_EV). Hardware that reports such an event where there was none is known; a guest for
     *     which it is true fails in the same place again
     */
    record Failed(String why, boolean maybeNot) implements VcpuExit {}
}
