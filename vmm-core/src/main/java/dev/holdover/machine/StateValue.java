package dev.holdover.machine;

import java.util.List;

/** A value in a {@link StateView}, for people and for programs. */
public sealed interface StateValue permits StateGroup, StateValue.Plain, StateValue.Items {
    /** A value that has no parts. */
    sealed interface Plain extends StateValue {}

    /** As the state says it, which may be hostile: control characters included. */
    record Text(String text) implements Plain {}

    /** A count, or a time in the unit that its name gives. */
    record Count(long value) implements Plain {}

    /** A truth value. */
    record Flag(boolean on) implements Plain {}

    /** A size in bytes. */
    record Size(long bytes) implements Plain {}

    /**
     * What a register or an address holds, unsigned.
     *
     * @param digits how many hexadecimal digits it has
     */
    record Hex(long value, int digits) implements Plain {}

    /** Several of a kind. */
    record Items(List<StateValue> items) implements StateValue {}
}
