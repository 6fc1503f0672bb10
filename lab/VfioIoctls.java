import dev.holdover.passthrough.HostPciDevice;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.VmmException;
import dev.holdover.vfio.HotReset;
import dev.holdover.vfio.Iommufd;
import dev.holdover.vfio.VfioDevice;
import dev.holdover.vfio.VfioIrqs;
import dev.holdover.vfio.VfioRegion;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Drives an NVMe controller through iommufd and VFIO, by the classes that the VMM uses: lab/scenarios/vfio-ioctls and vfio-hot-reset. */
final class VfioIoctls {
    private static final long IOVA = 0x1_0000_0000L;
    private static final int SIZE = 1 << 20;
    private static int failed;

    private interface Call {
        void run() throws Exception;
    }

    private static void report(String what, boolean right, Object got) {
        System.out.println((right ? "ok: " : "FAIL: ") + what + " [" + got + "]");
        failed += right ? 0 : 1;
    }

    private static void answers(String what, Errno expected, Call call) throws Exception {
        Errno got = null;
        String text = "works";
        try {
            call.run();
        } catch (ErrnoException e) {
            got = e.errno();
            text = e.getMessage();
        } catch (VmmException e) {
            got = ((ErrnoException) e.getCause()).errno();
            text = e.getMessage();
        }
        report(what + ": " + (expected == null ? "works" : expected), got == expected, text);
    }

    /** The first of two functions behind a port, both with vfio-pci. */
    private static void hotReset(String address, String other) throws Exception {
        try (Iommufd iommufd = Iommufd.open();
                VfioDevice device = VfioDevice.open(HostPciDevice.find(address).vfioPath())) {
            device.bind(iommufd);
            device.attach(iommufd.allocateIoas());
            HotReset info = device.hotResetInfo();
            report("a hot reset is one of both functions", info.devices().stream().map(HotReset.Device::toString).toList()
                    .equals(List.of(address, other)), info);
            report("which are ours, being one group", info.owned(), info.owned());
            VfioRegion config = device.region(VfioDevice.CONFIG_REGION);
            VfioRegion bar = device.region(0);
            device.write(config.offset(), 4, 2, 6);
            int sizes = 6 << 16 | 4 << 20; // of queue entries, in CC
            device.write(bar.offset(), 0x14, 4, sizes);
            long before = device.read(bar.offset(), 0x14, 4);
            report("a register holds what is written", before == sizes, Long.toHexString(before));
            answers("hot reset", null, device::hotReset);
            device.write(config.offset(), 4, 2, 6);
            long after = device.read(bar.offset(), 0x14, 4);
            report("and nothing after it", after == 0, Long.toHexString(after));
        }
    }

    public static void main(String[] args) throws Exception {
        if (args.length == 2) {
            hotReset(args[0], args[1]);
        } else {
            drive(args[0]);
        }
        System.exit(failed == 0 ? 0 : 1);
    }

    private static void drive(String address) throws Exception {
        HostPciDevice host = HostPciDevice.find(address);
        report("it can be passed", host.whyNotPassable(SIZE) == null, host.whyNotPassable(SIZE));
        try (Iommufd iommufd = Iommufd.open();
                VfioDevice device = VfioDevice.open(host.vfioPath());
                Fd ram = Memfd.create("ram", SIZE);
                Mapping mapped = Mapping.shared(ram, 0, SIZE)) {
            answers("info before bind", Errno.EINVAL, device::info);
            int id = device.bind(iommufd);
            answers("a second bind", Errno.EINVAL, () -> device.bind(iommufd));
            try (VfioDevice again = VfioDevice.open(host.vfioPath())) {
                answers("a bind by another descriptor", Errno.EINVAL, () -> again.bind(iommufd));
            }
            int ioas = iommufd.allocateIoas();
            report("a fresh space is one range", iommufd.iovaRanges(ioas).size() == 1, iommufd.iovaRanges(ioas));
            int hwpt = device.attach(ioas);
            report("the message window is reserved", iommufd.iovaRanges(ioas).stream().noneMatch(range ->
                    range.contains(0xfee00000L, 4096)), iommufd.iovaRanges(ioas));
            maps(iommufd, ioas, ram);
            answers("destroying a space in use", Errno.EBUSY, () -> iommufd.destroy(ioas));
            regions(device);
            identify(device, mapped.segment());
            interrupts(device);
            answers("reset", null, device::reset);
            answers("a hot reset on a root bus", Errno.ENODEV, device::hotResetInfo);
            report("it cannot save its state", device.migrationFlags() == 0, device.migrationFlags());
            answers("detach", null, device::detach);
            report("the table of the space", hwpt != ioas, hwpt);
            int own = iommufd.allocateHwpt(id, ioas, 0);
            report("attaching a table of our own", device.attach(own) == own, own);
            answers("detach again", null, device::detach);
            answers("destroying the table", null, () -> iommufd.destroy(own));
            answers("and the space", null, () -> iommufd.destroy(ioas));
            answers("which is gone", Errno.ENOENT, () -> iommufd.iovaRanges(ioas));
        }
    }

