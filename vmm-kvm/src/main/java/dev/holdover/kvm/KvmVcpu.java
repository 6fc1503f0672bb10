package dev.holdover.kvm;

import dev.holdover.kvm.state.Cpuid;
import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.Regs;
import dev.holdover.kvm.state.Sregs;
import dev.holdover.kvm.state.StructSizes;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Signals;
import dev.holdover.linux.VmmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.HexFormat;

/**
 * A vCPU fd and its {@code struct kvm_run}. The ioctls belong to the thread that runs the vCPU, or to any one thread
 * while it is parked; only {@link #kick} is for others.
 */
public final class KvmVcpu implements AutoCloseable {
    private static final int XSAVE_SIZE = 4096;

    private static final int IMMEDIATE_EXIT = 1;
    private static final int EXIT_REASON = 8;
    private static final int UNION = 32;

    private static final int KVM_EXIT_IO = 2;
    private static final int KVM_EXIT_HLT = 5;
    private static final int KVM_EXIT_MMIO = 6;
    private static final int KVM_EXIT_SHUTDOWN = 8;
    private static final int KVM_EXIT_FAIL_ENTRY = 9;
    private static final int KVM_EXIT_INTR = 10;
    private static final int KVM_EXIT_INTERNAL_ERROR = 17;
    private static final int KVM_EXIT_MEMORY_FAULT = 39;
    private static final int KVM_INTERNAL_ERROR_EMULATION = 1;
    private static final int KVM_INTERNAL_ERROR_DELIVERY_EV = 3;

    private static final int KVM_VCPU_TSC_CTRL = 0;
    private static final int KVM_VCPU_TSC_OFFSET = 0;

    private static final VarHandle BYTE = ValueLayout.JAVA_BYTE.varHandle();

    private static final VcpuExit INTERRUPTED = new VcpuExit.Interrupted();
    private static final VcpuExit HALTED = new VcpuExit.Halted();
    private static final VcpuExit TRIPLE_FAULT = new VcpuExit.TripleFault();
    private static final VcpuExit MEMORY_FAULT = new VcpuExit.MemoryFault();

    private final int id;
    private final Fd fd;
    private final Mapping mapping;
    private final MemorySegment run;
    private final int xsaveSize;
    private final boolean xsave2;
    private final VcpuExit.Io io;
    private final VcpuExit.Mmio mmio;

    KvmVcpu(int id, Fd fd, Mapping mapping, int xsave2) {
        this.id = id;
        this.fd = fd;
        this.mapping = mapping;
        this.run = mapping.segment();
        this.xsave2 = xsave2 > 0;
        this.xsaveSize = Math.max(xsave2, XSAVE_SIZE);
        this.io = new VcpuExit.Io(run);
        this.mmio = new VcpuExit.Mmio(run);
    }

    /** Its APIC id. */
    public int id() {
        return id;
    }

    /**
     * KVM_RUN: lets the guest run until there is something to do. Blocks, also while the guest sleeps in HLT.
     * Completes the access of the previous {@link VcpuExit.Io} or {@link VcpuExit.Mmio} first.
     */
    public VcpuExit run() {
        long result = fd.tryIoctl(KvmIoctl.KVM_RUN, 0);
        if (result == 0) {
            int reason = run.get(ValueLayout.JAVA_INT, EXIT_REASON);
            return switch (reason) {
                case KVM_EXIT_IO -> io;
                case KVM_EXIT_MMIO -> mmio;
                case KVM_EXIT_INTR -> INTERRUPTED;
                case KVM_EXIT_HLT -> HALTED;
                case KVM_EXIT_SHUTDOWN -> TRIPLE_FAULT;
                case KVM_EXIT_MEMORY_FAULT -> MEMORY_FAULT;
                default -> new VcpuExit.Failed(why(reason), isDelivery(reason));
            };
        }
        // EAGAIN: a vCPU that waits for its start-up IPI was woken.
        if (Errno.EINTR.is(result) || Errno.EAGAIN.is(result)) {
            return INTERRUPTED;
        }
        if (Errno.EFAULT.is(result)) {
            return MEMORY_FAULT;
        }
        throw new ErrnoException("ioctl KVM_RUN on vCPU " + id, Errno.of(-result));
    }

