package dev.holdover.platform;

/** What a guest asks of its machine through a device. */
public sealed interface GuestRequest {
    /** Off: ACPI S5. */
    record PowerOff() implements GuestRequest {}

    /** Start again: keyboard controller, ACPI reset register, triple fault by design. */
    record Reset() implements GuestRequest {}

    /**
     * End with an exit code, from the debug-exit port.
     *
     * @param value what was written; the process exits with {@code (value << 1) | 1}, low eight bits
     */
    record DebugExit(int value) implements GuestRequest {}
}
