package dev.holdover.passthrough;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.kvm.Kvm;
import dev.holdover.kvm.KvmVm;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import dev.holdover.pci.Msix;
import dev.holdover.pci.PciBar;
import dev.holdover.pci.PciConfig;
import dev.holdover.pci.PciId;
import dev.holdover.testing.NeedsKvm;
import dev.holdover.vfio.VfioDevice;
import dev.holdover.vfio.VfioRegion;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Registers in a memfd, which is read, written and mapped as a device's descriptor is. */
class VfioBarsTest {
    private static final int BAR = 2;
    private static final long SIZE = 0x4000;
    /** Where the BAR is in the descriptor. */
    private static final long OFFSET = 0x10000;

    private static final long TABLE = 0x1000;
    private static final long PLACE = 0xe0000000L;
    private static final int FIRST_SLOT = 3;
    private static final int OTHER_SLOT = 0;

    private final VfioDevice device = VfioDevice.adopt(Memfd.create("registers", OFFSET + SIZE), "0000:01:00.0");

    @AfterEach
    void close() {
        device.close();
    }

    private static VfioRegion[] regions(VfioRegion.Area... mappable) {
        VfioRegion[] regions = new VfioRegion[PciBar.COUNT];
        regions[BAR] = new VfioRegion(BAR, true, true, List.of(mappable), true, SIZE, OFFSET);
        return regions;
    }

    private static VfioRegion[] allMappable() {
        return regions(new VfioRegion.Area(0, SIZE));
    }

    /** With its table in the BAR's second page; its messages go nowhere. */
    private static Msix msix() {
        PciConfig config = new PciConfig(PciConfig.SIZE, new PciId(0x8086, 0x10d3, 0x020000, 0, 0, 0));
        int at = config.addCapability(Msix.CAPABILITY, Msix.LENGTH);
        return new Msix(config, at, new Msix.Place(2, BAR, TABLE, BAR, TABLE + 0x800), (vector, address, data) -> {});
    }

    private boolean isMemory(KvmVm vm, Mapping page, long gpa) {
        try {
            vm.setMemorySlot(OTHER_SLOT, gpa, page.segment(), false);
            vm.removeMemorySlot(OTHER_SLOT);
            return false;
        } catch (ErrnoException e) {
            assertThat(e.errno()).isEqualTo(Errno.EEXIST); // two memslots would have one address
            return true;
        }
    }

    @NeedsKvm
    @Test
    void pagesAreMemorySlotsWhereTheBarIsButForTheTable() {
        try (Kvm kvm = Kvm.open();
                KvmVm vm = kvm.createVm();
                Mapping page = Mapping.anonymous(4096, 4096);
                VfioBars bars = new VfioBars(device, allMappable(), msix())) {
            bars.placed(BAR, PLACE);
            bars.connect(vm, FIRST_SLOT);
            assertThat(isMemory(vm, page, PLACE)).isTrue();
            assertThat(isMemory(vm, page, PLACE + TABLE)).isFalse();
            assertThat(isMemory(vm, page, PLACE + 0x2000)).isTrue();
            assertThat(isMemory(vm, page, PLACE + 0x3000)).isTrue();
            bars.removed(BAR);
            assertThat(isMemory(vm, page, PLACE)).isFalse();
            bars.placed(BAR, PLACE + 0x10000);
            assertThat(isMemory(vm, page, PLACE)).isFalse();
            assertThat(isMemory(vm, page, PLACE + 0x10000)).isTrue();
            bars.removed(BAR);
        }
    }

    @Test
    void readsAndWritesWhatIsNoMemory() {
        try (VfioBars bars = new VfioBars(device, regions(), msix());
                Mapping mapping = Mapping.shared(device.fd(), OFFSET, SIZE)) {
            bars.write(BAR, 0x2004, 4, 0x12345678);
            assertThat(mapping.segment().get(ValueLayout.JAVA_INT, 0x2004)).isEqualTo(0x12345678);
            mapping.segment().set(ValueLayout.JAVA_SHORT, SIZE - 2, (short) 0x4321);
            assertThat(bars.read(BAR, SIZE - 2, 2)).isEqualTo(0x4321);
        }
    }

    @Test
    void theTableIsNotTheDevices() {
        try (VfioBars bars = new VfioBars(device, allMappable(), msix());
                Mapping mapping = Mapping.shared(device.fd(), OFFSET, SIZE)) {
            bars.write(BAR, TABLE, 4, 0xfee00000L);
            assertThat(bars.read(BAR, TABLE, 4)).isEqualTo(0xfee00000L);
            assertThat(mapping.segment().get(ValueLayout.JAVA_INT, TABLE)).isZero();
        }
    }

    @Test
    void beyondItsEndThereIsNothing() {
        try (VfioBars bars = new VfioBars(device, regions(), null);
                Mapping mapping = Mapping.shared(device.fd(), 0, OFFSET + SIZE)) {
            assertThat(bars.read(BAR, SIZE, 4)).isEqualTo(-1);
            assertThat(bars.read(BAR, SIZE - 2, 4)).isEqualTo(-1);
            assertThat(bars.read(BAR + 1, 0, 4)).isEqualTo(-1);
            bars.write(BAR, SIZE - 2, 4, -1);
            bars.write(BAR + 1, 0, 4, -1);
            assertThat(mapping.segment().get(ValueLayout.JAVA_INT, OFFSET + SIZE - 4))
                    .isZero();
            assertThat(mapping.segment().get(ValueLayout.JAVA_INT, 0)).isZero();
        }
    }

    @Test
    void aBarThatCannotBeMappedIsRefused() {
        try (EventFd unmappable = new EventFd();
                VfioDevice busy = VfioDevice.adopt(unmappable.fd(), "0000:01:00.0")) {
            assertThatThrownBy(() -> new VfioBars(busy, allMappable(), null))
                    .isInstanceOf(VmmException.class)
                    .hasMessageStartingWith(
                            "can't pass 0000:01:00.0 to the guest: its BAR 2 of 16384 bytes cannot be" + " mapped: ")
                    .hasMessageContaining("ENODEV")
                    .hasMessageContaining("see the kernel's log");
        }
    }
}
