package dev.holdover.machine;

import dev.holdover.kvm.Kvm;
import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.VcpuExit;
import dev.holdover.kvm.state.Regs;
import dev.holdover.kvm.state.Sregs;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.VmmException;
import java.lang.foreign.ValueLayout;

/** How fast this host's KVM runs guest kernel code: at the processor's speed, or an instruction at a time by emulation. */
final class GuestSpeed {
    private static final int ROUNDS = 10_000;
    private static final int TRIES = 3;
    /** Slower than this, guest kernel code is emulated: a processor takes less than one. */
    private static final double EMULATED_NANOS = 100;
    // again: dec cx; jnz again; out 0x80, al
    private static final byte[] LOOP = {0x49, 0x75, (byte) 0xfd, (byte) 0xe6, (byte) 0x80};
    private static final long START = 0x1000;

    private GuestSpeed() {}

    /** Whether code at that speed is emulated. */
    static boolean isEmulated(double nanosPerInstruction) {
        return nanosPerInstruction > EMULATED_NANOS;
    }

    /**
     * Nanoseconds an instruction, over a loop of 20,000 in real mode; the best of three tries, since this thread may lose
     * its CPU for longer than the loop takes. Takes 50 ms where it is emulated.
     */
    static double nanosPerInstruction(Kvm kvm) {
        double best = Double.MAX_VALUE;
        for (int i = 0; i < TRIES; i++) {
            best = Math.min(best, once(kvm));
        }
        return best;
    }

    private static double once(Kvm kvm) {
        try (KvmVm vm = kvm.createVm();
                Mapping ram = Mapping.anonymous(1 << 16, 4096)) {
            vm.setMemorySlot(0, 0, ram.segment(), false);
            for (int i = 0; i < LOOP.length; i++) {
                ram.segment().set(ValueLayout.JAVA_BYTE, START + i, LOOP[i]);
            }
            try (KvmVcpu vcpu = vm.createVcpu(0)) {
                Sregs sregs = new Sregs();
                vcpu.getSregs(sregs);
                sregs.setRealMode(Sregs.CS, 0);
                vcpu.setSregs(sregs);
                Regs regs = new Regs();
                regs.set(Regs.RIP, START);
                regs.set(Regs.RCX, ROUNDS);
                regs.set(Regs.RFLAGS, 2);
                vcpu.setRegs(regs);
                long start = System.nanoTime();
                VcpuExit exit;
                do {
                    exit = vcpu.run();
                } while (exit instanceof VcpuExit.Interrupted);
                long nanos = System.nanoTime() - start;
                if (!(exit instanceof VcpuExit.Io)) {
                    throw new VmmException("a guest of five bytes does not run here: "
                            + (exit instanceof VcpuExit.Failed failed ? failed.why() : exit));
                }
                return nanos / (2.0 * ROUNDS);
            }
        }
    }
}
