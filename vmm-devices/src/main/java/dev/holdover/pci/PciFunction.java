package dev.holdover.pci;

/**
 * What hangs in a slot of the bus: function 0 of its device, emulated here or passed through.
 *
 * <p>The bridge calls the methods of configuration and placement one at a time, under its lock, on vCPU threads; those of
 * BARs come from several vCPU threads at once, without a lock. None throws for what the guest does.
 *
 * <p>All accesses to a BAR that leave KVM_RUN come to {@link #readBar} and {@link #writeBar}. A function that maps parts
 * of a BAR into the guest, or binds doorbells there, does so in {@link #placed} and takes it back in {@link #removed}.
 */
public abstract class PciFunction {
    private final PciConfig config;

    /** @param config with all it will have, or to be completed by the subclass' constructor */
    protected PciFunction(PciConfig config) {
        this.config = config;
    }

    /** The registers that are emulated here. */
    public final PciConfig config() {
        return config;
    }

    /** Its MSI-X, whose state is saved with the configuration space; null if it has none. */
    public Msix msix() {
        return null;
    }

    /** What it is, for people. */
    public abstract String name();

    /**
     * The guest reads its configuration space.
     *
     * @param offset 0 to 4095
     * @param width 1, 2 or 4; the access stays within an aligned dword
     * @return in the low bytes
     */
    public int readConfig(int offset, int width) {
        return config.read(offset, width);
    }

    /** The guest writes its configuration space; as {@link #readConfig}. BARs are placed anew afterwards. */
    public void writeConfig(int offset, int width, int value) {
        config.write(offset, width, value);
    }

    /** The guest reads 1, 2, 4 or 8 bytes at an offset of a BAR; they may reach beyond its end. */
    public abstract long readBar(int bar, long offset, int width);

    /** The guest writes; as {@link #readBar}. */
    public abstract void writeBar(int bar, long offset, int width, long value);

    /**
     * BAR {@code bar} is decoded at this GPA (or port) from now on: it is within the bridge's windows, and no other's.
     * Called before there is a VM, too, when a machine is made of a state.
     */
    public void placed(int bar, long address) {}

    /** A BAR that was {@link #placed} there is decoded no more. */
    public void removed(int bar, long address) {}

    /** As after power-on, vCPUs parked; its BARs have been removed. What the bridge assigns comes afterwards. */
    public void reset() {
        config.reset();
        if (msix() != null) {
            msix().reset();
        }
    }
}
