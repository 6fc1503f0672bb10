package dev.holdover.passthrough;

import dev.holdover.kvm.KvmVm;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileSystem;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import dev.holdover.pci.MsiRoutes;
import dev.holdover.pci.PciHostBridge;
import dev.holdover.vfio.Iommufd;
import dev.holdover.vfio.VfioDevice;
import java.util.ArrayList;
import java.util.List;

/**
 * The devices of the host that one guest has, and the iommufd by which they reach its RAM.
 *
 * <p>Order of opening them, and why:
 *
 * <ol>
 *   <li>All devices are looked at: what the user has to change on the host is said before anything is touched.
 *   <li>The iommufd and an address space in it.
 *   <li>Each device is opened, bound to the iommufd and attached to the address space: from then on it can do no DMA but
 *       where that maps something, and it is reset.
 *   <li>RAM is mapped where the guest has it. All its pages are allocated and pinned: seconds for gigabytes.
 * </ol>
 *
 * A VMM that is handed the descriptors finds all of that done. Only what is pinned counts as the first one's still, until
 * {@link #settle}.
 */
public final class Passthrough implements AutoCloseable {
    static final String IOMMUFD = "iommufd";

    private final Iommufd iommufd;
    private final List<VfioFunction> functions = new ArrayList<>();
    private final boolean fresh;

    private Passthrough(Iommufd iommufd, boolean fresh) {
        this.iommufd = iommufd;
        this.fresh = fresh;
    }

    /**
     * Opens devices that nobody has, and lets them reach RAM.
     *
     * @throws VmmException what is in the way, and what to do about it
     */
    public static Passthrough open(
            List<VfioConfig> configs, GuestMemory memory, PciHostBridge bridge, MsiRoutes routes) {
        List<HostPciDevice> found = new ArrayList<>();
        for (VfioConfig config : configs) {
            HostPciDevice host = HostPciDevice.find(config.host());
            String why = host.whyNotPassable(memory.size());
            if (why != null) {
                throw new VmmException(why);
            }
            found.add(host);
        }
        Passthrough all = new Passthrough(Iommufd.open(), true);
        try {
            int ioas = all.iommufd.allocateIoas();
            for (HostPciDevice host : found) {
                VfioDevice device = VfioDevice.open(host.vfioPath());
                all.plug(device, host.address(), bridge, routes, () -> {
                    device.bind(all.iommufd);
                    device.attach(ioas);
                });
            }
            for (GuestMemory.Region region : memory.regions()) {
                all.map(ioas, region);
            }
            return all;
        } catch (RuntimeException | Error e) {
            all.close();
            throw e;
        }
    }

    /**
     * Takes over devices that another VMM had, bound and attached as they are.
     *
     * @param iommufd taken over, as are the devices, also if this fails
     */
    public static Passthrough adopt(
            List<VfioConfig> configs, Fd iommufd, List<Fd> devices, PciHostBridge bridge, MsiRoutes routes) {
        Passthrough all = new Passthrough(Iommufd.adopt(iommufd), false);
        int next = 0;
        try {
            if (devices.size() != configs.size()) {
                throw new VmmException(devices.size() + " devices were handed over, the guest has " + configs.size());
            }
            while (next < devices.size()) {
                String name = configs.get(next).host();
                VfioDevice device = VfioDevice.adopt(devices.get(next++), name);
                all.plug(device, name, bridge, routes, () -> {});
            }
            return all;
        } catch (RuntimeException | Error e) {
            while (next < devices.size()) {
                devices.get(next++).close();
            }
            all.close();
            throw e;
        }
    }

    /** As {@link #adopt}, of what a VMM of this host hands over: with the eventfds that the devices signal. */
    public static Passthrough take(
            List<VfioConfig> configs, List<NamedFd> parts, PciHostBridge bridge, MsiRoutes routes) {
        Fd iommufd = NamedFd.require(parts, IOMMUFD);
        List<Fd> devices = NamedFd.takeAll(parts, VfioFunction.DEVICE);
        Passthrough all = adopt(configs, iommufd, devices, bridge, routes);
        for (int i = 0; i < all.functions.size(); i++) {
            all.functions.get(i).inherit(i, parts);
        }
        return all;
    }