    private boolean isDelivery(int reason) {
        return reason == KVM_EXIT_INTERNAL_ERROR
                && run.get(ValueLayout.JAVA_INT, UNION) == KVM_INTERNAL_ERROR_DELIVERY_EV;
    }

    private String why(int reason) {
        switch (reason) {
            case KVM_EXIT_FAIL_ENTRY -> {
                return "KVM could not enter the guest: hardware reason 0x"
                        + Long.toHexString(run.get(ValueLayout.JAVA_LONG, UNION)) + registers();
            }
            case KVM_EXIT_INTERNAL_ERROR -> {
                int suberror = run.get(ValueLayout.JAVA_INT, UNION);
                String text = "KVM internal error, suberror " + suberror;
                if (suberror == KVM_INTERNAL_ERROR_EMULATION) {
                    text += " (emulation failure)";
                }
                int words = Math.clamp(run.get(ValueLayout.JAVA_INT, UNION + 4), 0, 16);
                // Since 5.15: flags@40 with bit 0 for instruction bytes, insn_size@48, insn_bytes@49[15]
                boolean bytes = suberror == KVM_INTERNAL_ERROR_EMULATION
                        && words >= 3
                        && (run.get(ValueLayout.JAVA_LONG, UNION + 8) & 1) != 0;
                if (bytes) {
                    int size = Math.clamp(run.get(ValueLayout.JAVA_BYTE, 48), 0, 15);
                    byte[] instruction = run.asSlice(49, size).toArray(ValueLayout.JAVA_BYTE);
                    return text + registers() + ", instruction "
                            + HexFormat.ofDelimiter(" ").formatHex(instruction);
                }
                StringBuilder data = new StringBuilder(text).append(registers());
                for (int i = 0; i < words; i++) {
                    data.append(i == 0 ? ", data" : "")
                            .append(" 0x")
                            .append(Long.toHexString(run.get(ValueLayout.JAVA_LONG, UNION + 8 + 8L * i)));
                }
                return data.toString();
            }
            default -> {
                return "KVM_RUN returned with exit reason " + reason + ", which this VMM does not know" + registers();
            }
        }
    }

    /** Where it stands: CS, RIP and the modes, for messages. Empty if KVM does not tell. */
    public String registers() {
        try {
            Regs regs = new Regs();
            getRegs(regs);
            Sregs sregs = new Sregs();
            getSregs(sregs);
            return " at RIP 0x" + Long.toHexString(regs.get(Regs.RIP))
                    + ", CS 0x" + Integer.toHexString(sregs.selector(Sregs.CS))
                    + " base 0x" + Long.toHexString(sregs.base(Sregs.CS))
                    + ", RSP 0x" + Long.toHexString(regs.get(Regs.RSP))
                    + ", CR0 0x" + Long.toHexString(sregs.get(Sregs.CR0))
                    + ", CR2 0x" + Long.toHexString(sregs.get(Sregs.CR2))
                    + ", CR3 0x" + Long.toHexString(sregs.get(Sregs.CR3))
                    + ", CR4 0x" + Long.toHexString(sregs.get(Sregs.CR4))
                    + ", EFER 0x" + Long.toHexString(sregs.get(Sregs.EFER));
        } catch (ErrnoException e) {
            return "";
        }
    }

    /**
     * Makes the thread that runs this vCPU come back from KVM_RUN, now or at its next call. Any thread. It stays so until
     * {@link #clearKick}.
     *
     * @param threadId of the thread that runs it ({@link Signals#threadId})
     */
    public void kick(int threadId) {
        BYTE.setVolatile(run, (long) IMMEDIATE_EXIT, (byte) 1);
        Signals.kick(threadId);
    }

