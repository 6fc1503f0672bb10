package dev.holdover.machine;

import dev.holdover.kvm.state.VmState;
import dev.holdover.pci.Msix;
import dev.holdover.pci.MsixState;
import dev.holdover.pci.PciBar;
import dev.holdover.pci.PciConfig;
import dev.holdover.pci.PciConfigState;
import dev.holdover.pci.PciHostBridgeState;
import dev.holdover.platform.AcpiPmState;
import dev.holdover.platform.CmosRtcState;
import dev.holdover.platform.I8042State;
import dev.holdover.platform.MemoryMap;
import dev.holdover.platform.Uart16550State;
import dev.holdover.virtio.MacAddress;
import dev.holdover.virtio.VirtQueueState;
import dev.holdover.virtio.VirtioBlkState;
import dev.holdover.virtio.VirtioConsoleState;
import dev.holdover.virtio.VirtioNetState;
import dev.holdover.virtio.VirtioPciState;
import dev.holdover.virtio.VirtioState;
import dev.holdover.vmstate.SectionView;
import dev.holdover.vmstate.StateInput;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** What people want to know of a saved device. */
final class DeviceView {
    // struct kvm_irqchip: the chip's state behind chip_id and padding.
    private static final int CHIP = 8;
    private static final HexFormat HEX = HexFormat.of();

    // An entry of the IOAPIC's table: 82093AA datasheet, section 3.2.4.
    private static final long PIN_REMOTE_IRR = 1 << 14;
    private static final long PIN_LEVEL = 1 << 15;
    private static final long PIN_MASKED = 1 << 16;

    private DeviceView() {}

    /** Reads a device's section; StateException if its owner refuses it, null if it is no device's. */
    static StateGroup of(SectionView section) {
        String name = section.entry().name();
        int instance = section.entry().instance();
        StateInput in = section.input();
        if (name.equals(RunStateSection.TYPE.name())) {
            RunStateSection.read(in);
            return new StateGroup().flag("paused", true);
        } else if (name.equals(Incoming.FIRMWARE.name())) {
            return new StateGroup().size("size", section.bytes().byteSize());
        } else if (name.equals(VmSection.TYPE.name())) {
            return vm(VmSection.read(in));
        } else if (name.equals(Uart16550State.SECTION.name())) {
            return uart(Uart16550State.read(in));
        } else if (name.equals(AcpiPmState.SECTION.name())) {
            return pm(AcpiPmState.read(in));
        } else if (name.equals(I8042State.SECTION.name())) {
            return keyboard(I8042State.read(in));
        } else if (name.equals(CmosRtcState.SECTION.name())) {
            return rtc(CmosRtcState.read(in));
        } else if (name.equals(VirtioState.MMIO_SECTION.name())) {
            VirtioState state = VirtioState.read(in);
            StateGroup group = new StateGroup().text("device", kind(state.deviceId()));
            if (instance < MemoryMap.MAX_VIRTIO_DEVICES) {
                group.hex32("at", (int) MemoryMap.virtioMmio(instance)).number("gsi", MemoryMap.virtioGsi(instance));
            }
            return transport(group, state);
        } else if (name.equals(VirtioPciState.SECTION.name())) {
            VirtioPciState function = VirtioPciState.read(in);
            StateGroup group =
                    new StateGroup().text("device", kind(function.registers().deviceId()));
            return transport(group, function.registers());
        } else if (name.equals(VirtioBlkState.SECTION.name())) {
            VirtioBlkState disk = VirtioBlkState.read(section);
            return new StateGroup()
                    .number("sectors", disk.sectors())
                    .flag("read-only", disk.readOnly())
                    .text("id", disk.identity().id().toString());
        } else if (name.equals(VirtioNetState.SECTION.name())) {
            return new StateGroup().text("mac", text(VirtioNetState.read(in).mac()));
        } else if (name.equals(VirtioConsoleState.SECTION.name())) {
            VirtioConsoleState console = VirtioConsoleState.read(in);
            return new StateGroup()
                    .number("written", console.written())
                    .number("columns", console.columns())
                    .number("rows", console.rows());
        }
        if (name.equals(PciHostBridgeState.SECTION.name())) {
            PciHostBridgeState bridge = PciHostBridgeState.read(in);
            return new StateGroup()
                    .hex32("config-address", bridge.address())
                    .add("config", function(bridge.config().registers()));
        } else if (name.equals(PciConfigState.SECTION.name())) {
            return function(PciConfigState.read(in).registers());
        } else if (name.equals(MsixState.SECTION.name())) {
            return vectors(MsixState.read(in));
        }
        return null;
    }

    /** What all configuration spaces have: PCI Local Bus 3.0, section 6.1. */
    private static StateGroup function(byte[] registers) {
        StateGroup group = new StateGroup()
                .hex16("vendor", word(registers, PciConfig.VENDOR_ID))
                .hex16("device", word(registers, PciConfig.VENDOR_ID + 2))
                .hex16("class", word(registers, PciConfig.REVISION + 2))
                .hex16("command", word(registers, PciConfig.COMMAND))
                .hex16("status", word(registers, PciConfig.STATUS));
        for (int i = 0; i < PciBar.COUNT; i++) {
            int at = PciConfig.BAR_0 + 4 * i;
            int bar = word(registers, at) | (word(registers, at + 2) << 16);
            if (bar != 0) {
                group.hex32("bar-" + i, bar);
            }
        }
        return group;
    }

    private static int word(byte[] registers, int at) {
        return (registers[at] & 0xff) | ((registers[at + 1] & 0xff) << 8);
    }

