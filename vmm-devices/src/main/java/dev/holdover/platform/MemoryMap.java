package dev.holdover.platform;

import java.util.Arrays;

/**
 * Every guest-physical address and port of the machine, in one place.
 *
 * <pre>
 * 0x0000_0400  BIOS data area: COM ports, EBDA, base memory
 * 0x0000_0500  GDT of the entry state                      ┐
 * 0x0000_6000  hvm_start_info, module list, memory map     │
 * 0x0000_7000  boot_params ("zero page")                   │ free for the guest
 * 0x0000_8ff0  stack of the entry state, downwards         │ once it has read them
 * 0x0000_9000  page tables: identity map of 4 GiB          │
 * 0x0001_0000  multiboot information                       │
 * 0x0002_0000  kernel command line                         ┘
 * 0x0009_fc00  EBDA: reserved, as guests expect it below 640 KiB
 * 0x000a_0000  VGA hole: no RAM in e820
 * 0x000e_0000  RSDP, ACPI tables; with --bios the image's last 128 KiB
 * 0x0010_0000  kernel, initrd as high as the kernel allows below 3 GiB
 * 0xc000_0000  end of low RAM: the 32-bit hole
 * 0xd000_0000  virtio-mmio, 4 KiB a device
 * 0xdff0_0000  PCI configuration space of bus 0 (ECAM), 1 MiB        ┐ only of machines
 * 0xe000_0000  PCI functions' memory below 4 GiB                     ┘ with a PCI bus
 * 0xfec0_0000  IOAPIC (in the kernel)
 * 0xfee0_0000  LAPIC (in the kernel)
 * 0xfeff_c000  identity-map page and TSS of KVM on Intel hosts
 * 0xff00_0000  --bios image, ending at 4 GiB
 * 0x1_0000_0000 high RAM
 * behind all RAM, on a multiple of 1 GiB: PCI functions' memory of 64 bits, as far as the guest's CPUs reach
 * </pre>
 */
public final class MemoryMap {
    public static final long PAGE = 4096;
    public static final long MIB = 1 << 20;
    public static final long GIB = 1 << 30;

    public static final long BIOS_DATA = 0x400;
    public static final long BOOT_GDT = 0x500;
    public static final long PVH_INFO = 0x6000;
    public static final long PVH_MODULES = 0x6100;
    public static final long PVH_MEMORY_MAP = 0x6200;
    public static final long BOOT_PARAMS = 0x7000;
    public static final long BOOT_STACK = 0x8ff0;
    /** PML4, then PDPT, then four page directories. */
    public static final long PAGE_TABLES = 0x9000;

    public static final long MULTIBOOT_INFO = 0x10000;
    public static final long MULTIBOOT_INFO_END = 0x20000;
    public static final long COMMAND_LINE = 0x20000;
    /** Room for the command line with its NUL; a kernel may allow less. */
    public static final long COMMAND_LINE_SIZE = 0x10000;

    public static final long EBDA = 0x9fc00;
    public static final long VGA_HOLE = 0xa0000;
    /** On the 16-byte boundary where firmware puts it, for guests that scan. */
    public static final long RSDP = 0xe0000;

    public static final long ACPI_TABLES = 0xe0040;
    public static final long ACPI_TABLES_END = 0x100000;
    /** Where the tail of a --bios image is seen below 1 MiB, at most. */
    public static final long ISA_BIOS = 0xe0000;

    public static final long HIGH_MEMORY = 0x100000;
    public static final long KERNEL = HIGH_MEMORY;

    /** Low RAM ends here at the latest; what is more begins at {@link #HIGH_RAM}. */
    public static final long LOW_RAM_END = 0xc0000000L;

    public static final long HIGH_RAM = 0x100000000L;

    public static final long VIRTIO_MMIO = 0xd0000000L;
    public static final long VIRTIO_MMIO_SIZE = 0x1000;

    /** Configuration space of PCI bus 0 as memory; reserved by a device of its own in the DSDT. */
    public static final long PCI_ECAM = 0xdff00000L;

    public static final long PCI_MEMORY = 0xe0000000L;
    public static final long PCI_MEMORY_END = 0xfec00000L;
    /** At most so much behind all RAM. */
    private static final long PCI_HIGH_MEMORY_SIZE = 1L << 40;

    public static final long IOAPIC = 0xfec00000L;
    public static final long LAPIC = 0xfee00000L;
    public static final long KVM_IDENTITY_MAP = 0xfeffc000L;
    /** Three pages. */
    public static final long KVM_TSS = 0xfeffd000L;

    public static final long BIOS_END = 0x100000000L;
    public static final long BIOS_MAX_SIZE = 16 * MIB;

    // Ports
    public static final int PORT_I8042_DATA = 0x60;
    public static final int PORT_I8042_COMMAND = 0x64;
    public static final int PORT_CMOS = 0x70;
    public static final int PORT_COM1 = 0x3f8;
    public static final int PORT_DEBUG_EXIT = 0xf4;
    /** PM1a event block (4 bytes), PM1a control (2), PM timer (4). */
    public static final int PORT_ACPI_PM = 0x600;

    /** PCI functions' ports; those below are the machine's own. */
    public static final int PCI_PORTS = 0x1000;

    public static final int PCI_PORTS_END = 0x10000;

    // Interrupts (GSIs)
    public static final int GSI_COM1 = 4;
    public static final int GSI_RTC = 8;
    public static final int GSI_SCI = 9;

    /** Pins of the IOAPIC for virtio-mmio devices, edge-triggered: those without an ISA heritage first. */
    private static final int[] VIRTIO_GSIS = {16, 17, 18, 19, 20, 21, 22, 23, 5, 6, 7, 10, 11, 12, 14, 15};

    public static final int MAX_VIRTIO_DEVICES = VIRTIO_GSIS.length;

    /** Pins from here on have no ISA heritage. */
    private static final int FIRST_FREE_PIN = 16;

    private MemoryMap() {}

    /** Where virtio-mmio device {@code slot} has its registers. */
    public static long virtioMmio(int slot) {
        return VIRTIO_MMIO + slot * VIRTIO_MMIO_SIZE;
    }

    /** The interrupt of virtio-mmio device {@code slot}. */
    public static int virtioGsi(int slot) {
        return VIRTIO_GSIS[slot];
    }

    /**
     * The pins for interrupts of PCI functions, which are level-triggered and may share one: what {@code devices} devices
     * on virtio-mmio leave, without those of ISA heritage if there are others; none if nothing is left.
     */
    public static int[] pciGsis(int devices) {
        int[] left = Arrays.copyOfRange(VIRTIO_GSIS, devices, VIRTIO_GSIS.length);
        int[] fresh = Arrays.stream(left).filter(gsi -> gsi >= FIRST_FREE_PIN).toArray();
        return fresh.length > 0 ? fresh : left;
    }

    /**
     * Where PCI functions have memory, and ports.
     *
     * @param ramEnd the GPA behind all RAM
     * @param addressBits how many bits of a GPA the guest's CPUs have
     */
    public static PciWindows pciWindows(long ramEnd, int addressBits) {
        long start = (Math.max(ramEnd, HIGH_RAM) + GIB - 1) & -GIB;
        long end = Math.min(1L << Math.min(addressBits, 52), start + PCI_HIGH_MEMORY_SIZE);
        return new PciWindows(
                new PciWindows.Window(PCI_PORTS, PCI_PORTS_END),
                new PciWindows.Window(PCI_MEMORY, PCI_MEMORY_END),
                end > start ? new PciWindows.Window(start, end) : PciWindows.Window.NONE);
    }
}
