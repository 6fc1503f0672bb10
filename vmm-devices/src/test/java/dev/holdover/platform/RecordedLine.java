package dev.holdover.platform;

import java.util.ArrayList;
import java.util.List;

/** An interrupt line that remembers its level and every change. */
final class RecordedLine implements InterruptLine {
    private final List<Boolean> changes = new ArrayList<>();

    @Override
    public synchronized void set(boolean high) {
        changes.add(high);
    }

    synchronized boolean high() {
        return !changes.isEmpty() && changes.getLast();
    }

    /** Every level that was set, in order. */
    synchronized List<Boolean> changes() {
        return List.copyOf(changes);
    }
}
