package dev.holdover.boot;

import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;

/**
 * A Linux kernel as distributions ship it (also memtest86+): real-mode setup code with a header, then the kernel. The
 * setup code is left out; the kernel is entered in long mode where it allows that, else in protected mode.
 *
 * @param headerEnd where the setup header ends in the file, bytes
 * @param setupSize where the kernel starts in the file, bytes
 * @param codeSize the kernel's bytes in the file
 * @param wide whether it has a 64-bit entry
 * @param load GPA at which the kernel is put
 * @param reserved bytes from there on that it needs until it has set up its memory
 * @param initrdEnd GPA behind the last byte that an initrd may take
 * @param commandLineLimit bytes without the NUL
 * @see <a href="https://docs.kernel.org/arch/x86/boot.html">The Linux/x86 boot protocol</a>
 */
record BzImage(
        BootFile file,
        int headerEnd,
        long setupSize,
        long codeSize,
        boolean wide,
        long load,
        long reserved,
        long initrdEnd,
        long commandLineLimit)
        implements Kernel {
    private static final int OLDEST = 0x206;
    private static final int LOADED_HIGH = 1;
    private static final int XLF_KERNEL_64 = 1;
    private static final int XLF_CAN_BE_LOADED_ABOVE_4G = 2;
    /** The 64-bit entry, bytes from the kernel's start. */
    private static final int ENTRY_64 = 0x200;

    static boolean hasMagic(BootFile file) {
        return file.has32(BootParams.HEADER, BootParams.HEADER_MAGIC)
                && file.u16(BootParams.BOOT_FLAG) == BootParams.BOOT_FLAG_VALUE;
    }

    /** Checks the setup header, a step at a time. */
    static BzImage parse(BootFile file) {
        int version = version(file);
        int headerEnd = headerEnd(file, version);
        long setupSize = setupSize(file);
        long codeSize = codeSize(file, setupSize);
        int flags = version >= 0x20c ? file.u16(BootParams.XLOADFLAGS) : 0;
        boolean wide = (flags & XLF_KERNEL_64) != 0;
        long start = file.u32(BootParams.CODE32_START);
        if (!wide && start < MemoryMap.HIGH_MEMORY) {
            throw file.refuse("has no entry in protected mode (code32_start is " + LowRam.hex(start)
                    + ", protocol " + text(version) + "): it starts in real mode and calls a BIOS, which a guest"
                    + " booted by --kernel does not have");
        }
        if (codeSize <= ENTRY_64) {
            throw file.refuse("is cut off: it has setup code, and " + codeSize + " bytes of a kernel");
        }
        boolean relocatable = file.u8(BootParams.RELOCATABLE_KERNEL) != 0;
        long preferred = version >= 0x20a ? file.u64(BootParams.PREF_ADDRESS) : 0;
        long initSize = version >= 0x20a ? file.u32(BootParams.INIT_SIZE) : 0;
        // One that cannot be relocated moves itself from where it expects to be put to where it prefers to run.
        long load = relocatable && preferred != 0 ? preferred : Math.max(start, MemoryMap.KERNEL);
        long reserved = reserved(file, load, codeSize, preferred, initSize);
        long initrdEnd =
                (flags & XLF_CAN_BE_LOADED_ABOVE_4G) != 0 ? Long.MAX_VALUE : file.u32(BootParams.INITRD_ADDR_MAX) + 1;
        return new BzImage(
                file,
                headerEnd,
                setupSize,
                codeSize,
                wide,
                load,
                reserved,
                initrdEnd,
                file.u32(BootParams.CMDLINE_SIZE));
    }

    private static int version(BootFile file) {
        int version = file.u16(BootParams.VERSION);
        if (version < OLDEST) {
            throw file.refuse("has a Linux setup header of boot protocol " + text(version) + ", and " + text(OLDEST)
                    + " is the oldest that can be started without a BIOS; take a newer kernel");
        }
        if ((file.u8(BootParams.LOADFLAGS) & LOADED_HIGH) == 0) {
            throw file.refuse("is a zImage, which loads below 1 MiB; build a bzImage");
        }
        return version;
    }

    private static int headerEnd(BootFile file, int version) {
        int end = BootParams.HEADER + file.u8(BootParams.JUMP_LENGTH);
        int needed = version >= 0x20a ? BootParams.INIT_SIZE + 4 : BootParams.CMDLINE_SIZE + 4;
        if (end < needed || end > BootParams.HEADER_END) {
            throw file.refuse("is damaged: its setup header ends at " + LowRam.hex(end) + ", and one of boot protocol "
                    + text(version) + " ends between " + LowRam.hex(needed) + " and "
                    + LowRam.hex(BootParams.HEADER_END));
        }
        return end;
    }

    private static long setupSize(BootFile file) {
        int sectors = file.u8(BootParams.SETUP_SECTS);
        return ((sectors == 0 ? 4 : sectors) + 1) * 512L;
    }

    private static long codeSize(BootFile file, long setupSize) {
        // In units of 16 bytes, rounded up.
        long least = file.u32(BootParams.SYSSIZE) * 16 - 15;
        if (!file.holds(setupSize, least)) {
            throw file.refuse("is cut off: its header announces " + (setupSize + least) + " bytes, and the file has "
                    + file.size());
        }
        return file.size() - setupSize;
    }

    /** The kernel's bytes as loaded, and as decompressed at the address it prefers. */
    private static long reserved(BootFile file, long load, long codeSize, long preferred, long initSize) {
        long reserved = Math.max(codeSize, initSize);
        if (preferred > load) {
            if (preferred > MemoryMap.LOW_RAM_END) {
                throw file.refuse("prefers to run at " + LowRam.hex(preferred) + ", above 3 GiB, where no low RAM is");
            }
            reserved = Math.max(reserved, preferred - load + initSize);
        }
        return reserved;
    }

    private static String text(int version) {
        int minor = version & 0xff;
        return (version >> 8) + (minor < 10 ? ".0" : ".") + minor;
    }

    @Override
    public CpuEntry load(GuestMemory memory, E820 map, BootConfig config, long rsdp) {
        LowRam ram = new LowRam(map.lowRamEnd());
        ram.require(file, load, reserved);
        file.read(setupSize, memory.slice(load, codeSize));
        Initrd initrd = Initrd.load(config.initrd(), memory, load + reserved, Math.min(ram.end(), initrdEnd));
        CommandLine.write(memory, file, config.commandLine(), commandLineLimit);
        BootParams.clear(memory);
        BootParams.copyHeader(memory, file, headerEnd);
        BootParams.fill(memory, map, initrd, rsdp);
        CpuEntry entry = wide
                ? CpuEntry.linux(CpuEntry.Mode.LONG_64, load + ENTRY_64)
                : CpuEntry.linux(CpuEntry.Mode.PROTECTED_32, load);
        EntryState.write(memory, entry.mode());
        return entry;
    }
}
