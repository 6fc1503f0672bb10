package dev.holdover.boot;

import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;

/** A kernel image of a known format, whose header has been checked. Valid while its file is open. */
sealed interface Kernel permits BzImage, LinuxElf, Multiboot1, PvhKernel {
    /**
     * Copies the kernel, its initrd and what its protocol hands over into guest RAM.
     *
     * @param rsdp GPA of the ACPI root pointer, 0 for none
     */
    CpuEntry load(GuestMemory memory, E820 map, BootConfig config, long rsdp);

    /** Tells by its content what it is; throws {@link VmmException}, which says what else it is, if it is no kernel. */
    static Kernel recognise(BootFile file) {
        if (ElfImage.hasMagic(file)) {
            return recogniseElf(file);
        }
        if (BzImage.hasMagic(file)) {
            return BzImage.parse(file);
        }
        int multiboot = Multiboot1.findHeader(file);
        if (multiboot >= 0 && !NotAKernel.isEfiProgram(file)) {
            return Multiboot1.parse(file, multiboot);
        }
        throw NotAKernel.refuse(file);
    }

    private static Kernel recogniseElf(BootFile file) {
        ElfImage elf = ElfImage.parse(file);
        if (elf.pvhEntry() >= 0) {
            return PvhKernel.parse(elf);
        }
        int multiboot = Multiboot1.findHeader(file);
        if (multiboot >= 0) {
            return Multiboot1.parse(elf, multiboot);
        }
        if (NotAKernel.hasMultiboot2Header(file)) {
            throw NotAKernel.multiboot2(file);
        }
        return LinuxElf.parse(elf);
    }
}