    private void plug(VfioDevice device, String name, PciHostBridge bridge, MsiRoutes routes, Runnable bind) {
        try {
            bind.run();
            int slot = bridge.nextSlot();
            VfioFunction function = new VfioFunction(device, name, routes, bridge.intxGsi(slot));
            functions.add(function);
            bridge.plug(function);
        } catch (IllegalArgumentException e) {
            device.close();
            throw new VmmException(
                    "can't pass " + name + " to the guest: its configuration space is not as PCI has it: "
                            + e.getMessage(),
                    e);
        } catch (RuntimeException | Error e) {
            if (functions.isEmpty() || functions.getLast().device() != device) {
                device.close();
            }
            throw e;
        }
    }

    private void map(int ioas, GuestMemory.Region region) {
        if (isPinnable(region)) {
            iommufd.mapFile(ioas, region.fd(), region.fdOffset(), region.size(), region.gpa());
        } else {
            iommufd.map(ioas, region.segment(), region.gpa());
        }
    }

    /** Other files' pages are reached by way of this process's mapping of them, and cannot be handed to another. */
    private static boolean isPinnable(GuestMemory.Region region) {
        if (region.fd() == null || !region.shared()) {
            return false;
        }
        FileSystem on = region.fd().fileSystem();
        return on.isTmpfs() || on.isHugetlbfs();
    }

    /** Why a guest with such devices and this RAM could not be given to another VMM; null if it could. */
    public static String whyNotHandedOver(GuestMemory memory) {
        for (GuestMemory.Region region : memory.regions()) {
            if (!isPinnable(region)) {
                return "the devices that are passed to the guest reach its RAM by way of this process, because that is"
                        + " neither a memfd nor on tmpfs or hugetlbfs; start it with --ram backend=memfd";
            }
        }
        return null;
    }

    /** In the order of the configuration. */
    public List<VfioFunction> functions() {
        return functions;
    }

    /** To pass on; stays this object's. */
    public Fd iommufd() {
        return iommufd.fd();
    }

    /** Shows their registers to the guest, where they are placed; memslots from {@code firstSlot} on. */
    public void connectMemory(KvmVm vm, int firstSlot) {
        for (int i = 0; i < functions.size(); i++) {
            functions.get(i).connectMemory(vm, firstSlot + i * VfioBars.MAX_SLOTS);
        }
    }

    /** Connects their interrupts; those of devices that another VMM had only by {@link #listenAgain}. */
    public void connectInterrupts(KvmVm vm) {
        for (VfioFunction function : functions) {
            function.connectInterrupts(vm, fresh);
        }
    }

    /** As {@link VfioFunction#release}. */
    public void release() {
        for (VfioFunction function : functions) {
            function.release();
        }
    }

    /** As {@link VfioFunction#listenAgain}. */
    public void listenAgain() {
        for (VfioFunction function : functions) {
            function.listenAgain();
        }
    }

    /** As {@link VfioFunction#silence}. */
    public void silence() {
        for (VfioFunction function : functions) {
            function.silence();
        }
    }

    /** Resets all devices, which forget what they were doing: none does DMA any more. Blocks for up to a second each. */
    public void resetDevices() {
        for (VfioFunction function : functions) {
            function.resetDevice();
        }
    }

    /** All descriptors that another VMM of this host needs; they stay open here. */
    public void parts(List<NamedFd> to) {
        to.add(new NamedFd(IOMMUFD, "", iommufd.fd()));
        for (int i = 0; i < functions.size(); i++) {
            functions.get(i).parts(i, to);
        }
    }

    /** The guest runs here for good: what is pinned for its devices counts as this process's. */
    public void settle() {
        if (fresh) {
            return;
        }
        try {
            iommufd.changeProcess();
        } catch (ErrnoException e) {
            System.err.println(
                    "vmm: the RAM that is pinned for the guest's devices still counts as that of the VMM which"
                            + " had it before: " + e.getMessage());
        }
    }

    @Override
    public void close() {
        for (VfioFunction function : functions) {
            function.close();
        }
        iommufd.close();
    }
}