    private static void maps(Iommufd iommufd, int ioas, Fd ram) throws Exception {
        answers("mapping a memfd", null, () -> iommufd.mapFile(ioas, ram, 0, SIZE, IOVA));
        answers("mapping it there again", Errno.EEXIST, () -> iommufd.mapFile(ioas, ram, 0, SIZE, IOVA));
        answers("in the message window", Errno.EINVAL, () -> iommufd.mapFile(ioas, ram, 0, 4096, 0xfee00000L));
        answers("beyond its end", Errno.EINVAL, () -> iommufd.mapFile(ioas, ram, SIZE, 4096, 0));
        answers("half a page", Errno.EINVAL, () -> iommufd.mapFile(ioas, ram, 0, 2048, 0));
        try (Fd other = Fd.open("/proc/self/maps", Fd.O_RDONLY)) {
            answers("mapping another kind of file", Errno.EINVAL, () -> iommufd.mapFile(ioas, other, 0, 4096, 0));
        }
        answers("changing the process", null, iommufd::changeProcess);
        try (Mapping memory = Mapping.anonymous(8192, 4096)) {
            answers("mapping by address", null, () -> iommufd.map(ioas, memory.segment(), 0));
            answers("changing the process then", Errno.EINVAL, iommufd::changeProcess);
            answers("unmapping half of it", Errno.ENOENT, () -> iommufd.unmap(ioas, 0, 4096));
            report("unmapping it", iommufd.unmap(ioas, 0, 8192) == 8192, 8192);
        }
        answers("unmapping nothing", Errno.ENOENT, () -> iommufd.unmap(ioas, 0, 8192));
    }

    private static void regions(VfioDevice device) throws Exception {
        report("info", device.info().pci() && device.info().regions() >= 9 && device.info().irqs() >= 5, device.info());
        for (int i = 0; i < device.info().regions(); i++) {
            int index = i;
            try {
                System.out.println("  " + device.region(index));
            } catch (ErrnoException e) {
                System.out.println("  region " + index + ": " + e.getMessage());
            }
        }
        answers("a region that there is not", Errno.EINVAL, () -> device.region(99));
        VfioRegion config = device.region(VfioDevice.CONFIG_REGION);
        long vendor = device.read(config.offset(), 0, 4);
        report("its identity reads", (vendor & 0xffff) == 0x1b36, Long.toHexString(vendor));
        report("what lies outside reads as ones", device.read(config.offset(), config.size(), 2) == 0xffff, config.size());
        report("nor can it be written", !device.write(config.offset(), config.size(), 2, 0), config.size());
        long command = device.read(config.offset(), 4, 2);
        report("its command register takes bits", device.write(config.offset(), 4, 2, command | 6)
                && (device.read(config.offset(), 4, 2) & 6) == 6, Long.toHexString(command));
    }

