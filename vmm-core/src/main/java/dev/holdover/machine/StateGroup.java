package dev.holdover.machine;

import java.util.ArrayList;
import java.util.List;

/** Values by name, in the order in which they are to be shown. */
public final class StateGroup implements StateValue {
    /**
     * A value and what it is.
     *
     * @param name a–z, 0–9 and '-'
     */
    public record Field(String name, StateValue value) {}

    private final List<Field> fields = new ArrayList<>();

    StateGroup() {}

    public List<Field> fields() {
        return fields;
    }

    StateGroup add(String name, StateValue value) {
        fields.add(new Field(name, value));
        return this;
    }

    StateGroup text(String name, String value) {
        return add(name, new Text(value));
    }

    StateGroup number(String name, long value) {
        return add(name, new Count(value));
    }

    StateGroup flag(String name, boolean value) {
        return add(name, new Flag(value));
    }

    StateGroup size(String name, long bytes) {
        return add(name, new Size(bytes));
    }

    StateGroup hex8(String name, int value) {
        return add(name, new Hex(value & 0xff, 2));
    }

    StateGroup hex16(String name, int value) {
        return add(name, new Hex(value & 0xffff, 4));
    }

    StateGroup hex32(String name, int value) {
        return add(name, new Hex(Integer.toUnsignedLong(value), 8));
    }

    StateGroup hex64(String name, long value) {
        return add(name, new Hex(value, 16));
    }
}
