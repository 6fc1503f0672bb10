package dev.holdover.machine;

import dev.holdover.kvm.KvmVm;
import dev.holdover.platform.InterruptLine;

/** A line into interrupt controllers that come to be after the devices; held low before. */
final class GsiLine implements InterruptLine {
    private final int gsi;
    private volatile KvmVm vm;

    GsiLine(int gsi) {
        this.gsi = gsi;
    }

    void connect(KvmVm to) {
        vm = to;
    }

    @Override
    public void set(boolean high) {
        KvmVm connected = vm;
        if (connected != null) {
            connected.setInterruptLine(gsi, high);
        }
    }
}
