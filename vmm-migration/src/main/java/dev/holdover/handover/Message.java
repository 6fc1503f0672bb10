package dev.holdover.handover;

import dev.holdover.linux.NamedFd;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** What the two sides of a hand-over say; see the package for the order. */
public sealed interface Message {
    /**
     * The guest is offered.
     *
     * @param parts the descriptors; the receiver owns those that it received
     */
    record Offer(List<NamedFd> parts) implements Message {}

    /** All that can be made before the guest is paused is made. */
    record Accept() implements Message {}

    /** It is not possible. */
    record Refuse(String why) implements Message {}

    /**
     * The guest is paused and its state is whole, in the memory that was offered.
     *
     * @param runs whether it is to run, or was paused before
     * @param raise why the RAM's generation is to be raised before it runs: the code of the cause, 0 if it need not
     * @param input bytes that were read for its serial port and not yet taken by it, at most 64 KiB
     * @param output bytes that its serial port sent and that were not yet written, at most 64 KiB
     * @param pausedNanos when it was told to pause, CLOCK_MONOTONIC
     */
    record State(boolean runs, int raise, MemorySegment input, MemorySegment output, long pausedNanos)
            implements Message {}

    /**
     * The guest runs in the incoming VMM (or is paused there, as it was).
     *
     * @param receivedNanos when its state was there, CLOCK_MONOTONIC
     * @param appliedNanos when KVM and the devices had it
     * @param runningNanos when its first KVM_RUN had come back
     */
    record Running(long receivedNanos, long appliedNanos, long runningNanos) implements Message {}
}
