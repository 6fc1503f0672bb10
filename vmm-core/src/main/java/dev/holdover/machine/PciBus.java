package dev.holdover.machine;

import dev.holdover.boot.acpi.PciRoot;
import dev.holdover.kvm.KvmVm;
import dev.holdover.linux.UsageException;
import dev.holdover.pci.MsiRoutes;
import dev.holdover.pci.MsixState;
import dev.holdover.pci.PciConfigState;
import dev.holdover.pci.PciFunction;
import dev.holdover.pci.PciHostBridge;
import dev.holdover.pci.PciHostBridgeState;
import dev.holdover.platform.Bus;
import dev.holdover.platform.InterruptLine;
import dev.holdover.platform.MemoryMap;
import dev.holdover.vmstate.StateFile;
import dev.holdover.vmstate.StateImage;
import dev.holdover.vmstate.StateLayout;
import java.util.ArrayList;
import java.util.List;

/** The machine's PCI bus with its functions, and what all of them save: configuration spaces and MSI-X tables. */
final class PciBus {
    private final PciHostBridge bridge;
    private final MsiRoutes routes = new MsiRoutes();
    private final List<GsiLine> lines = new ArrayList<>();

    /**
     * A bus without functions.
     *
     * @param ramEnd the GPA behind all RAM
     * @param addressBits how many bits of a GPA the guest's CPUs have
     * @param mmioDevices how many devices on virtio-mmio have interrupts of their own
     */
    PciBus(Bus ports, Bus mmio, long ramEnd, int addressBits, int mmioDevices) {
        bridge = new PciHostBridge(ports, mmio, MemoryMap.pciWindows(ramEnd, addressBits), MemoryMap.PCI_ECAM);
        for (int gsi : MemoryMap.pciGsis(mmioDevices)) {
            GsiLine line = new GsiLine(gsi);
            lines.add(line);
            bridge.addPin(gsi, line);
        }
    }

    PciHostBridge bridge() {
        return bridge;
    }

    /** The machine's one table of message routes. */
    MsiRoutes routes() {
        return routes;
    }

    /** The INTx line of the slot that the next function gets; null if there is none. */
    InterruptLine nextLine() {
        return bridge.intxLine(bridge.nextSlot());
    }

    /** Puts a function into the next slot, before {@link #powerOn}. */
    void plug(PciFunction function) {
        if (bridge.nextSlot() > PciHostBridge.SLOTS) {
            throw new UsageException("the PCI bus has room for " + PciHostBridge.SLOTS + " devices, and none for "
                    + function.name() + " besides");
        }
        bridge.plug(function);
    }

    /** All functions are there: their BARs get addresses. */
    void powerOn() {
        bridge.assignAddresses();
    }

    /** For the ACPI tables. */
    PciRoot root() {
        List<PciRoot.Interrupt> interrupts = new ArrayList<>();
        for (int slot = 1; slot <= PciHostBridge.SLOTS; slot++) {
            if (bridge.function(slot) != null && bridge.intxGsi(slot) >= 0) {
                interrupts.add(new PciRoot.Interrupt(slot, bridge.intxGsi(slot)));
            }
        }
        return new PciRoot(MemoryMap.PCI_ECAM, bridge.windows(), interrupts);
    }

    /** Connects the interrupts to a VM that has its interrupt controllers. */
    void connect(KvmVm vm) {
        for (GsiLine line : lines) {
            line.connect(vm);
        }
        routes.connect(vm::setMsiRoutes);
    }

    void reset() {
        routes.hold();
        bridge.reset();
        routes.letGo();
    }

    /** Declares the sections that {@link #write} fills. */
    void declare(StateLayout layout) {
        layout.section(PciHostBridgeState.SECTION, 0, PciHostBridgeState.SIZE);
        for (int slot = 1; slot <= PciHostBridge.SLOTS; slot++) {
            PciFunction function = bridge.function(slot);
            if (function != null) {
                int size = function.config().size();
                layout.section(PciConfigState.SECTION, slot, PciConfigState.size(size));
                if (function.msix() != null) {
                    int vectors = function.msix().place().vectors();
                    layout.section(MsixState.SECTION, slot, MsixState.size(vectors));
                }
            }
        }
    }

    /** Fills the sections from {@code first} on; returns the one behind them. */
    int write(StateImage image, int first) {
        int index = first;
        bridge.state().write(image.output(index++));
        for (int slot = 1; slot <= PciHostBridge.SLOTS; slot++) {
            PciFunction function = bridge.function(slot);
            if (function != null) {
                function.config().state().write(image.output(index++));
                if (function.msix() != null) {
                    function.msix().state().write(image.output(index++));
                }
            }
        }
        return index;
    }

    /** The saved bus: of each function, and of each that has MSI-X, by ascending slot. */
    record Saved(PciHostBridgeState bridge, List<PciConfigState> configs, List<MsixState> vectors) {}

    /**
     * Reads the sections of a state; changes nothing.
     *
     * @throws RestoreRefused if a function is not the saved guest's
     */
    Saved read(Incoming incoming) {
        StateFile state = incoming.state();
        PciHostBridgeState saved = PciHostBridgeState.read(
                state.section(PciHostBridgeState.SECTION, 0).input());
        require(incoming, "the PCI host bridge", bridge.mismatch(saved));
        List<PciConfigState> configs = new ArrayList<>();
        List<MsixState> vectors = new ArrayList<>();
        for (int slot = 1; slot <= PciHostBridge.SLOTS; slot++) {
            PciFunction function = bridge.function(slot);
            if (function == null) {
                continue;
            }
            PciConfigState config = PciConfigState.read(
                    state.section(PciConfigState.SECTION, slot).input());
            require(incoming, function.name(), function.config().mismatch(config));
            configs.add(config);
            if (function.msix() != null) {
                MsixState table =
                        MsixState.read(state.section(MsixState.SECTION, slot).input());
                require(incoming, function.name(), function.msix().mismatch(table));
                vectors.add(table);
            }
        }
        return new Saved(saved, configs, vectors);
    }

    private static void require(Incoming incoming, String what, String mismatch) {
        if (mismatch != null) {
            throw incoming.refused("what was saved of " + what + " is of another PCI function: " + mismatch);
        }
    }

    /**
     * Puts the functions where the guest has them. Once before the VM has its interrupt controllers: a memslot costs
     * milliseconds afterwards; what has not changed since costs nothing in {@link #restore}.
     */
    void place(Saved saved) {
        bridge.restore(saved.bridge());
        bridge.restoreConfigs(saved.configs());
    }

    /** Applies a saved state, after the interrupt controllers have theirs. Message routes are set once. */
    void restore(Saved saved) {
        routes.hold();
        place(saved);
        int next = 0;
        for (int slot = 1; slot <= PciHostBridge.SLOTS; slot++) {
            PciFunction function = bridge.function(slot);
            if (function != null && function.msix() != null) {
                function.msix().restore(saved.vectors().get(next++));
            }
        }
        routes.letGo();
        bridge.repeatInterrupts();
    }
}
