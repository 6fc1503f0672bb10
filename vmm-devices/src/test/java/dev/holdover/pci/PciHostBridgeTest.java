package dev.holdover.pci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.platform.Bus;
import dev.holdover.platform.MemoryMap;
import dev.holdover.platform.PciWindows;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PciHostBridgeTest {
    private static final long ECAM = MemoryMap.PCI_ECAM;
    private static final int COMMAND = PciConfig.COMMAND;

    private final Bus ports = new Bus();
    private final Bus mmio = new Bus();
    private final PciWindows windows = MemoryMap.pciWindows(5 * MemoryMap.GIB + 4096, 40);
    private final PciHostBridge bridge = new PciHostBridge(ports, mmio, windows, ECAM);
    private final TestFunction small = new TestFunction(
            PciConfig.EXTENDED_SIZE,
            new PciBar(0, PciBar.Kind.MEMORY_32, 0x1000, false),
            new PciBar(1, PciBar.Kind.PORTS, 32, false),
            new PciBar(2, PciBar.Kind.MEMORY_64, 0x4000, false));
    private final TestFunction large = new TestFunction(
            PciConfig.SIZE,
            new PciBar(0, PciBar.Kind.MEMORY_64, 4L << 30, true),
            new PciBar(3, PciBar.Kind.MEMORY_32, 1 << 20, true));

    private void powerOn() {
        bridge.plug(small);
        bridge.plug(large);
        bridge.assignAddresses();
    }

    private static long ecam(int slot, int offset) {
        return ECAM + ((long) slot << 15) + offset;
    }

    private int get(int slot, int offset) {
        return (int) mmio.read(ecam(slot, offset), 4);
    }

    private void set(int slot, int offset, int value) {
        mmio.write(ecam(slot, offset), 4, value & 0xffffffffL);
    }

    private void decode(int slot, int bits) {
        mmio.write(ecam(slot, COMMAND), 2, bits);
    }

    @Test
    void showsTheSameRegistersByPortsAndByMemoryInEveryWidth() {
        powerOn();
        for (int slot = 0; slot < 4; slot++) {
            for (int register = 0; register < 256; register += 4) {
                ports.write(0xcf8, 4, 0x80000000L | (slot << 11) | register);
                assertThat(ports.read(0xcf8, 4)).isEqualTo(0x80000000L | (slot << 11) | register);
                long whole = ports.read(0xcfc, 4);
                assertThat(mmio.read(ecam(slot, register), 4)).isEqualTo(whole);
                for (int at = 0; at < 4; at++) {
                    long one = whole >>> (8 * at) & 0xff;
                    assertThat(ports.read(0xcfc + at, 1)).isEqualTo(one);
                    assertThat(mmio.read(ecam(slot, register) + at, 1)).isEqualTo(one);
                }
                for (int at = 0; at < 3; at++) {
                    long two = whole >>> (8 * at) & 0xffff;
                    assertThat(ports.read(0xcfc + at, 2)).isEqualTo(two);
                    assertThat(mmio.read(ecam(slot, register) + at, 2)).isEqualTo(two);
                }
            }
        }
        assertThat(get(0, 0)).isEqualTo(0x00081b36);
        assertThat(get(0, 8) >>> 8).as("class of a host bridge").isEqualTo(0x060000);
        assertThat(get(1, 0)).isEqualTo(0x56781234);
        assertThat(get(1, 8)).isEqualTo(0x02800003);
        assertThat(get(1, 0x2c)).isEqualTo(0x00111af4);
        assertThat(get(3, 0)).as("an empty slot").isEqualTo(-1);
        assertThat(mmio.read(ecam(1, 0x0e), 4) & 0xff).as("header type").isZero();
    }

    @Test
    void readsAcrossDwordsByMemoryAndAllOnesBehindTheSpace() {
        powerOn();
        long first = Integer.toUnsignedLong(get(1, 0));
        long second = Integer.toUnsignedLong(get(1, 4));
        assertThat(mmio.read(ecam(1, 0), 8)).isEqualTo(first | second << 32);
        assertThat(mmio.read(ecam(1, 2), 4)).isEqualTo(first >>> 16 | (second & 0xffff) << 16);
        assertThat(mmio.read(ecam(1, 0xffe), 4)).isEqualTo(0xffff0000L);
        assertThat(mmio.read(ecam(2, 0x100), 4)).as("a function of 256 bytes").isEqualTo(0xffffffffL);
        assertThat(mmio.read(ecam(1, 0x1000), 4)).as("function 1").isEqualTo(0xffffffffL);
        assertThat(mmio.read(ECAM + PciHostBridge.ECAM_SIZE - 1, 8)).isEqualTo(-1L);
        ports.write(0xcf8, 4, 0x80000000L | (1 << 11));
        assertThat(ports.read(0xcff, 4)).isEqualTo(0xffffff00L | first >>> 24);
    }

    @Test
    void takesAnAddressOnlyAsADwordAndOnlyOfBus0() {
        powerOn();
        ports.write(0xcf8, 4, 0x80000000L);
        ports.write(0xcf8, 2, 0x1234);
        ports.write(0xcf9, 1, 0x06);
        ports.write(0xcfb, 1, 1);
        assertThat(ports.read(0xcf8, 4)).isEqualTo(0x80000000L);
        assertThat(ports.read(0xcf8, 1)).isEqualTo(0xff);
        assertThat(ports.read(0xcfa, 2)).isEqualTo(0xffff);
        for (long elsewhere : new long[] {0, 0x80010000L, 0x80000100L}) {
            ports.write(0xcf8, 4, elsewhere);
            ports.write(0xcfc, 4, 0);
            assertThat(ports.read(0xcfc, 4)).as("0x%x", elsewhere).isEqualTo(0xffffffffL);
        }
        ports.write(0xcf8, 4, 0xffffffffL);
        assertThat(ports.read(0xcf8, 4)).as("reserved bits").isEqualTo(0x80fffffcL);
    }

    @Test
    void writesByPortsInEveryWidth() {
        powerOn();
        ports.write(0xcf8, 4, 0x80000000L | (1 << 11) | 4);
        ports.write(0xcfc, 4, 0xffffffffL);
        assertThat(get(1, 4)).as("bits that no guest may set stay").isEqualTo(0x00000547);
        ports.write(0xcfd, 1, 0);
        assertThat(get(1, 4)).isEqualTo(0x47);
        ports.write(0xcfc, 2, 0x400);
        assertThat(get(1, 4)).isEqualTo(0x400);
        ports.write(0xcf8, 4, 0x80000000L | (1 << 11) | 0x3c);
        ports.write(0xcfc, 2, 0x1234);
        assertThat(get(1, 0x3c)).as("the line, not the pin").isEqualTo(0x34);
    }

    @Test
    void saysHowLargeABarIs() {
        powerOn();
        int[] before = new int[6];
        for (int i = 0; i < 6; i++) {
            before[i] = get(1, 0x10 + 4 * i);
            set(1, 0x10 + 4 * i, -1);
        }
        assertThat(get(1, 0x10)).isEqualTo(0xfffff000);
        assertThat(get(1, 0x14)).isEqualTo(0xffffffe1);
        assertThat(get(1, 0x18)).isEqualTo(0xffffc004);
        assertThat(get(1, 0x1c)).isEqualTo(-1);
        assertThat(get(1, 0x20)).isZero();
        assertThat(get(1, 0x30)).as("no expansion ROM").isZero();
        for (int i = 0; i < 6; i++) {
            set(1, 0x10 + 4 * i, before[i]);
            assertThat(get(1, 0x10 + 4 * i)).isEqualTo(before[i]);
        }
        set(2, 0x10, -1);
        set(2, 0x14, -1);
        assertThat(get(2, 0x10)).isEqualTo(0xc);
        assertThat(get(2, 0x14)).isEqualTo(-1);
        set(2, 0x1c, -1);
        assertThat(get(2, 0x1c)).isEqualTo(0xfff00008);
    }

    @Test
    void assignsTheLargestFirstAndDecodesNothingYet() {
        powerOn();
        assertThat(get(2, 0x10)).isEqualTo(0xc);
        assertThat(get(2, 0x14)).as("above all RAM, on a multiple of its size").isEqualTo(2);
        assertThat(get(2, 0x1c)).isEqualTo((int) MemoryMap.PCI_MEMORY | 8);
        assertThat(get(1, 0x18)).as("not prefetchable: low").isEqualTo((int) MemoryMap.PCI_MEMORY + (1 << 20) | 4);
        assertThat(get(1, 0x10)).isEqualTo((int) MemoryMap.PCI_MEMORY + (1 << 20) + 0x4000);
        assertThat(get(1, 0x14)).isEqualTo(MemoryMap.PCI_PORTS | 1);
        assertThat(small.events).isEmpty();
        assertThat(mmio.read(MemoryMap.PCI_MEMORY, 4)).isEqualTo(0xffffffffL);
    }

    @Test
    void leavesWhatFindsNoRoomAtZero() {
        Bus otherPorts = new Bus();
        Bus otherMmio = new Bus();
        PciHostBridge narrow =
                new PciHostBridge(otherPorts, otherMmio, MemoryMap.pciWindows(64 * MemoryMap.GIB, 36), ECAM);
        assertThat(narrow.windows().high().isEmpty()).isTrue();
        narrow.plug(large);
        narrow.assignAddresses();
        assertThat(otherMmio.read(ecam(1, 0x10), 4)).isEqualTo(0xc);
        assertThat(otherMmio.read(ecam(1, 0x14), 4)).isZero();
        otherMmio.write(ecam(1, COMMAND), 2, 3);
        assertThat(large.taken()).containsExactly("3 at 0xe0000000");
    }

    @Test
    void followsWhatTheGuestSwitchesAndMoves() {
        powerOn();
        decode(1, PciConfig.COMMAND_PORTS);
        assertThat(small.taken()).containsExactly("1 at 0x1000");
        assertThat(ports.read(0x1004, 1)).isEqualTo(4);
        decode(1, PciConfig.COMMAND_MEMORY);
        assertThat(small.taken()).containsExactly("1 gone from 0x1000", "0 at 0xe0104000", "2 at 0xe0100000");
        assertThat(ports.read(0x1004, 1)).isEqualTo(0xff);
        assertThat(mmio.read(0xe0104ff0L, 4)).isEqualTo(0xff0);
        set(1, 0x10, 0xf0000000);
        assertThat(small.taken()).containsExactly("0 gone from 0xe0104000", "0 at 0xf0000000");
        assertThat(mmio.read(0xe0104ff0L, 4)).isEqualTo(0xffffffffL);
        assertThat(mmio.read(0xf0000ff0L, 4)).isEqualTo(0xff0);
        set(1, 0x1c, 3);
        assertThat(small.taken()).containsExactly("2 gone from 0xe0100000", "2 at 0x3e0100000");
        decode(1, 0);
        assertThat(small.taken()).containsExactly("0 gone from 0xf0000000", "2 gone from 0x3e0100000");
    }

    @Test
    void decodesNothingOutsideItsWindows() {
        powerOn();
        decode(1, PciConfig.COMMAND_MEMORY | PciConfig.COMMAND_PORTS);
        small.taken();
        for (int address :
                new int[] {0, 0x100000, (int) MemoryMap.VIRTIO_MMIO, (int) ECAM, (int) MemoryMap.IOAPIC, -1}) {
            set(1, 0x10, address);
            set(1, 0x18, address);
            set(1, 0x1c, address == -1 ? -1 : 0);
        }
        set(1, 0x18, 0);
        set(1, 0x1c, 1); // RAM
        set(1, 0x1c, 0x100); // beyond the CPUs' reach
        set(1, 0x14, 0x60);
        assertThat(small.taken()).hasSize(3).allMatch(event -> event.contains("gone"));
    }

    @Test
    void letsTheLaterOfTwoWaitUntilThePlaceIsFree() {
        powerOn();
        decode(2, PciConfig.COMMAND_MEMORY);
        large.taken();
        set(1, 0x10, 0xe0000000);
        decode(1, PciConfig.COMMAND_MEMORY);
        assertThat(small.taken()).containsExactly("2 at 0xe0100000");
        assertThat(large.taken()).isEmpty();
        decode(2, 0);
        assertThat(small.taken()).containsExactly("0 at 0xe0000000");
    }

    @Test
    void resetsToPowerOn() {
        powerOn();
        decode(1, 7);
        set(1, 0x10, 0xf0000000);
        small.taken();
        bridge.reset();
        assertThat(small.taken())
                .containsExactlyInAnyOrder("0 gone from 0xf0000000", "1 gone from 0x1000", "2 gone from 0xe0100000");
        assertThat(get(1, COMMAND) & 0xffff).isZero();
        assertThat(get(1, 0x10)).isEqualTo(0xe0104000);
        assertThat(ports.read(0xcf8, 4)).isZero();
    }

    @Test
    void goesOnWhereASavedBusStood() {
        powerOn();
        decode(1, PciConfig.COMMAND_MEMORY);
        set(1, 0x10, 0xf0000000);
        ports.write(0xcf8, 4, 0x80000804L);
        PciHostBridgeState bridgeState = bridge.state();
        List<PciConfigState> states =
                List.of(small.config().state(), large.config().state());

        bridge.reset();
        small.taken();
        assertThat(bridge.mismatch(bridgeState)).isNull();
        assertThat(small.config().mismatch(states.get(0))).isNull();
        bridge.restore(bridgeState);
        bridge.restoreConfigs(states);
        assertThat(small.taken()).containsExactly("0 at 0xf0000000", "2 at 0xe0100000");
        assertThat(ports.read(0xcf8, 4)).isEqualTo(0x80000804L);
        bridge.restoreConfigs(states);
        assertThat(small.taken()).as("nothing moved").isEmpty();

        assertThat(small.config().mismatch(states.get(1))).contains("256 bytes");
        byte[] other = states.get(0).registers();
        other[2] = 1;
        assertThat(small.config().mismatch(new PciConfigState(other))).contains("offset 0x2");
    }

    @Test
    void sharesInterruptPinsAmongSlots() {
        List<String> levels = new ArrayList<>();
        bridge.addPin(16, high -> levels.add("16 " + high));
        bridge.addPin(17, high -> levels.add("17 " + high));
        assertThat(bridge.intxGsi(1)).isEqualTo(16);
        assertThat(bridge.intxGsi(2)).isEqualTo(17);
        assertThat(bridge.intxGsi(3)).isEqualTo(16);
        PciConfig first = small.config();
        PciConfig third = large.config();
        Intx one = new Intx(first, bridge.intxLine(1));
        Intx three = new Intx(third, bridge.intxLine(3));
        one.set(true);
        three.set(true);
        one.set(false);
        assertThat(levels).containsExactly("16 true", "16 true", "16 true");
        assertThat(third.get(PciConfig.STATUS, 2) & PciConfig.STATUS_INTERRUPT).isNotZero();
        third.write(COMMAND, 2, PciConfig.COMMAND_INTX_DISABLE);
        assertThat(levels).last().isEqualTo("16 false");
        assertThat(third.get(PciConfig.STATUS, 2) & PciConfig.STATUS_INTERRUPT)
                .as("shown though it is disabled")
                .isNotZero();
        third.write(COMMAND, 2, 0);
        assertThat(levels).last().isEqualTo("16 true");
        assertThat(third.get(PciConfig.INTERRUPT_PIN, 1)).isEqualTo(1);
    }

    @Test
    void hasSlotsForThirtyOne() {
        for (int i = 0; i < PciHostBridge.SLOTS; i++) {
            assertThat(bridge.nextSlot()).isEqualTo(i + 1);
            bridge.plug(new TestFunction(PciConfig.SIZE));
        }
        assertThatThrownBy(() -> bridge.plug(small)).isInstanceOf(IllegalStateException.class);
        bridge.assignAddresses();
        assertThat(get(31, 0)).isEqualTo(0x56781234);
    }

    /** Whatever a guest writes anywhere: nothing throws, and no two BARs are in one place. */
    @Test
    void bearsAnyWrite() {
        Msix.Place place = new Msix.Place(7, 0, 0, 2, 0x2000);
        RecordedVectors vectors = new RecordedVectors();
        small.msix =
                new Msix(small.config(), small.config().addCapability(Msix.CAPABILITY, Msix.LENGTH), place, vectors);
        powerOn();
        Random random = new Random(7);
        int[] widths = {1, 2, 4, 8};
        for (int i = 0; i < 200_000; i++) {
            int width = widths[random.nextInt(4)];
            long value = random.nextInt(4) == 0 ? -1 : random.nextLong();
            switch (random.nextInt(6)) {
                case 0 -> ports.write(0xcf8 + random.nextInt(8), Math.min(width, 4), value);
                case 1 -> ports.write(0xcf8, 4, 0x80000000L | random.nextInt(3) << 11 | random.nextInt(64) << 2);
                case 2 -> mmio.write(ECAM + random.nextInt(1 << 17), width, value);
                case 3 -> mmio.write(ecam(1 + random.nextInt(2), random.nextInt(0x50)), width, value);
                case 4 -> {
                    decode(1 + random.nextInt(2), random.nextInt(8));
                    set(1 + random.nextInt(2), 0x10 + 4 * random.nextInt(4), 0xe0000000 | random.nextInt(1 << 18) << 8);
                }
                default -> {
                    small.writeBar(random.nextInt(6), random.nextInt(0x4000), width, value);
                    small.readBar(random.nextInt(6), random.nextInt(0x4000), width);
                    small.msix.raise(random.nextInt(8));
                }
            }
            mmio.read(0xe0000000L + random.nextInt(1 << 26), width);
            small.events.clear();
            large.events.clear();
            vectors.told.clear();
        }
        assertThat(small.config().mismatch(small.config().state())).isNull();
        bridge.reset();
        assertThat(get(1, 0x10)).isEqualTo(0xe0104000);
    }
}
