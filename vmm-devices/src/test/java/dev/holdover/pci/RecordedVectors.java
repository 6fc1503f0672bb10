package dev.holdover.pci;

import java.util.ArrayList;
import java.util.List;

/** What a capability tells its function. */
final class RecordedVectors implements MsiListener {
    final List<String> told = new ArrayList<>();
    int waiting = -1;

    @Override
    public void enabled(boolean on) {
        told.add(on ? "on" : "off");
    }

    @Override
    public void unmasked(int vector, long address, int data) {
        told.add(vector + " is " + message(address, data));
    }

    @Override
    public void masked(int vector) {
        told.add(vector + " masked");
    }

    @Override
    public void deliver(int vector, long address, int data) {
        told.add(vector + " sends " + message(address, data));
    }

    @Override
    public boolean isPending(int vector) {
        return vector == waiting;
    }

    @Override
    public void settled() {
        told.add("settled");
    }

    private static String message(long address, int data) {
        return Long.toHexString(address) + ":" + Integer.toHexString(data);
    }

    /** What has been told since it was last asked. */
    List<String> taken() {
        List<String> taken = List.copyOf(told);
        told.clear();
        return taken;
    }
}
