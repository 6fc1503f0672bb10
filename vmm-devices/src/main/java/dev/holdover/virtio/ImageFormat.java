package dev.holdover.virtio;

import dev.holdover.linux.Fd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/**
 * Formats of disk images other than raw, by the bytes with which they begin or end. A guest that was given such a file as it
 * is would see no file system there, and destroy the image by its first write.
 */
enum ImageFormat {
    QCOW2("qcow2", 0, "QFI\u00fb"),
    QED("QED", 0, "QED\0"),
    VMDK_SPARSE("VMDK", 0, "KDMV"),
    VMDK_COW("VMDK", 0, "COWD"),
    VMDK_DESCRIPTOR("VMDK", 0, "# Disk DescriptorFile"),
    VHDX("VHDX", 0, "vhdxfile"),
    VHD("VHD", 0, "conectix"),
    /** A fixed VHD: the raw disk, and the format's footer behind it. */
    VHD_FIXED("VHD", -512, "conectix"),
    VDI("VDI", 64, "\u007f\u0010\u00da\u00be"),
    PARALLELS("Parallels", 0, "WithoutFreeSpace"),
    PARALLELS_EXTENDED("Parallels", 0, "WithouFreSpacExt");

    private static final int MOST_BYTES = 21;

    private final String text;
    private final int at;
    private final String magic;

    /** @param at from the file's beginning, or from its end if it is negative */
    ImageFormat(String text, int at, String magic) {
        this.text = text;
        this.at = at;
        this.magic = magic;
    }

    /** What people call it. */
    String text() {
        return text;
    }

    /** The format of a file of that size; null if it looks like none of these. Reads some bytes. */
    static ImageFormat of(Fd file, long size) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(MOST_BYTES, 8);
            for (ImageFormat format : values()) {
                long from = format.at < 0 ? size + format.at : format.at;
                byte[] magic = format.magic.getBytes(StandardCharsets.ISO_8859_1);
                MemorySegment found = bytes.asSlice(0, magic.length);
                if (from >= 0
                        && file.readFully(found, from) == magic.length
                        && found.mismatch(MemorySegment.ofArray(magic)) < 0) {
                    return format;
                }
            }
            return null;
        }
    }
}
