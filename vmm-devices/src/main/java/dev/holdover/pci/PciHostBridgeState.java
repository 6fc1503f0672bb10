package dev.holdover.pci;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;

/**
 * The registers of a {@link PciHostBridge}.
 *
 * @param address CONFIG_ADDRESS
 * @param config its own configuration space
 */
public record PciHostBridgeState(int address, PciConfigState config) {
    /** Its section in a state. */
    public static final SectionType SECTION = new SectionType("pci-host-bridge", 1);

    /** Bytes of it. */
    public static final int SIZE = 4 + 4 + PciConfig.SIZE;

    public void write(StateOutput out) {
        out.i32(address);
        config.write(out);
    }

    public static PciHostBridgeState read(StateInput in) {
        return new PciHostBridgeState(in.i32(), PciConfigState.read(in));
    }
}
