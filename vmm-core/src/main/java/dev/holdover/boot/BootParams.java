package dev.holdover.boot;

import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;

/**
 * Linux' {@code struct boot_params} at {@link MemoryMap#BOOT_PARAMS}: one page. The setup header within it comes from the
 * kernel's image, if that has one.
 *
 * @see <a href="https://docs.kernel.org/arch/x86/zero-page.html">Zero Page</a>
 */
final class BootParams {
    // struct boot_params
    private static final int ACPI_RSDP_ADDR = 0x070;
    private static final int EXT_RAMDISK_IMAGE = 0x0c0;
    private static final int EXT_RAMDISK_SIZE = 0x0c4;
    private static final int E820_ENTRIES = 0x1e8;
    private static final int E820_TABLE = 0x2d0;
    // struct setup_header, at its place in boot_params and in an image alike
    static final int SETUP_SECTS = 0x1f1;
    static final int SYSSIZE = 0x1f4;
    static final int BOOT_FLAG = 0x1fe;
    static final int JUMP_LENGTH = 0x201;
    static final int HEADER = 0x202;
    static final int VERSION = 0x206;
    static final int TYPE_OF_LOADER = 0x210;
    static final int LOADFLAGS = 0x211;
    static final int CODE32_START = 0x214;
    private static final int RAMDISK_IMAGE = 0x218;
    private static final int RAMDISK_SIZE = 0x21c;
    private static final int CMD_LINE_PTR = 0x228;
    static final int INITRD_ADDR_MAX = 0x22c;
    static final int KERNEL_ALIGNMENT = 0x230;
    static final int RELOCATABLE_KERNEL = 0x234;
    static final int XLOADFLAGS = 0x236;
    static final int CMDLINE_SIZE = 0x238;
    static final int PREF_ADDRESS = 0x258;
    static final int INIT_SIZE = 0x260;
    /** What follows in boot_params: the header ends here at the latest. */
    static final int HEADER_END = 0x290;

    static final int BOOT_FLAG_VALUE = 0xaa55;
    /** "HdrS". */
    static final int HEADER_MAGIC = 0x53726448;

    private static final byte UNREGISTERED_LOADER = (byte) 0xff;
    private static final long BASE = MemoryMap.BOOT_PARAMS;

    private BootParams() {}

    /** Clears the page: a kernel takes what is not zero for something said. */
    static void clear(GuestMemory memory) {
        memory.slice(BASE, MemoryMap.PAGE).fill((byte) 0);
    }

    /** The setup header of an image: the bytes from {@link #SETUP_SECTS} to {@code end}. */
    static void copyHeader(GuestMemory memory, BootFile image, int end) {
        memory.write(BASE + SETUP_SECTS, image.head().asSlice(SETUP_SECTS, end - SETUP_SECTS));
    }

    /** A setup header for an image that has none: an ELF file. */
    static void makeHeader(GuestMemory memory, int commandLineLimit) {
        memory.putShort(BASE + BOOT_FLAG, (short) BOOT_FLAG_VALUE);
        memory.putInt(BASE + HEADER, HEADER_MAGIC);
        memory.putShort(BASE + VERSION, (short) 0x20c); // nothing of a later version is filled in
        memory.putByte(BASE + LOADFLAGS, (byte) 1); // loaded high
        memory.putInt(BASE + KERNEL_ALIGNMENT, 0x1000000);
        memory.putInt(BASE + CMDLINE_SIZE, commandLineLimit);
    }

    /** The loader's part. {@code rsdp} is 0 for a machine without ACPI. */
    static void fill(GuestMemory memory, E820 map, Initrd initrd, long rsdp) {
        memory.putByte(BASE + TYPE_OF_LOADER, UNREGISTERED_LOADER);
        memory.putInt(BASE + CMD_LINE_PTR, (int) MemoryMap.COMMAND_LINE);
        memory.putInt(BASE + RAMDISK_IMAGE, (int) initrd.gpa());
        memory.putInt(BASE + RAMDISK_SIZE, (int) initrd.size());
        memory.putInt(BASE + EXT_RAMDISK_IMAGE, (int) (initrd.gpa() >>> 32));
        memory.putInt(BASE + EXT_RAMDISK_SIZE, (int) (initrd.size() >>> 32));
        memory.putLong(BASE + ACPI_RSDP_ADDR, rsdp);
        memory.putByte(BASE + E820_ENTRIES, (byte) map.ranges().size());
        long entry = BASE + E820_TABLE;
        for (int i = 0; i < map.ranges().size(); i++) {
            E820.Range range = map.ranges().get(i);
            memory.putLong(entry, range.start());
            memory.putLong(entry + 8, range.size());
            memory.putInt(entry + 16, range.type());
            entry += 20;
        }
    }
}
