package dev.holdover.boot;

import dev.holdover.linux.VmmException;

/** What people give to --kernel by mistake: known by its first bytes, and said by name. */
final class NotAKernel {
    private static final int MULTIBOOT2_MAGIC = 0xe85250d6;

    private NotAKernel() {}

    /** The refusal of a file in which no loader found its header. */
    static VmmException refuse(BootFile file) {
        if (file.has32(0x38, 0x644d5241)) { // "ARM\x64"
            return file.refuse("is a Linux kernel for 64-bit ARM; this machine is x86");
        }
        if (file.has32(0x38, 0x05435352)) { // "RSC\x05"
            return file.refuse("is a Linux kernel for RISC-V; this machine is x86");
        }
        String compressor = compressor(file);
        if (compressor != null) {
            return file.refuse("is compressed by " + compressor + "; decompress it first");
        }
        if (hasMultiboot2Header(file)) {
            return multiboot2(file);
        }
        if (file.has32(0, 0x37303730)) { // "0707"
            return file.refuse("is a cpio archive, not a kernel; an initrd is given by --initrd");
        }
        if (file.size() < BootParams.HEADER_END) {
            return file.refuse("has " + file.size() + " bytes and is no kernel, or one that is cut off");
        }
        if (isEfiProgram(file)) {
            return file.refuse("is an EFI program without a Linux boot header, and there is no EFI here");
        }
        if (file.u16(0x1fe) == 0xaa55) {
            return file.refuse("is a boot sector or a disk image, which only a BIOS starts; name a kernel, and give"
                    + " a disk by --disk");
        }
        return file.refuse("is no kernel of a known kind (bzImage, ELF vmlinux, PVH, multiboot 1); a firmware image is"
                + " given by --bios");
    }

    /** Tells by the magic number of a PE file, "MZ", which many kernels start with as well. */
    static boolean isEfiProgram(BootFile file) {
        return file.u16(0) == 0x5a4d;
    }

    private static String compressor(BootFile file) {
        if (file.has32(0, 0x00088b1f) || file.has32(0, 0x08088b1f)) {
            return "gzip";
        }
        if (file.has32(0, 0x587a37fd)) {
            return "xz";
        }
        if (file.has32(0, 0xfd2fb528)) {
            return "zstd";
        }
        if (file.has32(0, 0x184d2204) || file.has32(0, 0x184c2102)) {
            return "lz4";
        }
        return null;
    }

    static boolean hasMultiboot2Header(BootFile file) {
        long end = file.head().byteSize();
        for (int at = 0; at + 16 <= end; at += 8) {
            if (file.has32(at, MULTIBOOT2_MAGIC)) {
                int sum = MULTIBOOT2_MAGIC + (int) (file.u32(at + 4) + file.u32(at + 8) + file.u32(at + 12));
                if (sum == 0) {
                    return true;
                }
            }
        }
        return false;
    }

    static VmmException multiboot2(BootFile file) {
        return file.refuse(
                "has a multiboot 2 header, and only multiboot 1, PVH and Linux' own protocols are known here");
    }
}