    /** Takes the kick back. By the vCPU's thread, before it looks at what it was kicked for: else one could be lost. */
    public void clearKick() {
        BYTE.setVolatile(run, (long) IMMEDIATE_EXIT, (byte) 0);
    }

    /** Sets immediate_exit without a signal, so that the next run only completes the last access. */
    public void armImmediateExit() {
        BYTE.setVolatile(run, (long) IMMEDIATE_EXIT, (byte) 1);
    }

    /** KVM_SET_CPUID2: before the first run; afterwards EINVAL for other data. */
    public void setCpuid(Cpuid cpuid) {
        fd.ioctl("ioctl KVM_SET_CPUID2", KvmIoctl.KVM_SET_CPUID2, cpuid.segment());
    }

    /** KVM_GET_REGS. */
    public void getRegs(Regs regs) {
        fd.ioctl("ioctl KVM_GET_REGS", KvmIoctl.KVM_GET_REGS, regs.segment());
    }

    /** KVM_SET_REGS; clears pending exceptions. */
    public void setRegs(Regs regs) {
        fd.ioctl("ioctl KVM_SET_REGS", KvmIoctl.KVM_SET_REGS, regs.segment());
    }

    /** KVM_GET_SREGS. */
    public void getSregs(Sregs sregs) {
        fd.ioctl("ioctl KVM_GET_SREGS", KvmIoctl.KVM_GET_SREGS, sregs.segment());
    }

    /** KVM_SET_SREGS. EINVAL for a state that the CPU could not be in. */
    public void setSregs(Sregs sregs) {
        fd.ioctl("ioctl KVM_SET_SREGS", KvmIoctl.KVM_SET_SREGS, sregs.segment());
    }

    /** KVM_GET_SREGS2; needs {@link KvmCap#SREGS2}. */
    public void getSregs2(Sregs sregs) {
        fd.ioctl("ioctl KVM_GET_SREGS2", KvmIoctl.KVM_GET_SREGS2, sregs.segment());
    }

    /** KVM_SET_SREGS2; needs {@link KvmCap#SREGS2}. */
    public void setSregs2(Sregs sregs) {
        fd.ioctl("ioctl KVM_SET_SREGS2", KvmIoctl.KVM_SET_SREGS2, sregs.segment());
    }

    /** KVM_GET_MSRS; returns how many were read: less than asked if KVM refused the next one. */
    public int tryGetMsrs(Msrs msrs) {
        return (int) fd.ioctl("ioctl KVM_GET_MSRS", KvmIoctl.KVM_GET_MSRS, msrs.segment());
    }

    /** KVM_GET_MSRS of all; a refused one is named. */
    public void getMsrs(Msrs msrs) {
        int got = tryGetMsrs(msrs);
        if (got < msrs.size()) {
            throw new VmmException(
                    "KVM of this host does not tell MSR 0x" + Integer.toHexString(msrs.index(got)) + " of vCPU " + id);
        }
    }

    /** KVM_SET_MSRS; returns how many were set: less than asked if KVM refused the next one. */
    public int trySetMsrs(Msrs msrs) {
        return (int) fd.ioctl("ioctl KVM_SET_MSRS", KvmIoctl.KVM_SET_MSRS, msrs.segment());
    }

    /** KVM_SET_MSRS of all; a refused one is named. */
    public void setMsrs(Msrs msrs) {
        int set = trySetMsrs(msrs);
        if (set < msrs.size()) {
            throw new VmmException("KVM of this host refuses MSR 0x" + Integer.toHexString(msrs.index(set)) + " = 0x"
                    + Long.toHexString(msrs.value(set)) + " on vCPU " + id);
        }
    }

    /** KVM_GET_LAPIC into {@value StructSizes#LAPIC} bytes. May change the LAPIC's state before it returns it. */
    public void getLapic(MemorySegment to) {
        fd.ioctl("ioctl KVM_GET_LAPIC", KvmIoctl.KVM_GET_LAPIC, to);
    }

