package dev.holdover.passthrough;

import dev.holdover.kvm.KvmVm;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.VmmException;
import dev.holdover.pci.Msix;
import dev.holdover.pci.PciBar;
import dev.holdover.pci.PciConfig;
import dev.holdover.vfio.VfioDevice;
import dev.holdover.vfio.VfioRegion;
import java.util.ArrayList;
import java.util.List;

/**
 * The registers of a device in the guest's address space. Whole pages that the kernel lets be mapped are memslots while
 * their BAR is decoded; the rest, and the pages with the MSI-X table, leave KVM_RUN and are read and written one by one.
 */
final class VfioBars implements AutoCloseable {
    /** So many memslots a device has at most: six BARs, each with some areas. */
    static final int MAX_SLOTS = 64;

    private static final long PAGE = 4096;

    /** Pages of a BAR that can be a memslot. */
    private record Window(int bar, long offset, Mapping mapping, int slot) {}

    private final VfioDevice device;
    private final VfioRegion[] regions;
    private final Msix msix;
    private final List<Window> windows = new ArrayList<>();
    /** Those that are memslots now. */
    private final List<Window> shown = new ArrayList<>();

    private final long[] places = new long[PciBar.COUNT];
    private KvmVm vm;
    private int firstSlot;

    /**
     * Maps what can be.
     *
     * @param regions by BAR; null where the device has none
     * @param msix null if it has none
     */
    VfioBars(VfioDevice device, VfioRegion[] regions, Msix msix) {
        this.device = device;
        this.regions = regions;
        this.msix = msix;
        try {
            for (int bar = 0; bar < PciBar.COUNT; bar++) {
                places[bar] = PciConfig.NOWHERE;
                for (VfioRegion.Area area :
                        regions[bar] == null ? List.<VfioRegion.Area>of() : regions[bar].mappable()) {
                    mapAround(bar, area);
                }
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /** All pages but those in which the MSI-X table or its pending bits are. */
    private void mapAround(int bar, VfioRegion.Area area) {
        long from = area.offset();
        long end = area.offset() + area.size();
        if (msix != null) {
            for (long page : msix.pages(bar, PAGE)) {
                if (page >= from && page < end) {
                    map(bar, from, page);
                    from = page + PAGE;
                }
            }
        }
        map(bar, from, end);
    }

    private void map(int bar, long from, long end) {
        if (from >= end || windows.size() == MAX_SLOTS) {
            return; // what is not mapped is reached all the same, slowly
        }
        try {
            Mapping mapping = device.mapRegion(regions[bar], new VfioRegion.Area(from, end - from));
            windows.add(new Window(bar, from, mapping, windows.size()));
        } catch (ErrnoException e) {
            throw new VmmException(
                    "can't pass " + device + " to the guest: its BAR " + bar + " of " + regions[bar].size()
                            + " bytes cannot be mapped: " + e.getMessage()
                            + "; see the kernel's log for who else uses it (a console's framebuffer, say)",
                    e);
        }
    }

    /**
     * Shows what is placed already.
     *
     * @param first the first of {@link #MAX_SLOTS} memslots that nobody else uses
     */
    void connect(KvmVm to, int first) {
        vm = to;
        firstSlot = first;
        for (int bar = 0; bar < PciBar.COUNT; bar++) {
            show(bar);
        }
    }

    /** Costs milliseconds on a machine that has its interrupt controllers. */
    void placed(int bar, long address) {
        places[bar] = address;
        if (vm != null) {
            show(bar);
        }
    }

    private void show(int bar) {
        if (places[bar] == PciConfig.NOWHERE) {
            return;
        }
        for (Window window : windows) {
            if (window.bar() == bar && !shown.contains(window)) {
                try {
                    long gpa = places[bar] + window.offset();
                    vm.setMemorySlot(
                            firstSlot + window.slot(), gpa, window.mapping().segment(), false);
                    shown.add(window);
                } catch (ErrnoException e) {
                    // The guest's processors have no such address: exits serve what is reached of it.
                }
            }
        }
    }

    void removed(int bar) {
        for (Window window : windows) {
            if (window.bar() == bar && shown.remove(window)) {
                vm.removeMemorySlot(firstSlot + window.slot());
            }
        }
        places[bar] = PciConfig.NOWHERE;
    }

    /** Reads a register as the device's bus would. */
    long read(int bar, long offset, int width) {
        if (msix != null && msix.covers(bar, offset)) {
            return msix.read(bar, offset, width);
        }
        VfioRegion region = regions[bar];
        return region != null && offset <= region.size() - width ? device.read(region.offset(), offset, width) : -1;
    }

    void write(int bar, long offset, int width, long value) {
        VfioRegion region = regions[bar];
        if (msix != null && msix.covers(bar, offset)) {
            msix.write(bar, offset, width, value);
        } else if (region != null && offset <= region.size() - width) {
            device.write(region.offset(), offset, width, value);
        }
    }

    @Override
    public void close() {
        for (Window window : windows) {
            window.mapping().close();
        }
    }
}
