package dev.holdover.machine;

import dev.holdover.memory.RamConfig;
import dev.holdover.passthrough.VfioConfig;
import dev.holdover.serial.SerialConfig;
import dev.holdover.virtio.ConsoleConfig;
import dev.holdover.virtio.DiskConfig;
import dev.holdover.virtio.NetConfig;
import java.util.List;

/**
 * A machine as the user asked for it; everything in it has been checked by itself.
 *
 * @param name for messages and thread names; may be empty
 * @param cpus 1 to {@link Machine#MAX_CPUS}
 * @param serial where COM1 goes
 * @param console where the virtio console goes; null for no such device
 * @param rng whether there is a virtio entropy source
 * @param pci whether the virtio devices are on a PCI bus
 * @param vfio devices of the host that the guest has as its own, on a PCI bus
 * @param debugExitPort the port whose write ends the VMM, -1 for none
 * @param rebootOnReset whether a reset by the guest starts it again instead of ending the VMM
 */
public record MachineConfig(
        String name,
        RamConfig ram,
        int cpus,
        BootSource boot,
        SerialConfig serial,
        ConsoleConfig console,
        List<DiskConfig> disks,
        List<NetConfig> nets,
        boolean rng,
        boolean pci,
        List<VfioConfig> vfio,
        int debugExitPort,
        boolean rebootOnReset) {
    /** Whether there is a PCI bus. */
    public boolean hasPciBus() {
        return pci || !vfio.isEmpty();
    }

    /** The same machine with other RAM. */
    public MachineConfig withRam(RamConfig other) {
        return new MachineConfig(
                name, other, cpus, boot, serial, console, disks, nets, rng, pci, vfio, debugExitPort, rebootOnReset);
    }
}
