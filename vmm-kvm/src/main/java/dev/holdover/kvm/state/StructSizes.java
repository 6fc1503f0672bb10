package dev.holdover.kvm.state;

/** Sizes in bytes of the structures of linux/kvm.h that are saved as they are. */
public final class StructSizes {
    /** struct kvm_lapic_state. */
    public static final int LAPIC = 1024;

    /** struct kvm_vcpu_events. */
    public static final int VCPU_EVENTS = 64;

    /** struct kvm_debugregs. */
    public static final int DEBUGREGS = 128;

    /** struct kvm_xcrs. */
    public static final int XCRS = 392;

    /** struct kvm_mp_state. */
    public static final int MP_STATE = 4;

    /** struct kvm_irqchip. */
    public static final int IRQCHIP = 520;

    /** struct kvm_pit_state2. */
    public static final int PIT_STATE2 = 112;

    /** struct kvm_clock_data. */
    public static final int CLOCK_DATA = 48;

    private StructSizes() {}
}