    /** Has the controller write its identity to RAM, and signal that by MSI-X. */
    private static void identify(VfioDevice device, MemorySegment ram) throws Exception {
        VfioRegion bar = device.region(0);
        try (Mapping registers = device.mapRegion(bar, bar.mappable().getFirst());
                EventFd done = new EventFd()) {
            MemorySegment nvme = registers.segment();
            report("a mapped register is what is read", nvme.get(ValueLayout.JAVA_INT, 8)
                    == (int) device.read(bar.offset(), 8, 4), Integer.toHexString(nvme.get(ValueLayout.JAVA_INT, 8)));
            device.setInterrupts(VfioDevice.MSIX, 0, done);
            nvme.set(ValueLayout.JAVA_INT, 0x24, 1 << 16 | 1);
            device.write(bar.offset(), 0x28, 4, IOVA & 0xffffffffL);
            device.write(bar.offset(), 0x2c, 4, IOVA >>> 32);
            device.write(bar.offset(), 0x30, 4, IOVA + 0x1000 & 0xffffffffL);
            device.write(bar.offset(), 0x34, 4, IOVA >>> 32);
            nvme.set(ValueLayout.JAVA_INT, 0x14, 6 << 16 | 4 << 20 | 1);
            long deadline = System.nanoTime() + Patience.host().nanos(30_000);
            while ((nvme.get(ValueLayout.JAVA_INT, 0x1c) & 1) == 0 && System.nanoTime() < deadline) {
                Thread.sleep(10);
            }
            ram.set(ValueLayout.JAVA_INT, 0, 1 << 16 | 6);
            ram.set(ValueLayout.JAVA_LONG, 24, IOVA + 0x2000);
            ram.set(ValueLayout.JAVA_INT, 40, 1);
            device.write(bar.offset(), 0x1000, 4, 1);
            long signals = 0;
            while (signals == 0 && System.nanoTime() < deadline) {
                Thread.sleep(10);
                signals = done.drain();
            }
            report("its interrupt arrives", signals == 1, signals);
            byte[] serial = ram.asSlice(0x2004, 20).toArray(ValueLayout.JAVA_BYTE);
            String text = new String(serial, StandardCharsets.US_ASCII).strip();
            report("its DMA reaches the memfd", text.equals("lab"), text);
            device.disableInterrupts(VfioDevice.MSIX);
        }
    }

    private static void interrupts(VfioDevice device) throws Exception {
        for (int i = 0; i <= VfioDevice.REQUEST; i++) {
            System.out.println("  " + device.irqs(i));
        }
        VfioIrqs msix = device.irqs(VfioDevice.MSIX);
        VfioIrqs intx = device.irqs(VfioDevice.INTX);
        report("MSI-X signals eventfds", msix.eventFd() && msix.count() > 2, msix);
        report("INTx masks itself", intx.autoMasked() && intx.maskable() && intx.count() == 1, intx);
        try (EventFd first = new EventFd();
                EventFd third = new EventFd();
                EventFd unmask = new EventFd()) {
            device.setInterrupts(VfioDevice.MSIX, 0, first, null, third);
            device.trigger(VfioDevice.MSIX, 0, 3);
            long one = first.drain();
            long three = third.drain();
            report("loopback", one == 1 && three == 1, one + " " + three);
            answers("INTx beside MSI-X", Errno.EINVAL, () -> device.setInterrupts(VfioDevice.INTX, 0, first));
            answers("masking MSI-X", Errno.ENOTTY, () -> device.maskInterrupt(VfioDevice.MSIX));
            device.disableInterrupts(VfioDevice.MSIX);
            answers("disabling them twice", Errno.EINVAL, () -> device.disableInterrupts(VfioDevice.MSIX));
            answers("INTx", null, () -> device.setInterrupts(VfioDevice.INTX, 0, first));
            answers("its unmask by eventfd", null, () -> device.setUnmask(VfioDevice.INTX, unmask));
            answers("masked", null, () -> device.maskInterrupt(VfioDevice.INTX));
            answers("unmasked", null, () -> device.unmaskInterrupt(VfioDevice.INTX));
            device.trigger(VfioDevice.INTX, 0, 1);
            report("INTx loopback", first.drain() == 1, "");
            answers("its unmask taken back", null, () -> device.setUnmask(VfioDevice.INTX, null));
            device.disableInterrupts(VfioDevice.INTX);
        }
    }
}