    /** KVM_SET_LAPIC. */
    public void setLapic(MemorySegment from) {
        fd.ioctl("ioctl KVM_SET_LAPIC", KvmIoctl.KVM_SET_LAPIC, from);
    }

    /** KVM_GET_MP_STATE into {@value StructSizes#MP_STATE} bytes. */
    public void getMpState(MemorySegment to) {
        fd.ioctl("ioctl KVM_GET_MP_STATE", KvmIoctl.KVM_GET_MP_STATE, to);
    }

    /** KVM_SET_MP_STATE. */
    public void setMpState(MemorySegment from) {
        fd.ioctl("ioctl KVM_SET_MP_STATE", KvmIoctl.KVM_SET_MP_STATE, from);
    }

    /** KVM_GET_VCPU_EVENTS into {@value StructSizes#VCPU_EVENTS} bytes. */
    public void getEvents(MemorySegment to) {
        fd.ioctl("ioctl KVM_GET_VCPU_EVENTS", KvmIoctl.KVM_GET_VCPU_EVENTS, to);
    }

    /** KVM_SET_VCPU_EVENTS. */
    public void setEvents(MemorySegment from) {
        fd.ioctl("ioctl KVM_SET_VCPU_EVENTS", KvmIoctl.KVM_SET_VCPU_EVENTS, from);
    }

    /** KVM_GET_DEBUGREGS into {@value StructSizes#DEBUGREGS} bytes. */
    public void getDebugRegs(MemorySegment to) {
        fd.ioctl("ioctl KVM_GET_DEBUGREGS", KvmIoctl.KVM_GET_DEBUGREGS, to);
    }

    /** KVM_SET_DEBUGREGS. */
    public void setDebugRegs(MemorySegment from) {
        fd.ioctl("ioctl KVM_SET_DEBUGREGS", KvmIoctl.KVM_SET_DEBUGREGS, from);
    }

    /** Bytes of the vector state: 4096, or what KVM_CAP_XSAVE2 says. */
    public int xsaveSize() {
        return xsaveSize;
    }

    /** KVM_GET_XSAVE2, or KVM_GET_XSAVE where it is lacking, into {@link #xsaveSize} bytes. */
    public void getXsave(MemorySegment to) {
        if (xsave2) {
            fd.ioctl("ioctl KVM_GET_XSAVE2", KvmIoctl.KVM_GET_XSAVE2, to);
        } else {
            fd.ioctl("ioctl KVM_GET_XSAVE", KvmIoctl.KVM_GET_XSAVE, to);
        }
    }

    /** KVM_SET_XSAVE; reads {@link #xsaveSize} bytes. */
    public void setXsave(MemorySegment from) {
        if (from.byteSize() < xsaveSize) {
            throw new IllegalArgumentException(from.byteSize() + " bytes of vector state, KVM reads " + xsaveSize);
        }
        fd.ioctl("ioctl KVM_SET_XSAVE", KvmIoctl.KVM_SET_XSAVE, from);
    }

    /** KVM_GET_XCRS into {@value StructSizes#XCRS} bytes. */
    public void getXcrs(MemorySegment to) {
        fd.ioctl("ioctl KVM_GET_XCRS", KvmIoctl.KVM_GET_XCRS, to);
    }

    /** KVM_SET_XCRS. */
    public void setXcrs(MemorySegment from) {
        fd.ioctl("ioctl KVM_SET_XCRS", KvmIoctl.KVM_SET_XCRS, from);
    }

    /** KVM_GET_TSC_KHZ. EIO on a host with an unstable TSC. */
    public int tscKhz() {
        return (int) fd.ioctl("ioctl KVM_GET_TSC_KHZ", KvmIoctl.KVM_GET_TSC_KHZ, 0);
    }

