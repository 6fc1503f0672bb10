package dev.holdover.machine;

/** How long the parts of making a machine took. Always taken: it costs a look at the clock a part. */
@SuppressWarnings("EnumOrdinal") // an EnumMap reads the constants by reflection, which a start would wait for
public final class StartTimes {
    /** A part of making a machine, in their order. */
    public enum Part {
        /** RAM, firmware or kernel, the devices' files; of a state, whether they are the right ones. */
        OPEN,
        /** The VM and its memslots. */
        MEMSLOTS,
        /** Interrupt controllers and timer chip. */
        IRQCHIP,
        /** vCPUs, their CPUID and their threads. */
        VCPUS,
        /** Doorbells and interrupts of the devices; the vCPUs' and the devices' state; the console's thread. */
        STATE
    }

    private final long[] nanos = new long[Part.values().length];
    private final FlightPhases phases;
    private long last = System.nanoTime();

    StartTimes(FlightPhases phases) {
        this.phases = phases;
    }

    void done(Part part) {
        long now = System.nanoTime();
        nanos[part.ordinal()] = now - last;
        last = now;
        phases.done(part.name());
    }

    /** How long it took, nanoseconds. */
    public long nanos(Part part) {
        return nanos[part.ordinal()];
    }
}
