package dev.holdover.kvm;

import dev.holdover.kvm.state.Cpuid;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Xstate;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/** /dev/kvm: what this host's KVM can do, and the way to make VMs. Any thread. */
public final class Kvm implements AutoCloseable {
    private static final int API_VERSION = 12;
    private static final int MAX_MSRS = 4096;
    private static final long KVM_X86_XCOMP_GUEST_SUPP = 0;

    private static Supported supported;

    private final Fd fd;

    /** What KVM supports, and a descriptor that keeps its module loaded, so that no other takes its place. */
    private record Supported(Cpuid cpuid, Fd kvm) {}

    private Kvm(Fd fd) {
        this.fd = fd;
    }

    /**
     * Opens /dev/kvm and checks the API version, which has been 12 since 2007.
     *
     * @throws KvmUnavailable why it cannot be used, and what to do
     */
    public static Kvm open() {
        Fd fd;
        try {
            fd = Fd.open("/dev/kvm", Fd.O_RDWR);
        } catch (ErrnoException e) {
            throw new KvmUnavailable(new KvmDiagnosis(Path.of("/")).ofOpen(e.errno()));
        }
        Kvm kvm = new Kvm(fd);
        long version = fd.tryIoctl(KvmIoctl.KVM_GET_API_VERSION, 0);
        if (version < 0) {
            fd.close();
            throw new KvmUnavailable(new KvmProblem.NotKvm(Errno.of(-version)));
        }
        if (version != API_VERSION) {
            fd.close();
            throw new KvmUnavailable(new KvmProblem.OtherVersion(version, API_VERSION));
        }
        kvm.requestTiles();
        return kvm;
    }

    /**
     * Guests get AMX only if the process has asked for it before it asks for the supported CPUID and makes a vCPU. KVM
     * says (KVM_X86_XCOMP_GUEST_SUPP, since 5.17) whether there is anything to ask for; elsewhere guests have none.
     */
    private void requestTiles() {
        try (Arena arena = Arena.ofConfined()) {
            // struct kvm_device_attr: flags@0, group@4, attr@8, addr@16
            MemorySegment attribute = arena.allocate(24, 8);
            MemorySegment components = arena.allocate(8, 8);
            attribute.set(ValueLayout.JAVA_LONG, 8, KVM_X86_XCOMP_GUEST_SUPP);
            attribute.set(ValueLayout.JAVA_LONG, 16, components.address());
            boolean told = fd.tryIoctl(KvmIoctl.KVM_GET_DEVICE_ATTR, attribute.address()) == 0;
            if (told && (components.get(ValueLayout.JAVA_LONG, 0) >>> Xstate.TILE_DATA & 1) != 0) {
                // A kernel that refuses leaves the tiles out of the supported CPUID, too.
                Xstate.tryRequestForGuests(Xstate.TILE_DATA);
            }
        }
    }

    /** KVM_CHECK_EXTENSION: 0 if it is lacking, else 1 or what the capability counts. */
    public int check(KvmCap cap) {
        return (int) fd.ioctl("ioctl KVM_CHECK_EXTENSION", KvmIoctl.KVM_CHECK_EXTENSION, cap.number());
    }

    public boolean has(KvmCap cap) {
        return check(cap) > 0;
    }

    /**
     * KVM_CREATE_VM. May take milliseconds. EINTR is tried again: creating waits for other CPUs.
     *
     * @throws KvmUnavailable if the CPU's virtualisation cannot be turned on, which only the first VM finds out
     */
    public KvmVm createVm() {
        long result;
        do {
            result = fd.tryIoctl(KvmIoctl.KVM_CREATE_VM, 0);
        } while (Errno.EINTR.is(result));
        if (Errno.EBUSY.is(result) || Errno.EIO.is(result) || Errno.EOPNOTSUPP.is(result) || Errno.ENODEV.is(result)) {
            throw new KvmUnavailable(new KvmProblem.NoVm(Errno.of(-result)));
        }
        ErrnoException.check("ioctl KVM_CREATE_VM", result);
        return new KvmVm(Fd.adopt((int) result, "VM"), vcpuMappingSize());
    }

    /** KVM_GET_VCPU_MMAP_SIZE, bytes. */
    private int vcpuMappingSize() {
        return (int) fd.ioctl("ioctl KVM_GET_VCPU_MMAP_SIZE", KvmIoctl.KVM_GET_VCPU_MMAP_SIZE, 0);
    }

    /**
     * What the host's CPU and KVM can show a guest; not to be changed. Asked once a process: where the host is a guest
     * itself each leaf costs KVM an exit, a quarter of a restore's system calls.
     */
    public Cpuid supportedCpuid() {
        synchronized (Kvm.class) {
            if (supported == null) {
                supported = new Supported(askSupportedCpuid(), fd.dup());
            }
            return supported.cpuid();
        }
    }

    /** KVM_GET_SUPPORTED_CPUID. */
    public Cpuid askSupportedCpuid() {
        for (int room = 128; ; room *= 2) {
            Cpuid cpuid = new Cpuid(room);
            long result = fd.tryIoctl(
                    KvmIoctl.KVM_GET_SUPPORTED_CPUID, cpuid.segment().address());
            if (!Errno.E2BIG.is(result) || room >= 4096) {
                ErrnoException.check("ioctl KVM_GET_SUPPORTED_CPUID", result);
                return cpuid;
            }
        }
    }

    /** KVM_GET_MSR_INDEX_LIST: the MSRs that KVM says it saves and restores. It may refuse some of them yet. */
    public int[] msrIndexes() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment list = arena.allocate(4 + 4L * MAX_MSRS, 4);
            list.set(ValueLayout.JAVA_INT, 0, MAX_MSRS);
            fd.ioctl("ioctl KVM_GET_MSR_INDEX_LIST", KvmIoctl.KVM_GET_MSR_INDEX_LIST, list);
            int count = list.get(ValueLayout.JAVA_INT, 0);
            return list.asSlice(4, 4L * count).toArray(ValueLayout.JAVA_INT);
        }
    }

    @Override
    public void close() {
        fd.close();
    }
}