    /** KVM_GET_TSC_KHZ; 0 on a host with an unstable TSC (EIO). */
    public int tryTscKhz() {
        return (int) Math.max(0, fd.tryIoctl(KvmIoctl.KVM_GET_TSC_KHZ, 0));
    }

    /** KVM_SET_TSC_KHZ; another than the host's needs {@link KvmCap#TSC_CONTROL}. */
    public void setTscKhz(int khz) {
        fd.ioctl("ioctl KVM_SET_TSC_KHZ", KvmIoctl.KVM_SET_TSC_KHZ, khz);
    }

    /** KVM_KVMCLOCK_CTRL: tells the guest that it was paused, so that its watchdogs forgive. False if it has no kvmclock. */
    public boolean notePaused() {
        long result = fd.tryIoctl(KvmIoctl.KVM_KVMCLOCK_CTRL, 0);
        if (Errno.EINVAL.is(result)) {
            return false;
        }
        ErrnoException.check("ioctl KVM_KVMCLOCK_CTRL", result);
        return true;
    }

    /** Whether KVM_VCPU_TSC_OFFSET can be read and set: KVM_HAS_DEVICE_ATTR. */
    public boolean hasTscOffset() {
        try (Arena arena = Arena.ofConfined()) {
            return fd.tryIoctl(
                            KvmIoctl.KVM_HAS_DEVICE_ATTR,
                            tscOffset(arena, arena.allocate(8, 8)).address())
                    == 0;
        }
    }

    /** KVM_VCPU_TSC_OFFSET: the guest's TSC less the host's. */
    public long getTscOffset() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(8, 8);
            fd.ioctl("ioctl KVM_GET_DEVICE_ATTR TSC offset", KvmIoctl.KVM_GET_DEVICE_ATTR, tscOffset(arena, value));
            return value.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /** Sets KVM_VCPU_TSC_OFFSET. */
    public void setTscOffset(long offset) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocateFrom(ValueLayout.JAVA_LONG, offset);
            fd.ioctl("ioctl KVM_SET_DEVICE_ATTR TSC offset", KvmIoctl.KVM_SET_DEVICE_ATTR, tscOffset(arena, value));
        }
    }

    /** struct kvm_device_attr: flags@0, group@4, attr@8, addr@16. */
    private static MemorySegment tscOffset(Arena arena, MemorySegment value) {
        MemorySegment attribute = arena.allocate(24, 8);
        attribute.set(ValueLayout.JAVA_INT, 4, KVM_VCPU_TSC_CTRL);
        attribute.set(ValueLayout.JAVA_LONG, 8, KVM_VCPU_TSC_OFFSET);
        attribute.set(ValueLayout.JAVA_LONG, 16, value.address());
        return attribute;
    }

    static long load(MemorySegment run, long at, int width) {
        return switch (width) {
            case 1 -> run.get(ValueLayout.JAVA_BYTE, at) & 0xFFL;
            case 2 -> run.get(ValueLayout.JAVA_SHORT_UNALIGNED, at) & 0xFFFFL;
            case 4 -> run.get(ValueLayout.JAVA_INT_UNALIGNED, at) & 0xFFFFFFFFL;
            case 8 -> run.get(ValueLayout.JAVA_LONG_UNALIGNED, at);
            default -> run.get(ValueLayout.JAVA_LONG_UNALIGNED, at) & ((1L << (8 * width)) - 1);
        };
    }

    static void store(MemorySegment run, long at, int width, long value) {
        switch (width) {
            case 1 -> run.set(ValueLayout.JAVA_BYTE, at, (byte) value);
            case 2 -> run.set(ValueLayout.JAVA_SHORT_UNALIGNED, at, (short) value);
            case 4 -> run.set(ValueLayout.JAVA_INT_UNALIGNED, at, (int) value);
            default -> run.set(ValueLayout.JAVA_LONG_UNALIGNED, at, value);
        }
    }

    /** Unmaps and closes. Nobody may be in {@link #run} any more. */
    @Override
    public void close() {
        mapping.close();
        fd.close();
    }
}
