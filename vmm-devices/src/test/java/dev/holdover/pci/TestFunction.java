package dev.holdover.pci;

import java.util.ArrayList;
import java.util.List;

/** A function that notes where its BARs are, and answers reads of them with the offset. */
final class TestFunction extends PciFunction {
    static final PciId ID = new PciId(0x1234, 0x5678, 0x028000, 3, 0x1af4, 0x11);

    final List<String> events = new ArrayList<>();
    Msix msix;

    TestFunction(int size, PciBar... bars) {
        super(new PciConfig(size, ID));
        for (PciBar bar : bars) {
            config().addBar(bar);
        }
    }

    @Override
    public String name() {
        return "the test's function";
    }

    @Override
    public Msix msix() {
        return msix;
    }

    @Override
    public long readBar(int bar, long offset, int width) {
        return msix != null && msix.covers(bar, offset) ? msix.read(bar, offset, width) : offset;
    }

    @Override
    public void writeBar(int bar, long offset, int width, long value) {
        if (msix != null && msix.covers(bar, offset)) {
            msix.write(bar, offset, width, value);
        }
    }

    @Override
    public void placed(int bar, long address) {
        events.add(bar + " at 0x" + Long.toHexString(address));
    }

    @Override
    public void removed(int bar, long address) {
        events.add(bar + " gone from 0x" + Long.toHexString(address));
    }

    /** What has happened since it was last asked. */
    List<String> taken() {
        List<String> taken = List.copyOf(events);
        events.clear();
        return taken;
    }
}
