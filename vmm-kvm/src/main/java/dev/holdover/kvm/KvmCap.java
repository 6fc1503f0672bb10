package dev.holdover.kvm;

/** KVM's capabilities that this VMM asks for, by the numbers of include/uapi/linux/kvm.h. */
public enum KvmCap {
    IRQCHIP(0, "in-kernel interrupt controllers"),
    USER_MEMORY(3, "guest RAM from user memory"),
    SET_TSS_ADDR(4, "a place for the TSS of Intel hosts"),
    NR_VCPUS(9, "recommended number of vCPUs"),
    NR_MEMSLOTS(10, "number of memslots"),
    MP_STATE(14, "multiprocessing state"),
    IRQ_ROUTING(25, "interrupt routes set from outside"),
    IRQFD(32, "interrupts by eventfd"),
    PIT2(33, "in-kernel timer chip"),
    SET_IDENTITY_MAP_ADDR(37, "a place for the identity map of Intel hosts"),
    IOEVENTFD(36, "doorbells by eventfd"),
    ADJUST_CLOCK(39, "guest clock get and set"),
    VCPU_EVENTS(41, "pending events get and set"),
    DEBUGREGS(50, "debug registers get and set"),
    XSAVE(55, "vector registers get and set"),
    XCRS(56, "extended control registers get and set"),
    TSC_CONTROL(60, "TSC scaling"),
    GET_TSC_KHZ(61, "the TSC's frequency"),
    MAX_VCPUS(66, "largest number of vCPUs"),
    TSC_DEADLINE_TIMER(72, "TSC deadline timer"),
    KVMCLOCK_CTRL(76, "telling the guest that it was paused"),
    SIGNAL_MSI(77, "message-signalled interrupts"),
    READONLY_MEM(81, "read-only memslots"),
    IRQFD_RESAMPLE(82, "level-triggered interrupts by eventfd"),
    VCPU_ATTRIBUTES(127, "the TSC offset as a vCPU attribute"),
    IMMEDIATE_EXIT(136, "leaving KVM_RUN at once"),
    NESTED_STATE(157, "state of nested guests"),
    SREGS2(200, "special registers with PDPTRs"),
    EXIT_ON_EMULATION_FAILURE(204, "failed instructions reported with their bytes"),
    XSAVE2(208, "vector registers beyond 4 KiB");

    private final int number;
    private final String meaning;

    KvmCap(int number, String meaning) {
        this.number = number;
        this.meaning = meaning;
    }

    public int number() {
        return number;
    }

    /** What it gives, in words. */
    public String meaning() {
        return meaning;
    }
}