    private static StateGroup vectors(MsixState state) {
        byte[] table = state.table();
        int masked = 0;
        int pending = 0;
        for (int vector = 0; vector < state.vectors(); vector++) {
            masked += table[Msix.ENTRY_SIZE * vector + Msix.ENTRY_CONTROL] & Msix.ENTRY_MASKED;
        }
        for (byte bits : state.pending()) {
            pending += Integer.bitCount(bits & 0xff);
        }
        return new StateGroup()
                .number("vectors", state.vectors())
                .number("masked", masked)
                .number("pending", pending);
    }

    static String text(MacAddress mac) {
        StringBuilder text = new StringBuilder();
        for (int shift = 40; shift >= 0; shift -= 8) {
            text.append(HEX.toHexDigits((byte) (mac.bits() >>> shift))).append(shift == 0 ? "" : ":");
        }
        return text.toString();
    }

    private static StateGroup vm(VmState state) {
        MemorySegment clock = state.clock();
        MemorySegment pit = state.pit();
        MemorySegment ioapic = state.ioapic();
        List<StateValue> pins = new ArrayList<>();
        // struct kvm_ioapic_state: base@0 ioregsel@8 id@12 irr@16 redirtbl@24
        for (int pin = 0; pin < 24; pin++) {
            long entry = ioapic.get(ValueLayout.JAVA_LONG, CHIP + 24 + 8L * pin);
            if ((entry & PIN_MASKED) == 0) {
                pins.add(new StateGroup()
                        .number("pin", pin)
                        .hex8("vector", (int) entry & 0xff)
                        .text("trigger", (entry & PIN_LEVEL) != 0 ? "level" : "edge")
                        .hex8("destination", (int) (entry >>> 56))
                        .flag("unacknowledged", (entry & PIN_REMOTE_IRR) != 0));
            }
        }
        return new StateGroup()
                .number("clock-ns", clock.get(ValueLayout.JAVA_LONG, 0))
                // struct kvm_pit_channel_state: count@0 mode@13
                .add(
                        "pit",
                        new StateGroup()
                                .number("count", Integer.toUnsignedLong(pit.get(ValueLayout.JAVA_INT, 0)))
                                .number("mode", u8(pit, 13)))
                .add("pic-master", pic(state.picMaster()))
                .add("pic-slave", pic(state.picSlave()))
                .add(
                        "ioapic",
                        new StateGroup()
                                .hex32("requests", ioapic.get(ValueLayout.JAVA_INT, CHIP + 16))
                                .number("unmasked-pins", pins.size()))
                .add("ioapic-pins", new StateValue.Items(pins));
    }

    /** struct kvm_pic_state: irr@1 imr@2 isr@3. */
    private static StateGroup pic(MemorySegment chip) {
        return new StateGroup()
                .hex8("requests", u8(chip, CHIP + 1))
                .hex8("mask", u8(chip, CHIP + 2))
                .hex8("in-service", u8(chip, CHIP + 3));
    }

    private static int u8(MemorySegment segment, long at) {
        return segment.get(ValueLayout.JAVA_BYTE, at) & 0xff;
    }

    private static StateGroup uart(Uart16550State uart) {
        return new StateGroup()
                .number("divisor", uart.divisor())
                .hex8("ier", uart.ier())
                .hex8("fcr", uart.fcr())
                .hex8("lcr", uart.lcr())
                .hex8("mcr", uart.mcr())
                .hex8("msr", uart.modemStatus())
                .hex8("scr", uart.scr())
                .hex8("line-errors", uart.lineErrors())
                .flag("transmit-pending", uart.transmitPending())
                .number("unread-bytes", uart.received().length);
    }

    private static StateGroup pm(AcpiPmState pm) {
        return new StateGroup()
                .hex16("status", pm.status())
                .hex16("enable", pm.enable())
                .hex16("control", pm.control())
                .number("timer-ns", pm.timerNanos());
    }

    private static StateGroup keyboard(I8042State keyboard) {
        return new StateGroup()
                .hex8("config", keyboard.config())
                .hex8("status", keyboard.status())
                .hex8("output-port", keyboard.outputPort());
    }

    private static StateGroup rtc(CmosRtcState rtc) {
        return new StateGroup()
                .hex8("index", rtc.index())
                .number("ahead-of-host-ms", rtc.offsetMillis())
                .text("seen", Instant.ofEpochMilli(rtc.seenMillis()).toString());
    }

    private static StateGroup transport(StateGroup group, VirtioState state) {
        group.text("driver", driver(state.status()))
                .hex8("status", state.status())
                .hex64("features", state.driverFeatures())
                .hex8("interrupts", state.interruptStatus());
        List<StateValue> queues = new ArrayList<>();
        for (VirtQueueState queue : state.queues()) {
            StateGroup one = new StateGroup().flag("ready", queue.ready());
            if (queue.ready()) {
                one.number("size", queue.size())
                        .hex64("descriptors", queue.descriptors())
                        .hex64("available", queue.available())
                        .hex64("used", queue.used())
                        .number("next-available", queue.nextAvailable())
                        .number("next-used", queue.nextUsed());
            }
            queues.add(one);
        }
        return group.add("queues", new StateValue.Items(queues));
    }

    /** virtio 1.2, section 5. */
    private static String kind(int id) {
        return switch (id) {
            case 1 -> "net";
            case 2 -> "blk";
            case 3 -> "console";
            case 4 -> "rng";
            default -> "id " + Integer.toUnsignedString(id);
        };
    }

    /** virtio 1.2, section 2.1. */
    private static String driver(int status) {
        if ((status & 0xc0) != 0) {
            return (status & 0x80) != 0 ? "failed" : "needs reset";
        }
        return status == 0 ? "none" : (status & 4) != 0 ? "running" : "starting";
    }
}
