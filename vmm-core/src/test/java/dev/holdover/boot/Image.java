package dev.holdover.boot;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** A kernel file made for a test: bytes to be set by offset, little-endian. */
final class Image {
    private final ByteBuffer bytes;

    Image(int size) {
        bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    private Image(byte[] bytes) {
        this.bytes = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    Image u8(int offset, int value) {
        bytes.put(offset, (byte) value);
        return this;
    }

    Image u16(int offset, int value) {
        bytes.putShort(offset, (short) value);
        return this;
    }

    Image u32(int offset, long value) {
        bytes.putInt(offset, (int) value);
        return this;
    }

    Image u64(int offset, long value) {
        bytes.putLong(offset, value);
        return this;
    }

    Image text(int offset, String text) {
        bytes.put(offset, text.getBytes(StandardCharsets.ISO_8859_1));
        return this;
    }

    /** Bytes that differ from their neighbours. */
    Image pattern(int offset, int size) {
        for (int i = 0; i < size; i++) {
            bytes.put(offset + i, (byte) (i * 31 + 7));
        }
        return this;
    }

    Image cut(int size) {
        return new Image(Arrays.copyOf(bytes.array(), size));
    }

    Image copy() {
        return cut(bytes.capacity());
    }

    int size() {
        return bytes.capacity();
    }

    byte[] bytes(int offset, int size) {
        return Arrays.copyOfRange(bytes.array(), offset, offset + size);
    }

    Path write(Path path) throws IOException {
        return Files.write(path, bytes.array());
    }

    static final int SETUP_SIZE = 2 * 512;
    static final int CODE_SIZE = 0x2000;
    static final long PREFERRED = 0x1000000;
    static final long INIT_SIZE = 0x300000;

    /** A bzImage as today's kernels are: protocol 2.15, 64-bit entry, relocatable. */
    static Image bzImage() {
        return new Image(SETUP_SIZE + CODE_SIZE)
                .u8(0x1f1, 1)
                .u32(0x1f4, CODE_SIZE / 16)
                .u16(0x1fe, 0xaa55)
                .u8(0x200, 0xeb)
                .u8(0x201, 0x26c - 0x202)
                .text(0x202, "HdrS")
                .u16(0x206, 0x20f)
                .u8(0x211, 1)
                .u32(0x214, 0x100000)
                .u32(0x22c, 0x7fffffff)
                .u32(0x230, 0x200000)
                .u8(0x234, 1)
                .u16(0x236, 1)
                .u32(0x238, 2047)
                .u64(0x258, PREFERRED)
                .u32(0x260, INIT_SIZE)
                .pattern(SETUP_SIZE, CODE_SIZE);
    }

    static final int ELF_CODE = 0x1000;

    /** A 64-bit ELF file with one segment of 0x100 bytes in the file and 0x3000 in memory, and room for a second header. */
    static Image elf64(long physical, long virtual, long entry) {
        return elfHeader(0x2000, 2, 62)
                .u64(24, entry)
                .u64(32, 64)
                .u16(54, 56)
                .u16(56, 1)
                .u32(64, 1)
                .u64(64 + 8, ELF_CODE)
                .u64(64 + 16, virtual)
                .u64(64 + 24, physical)
                .u64(64 + 32, 0x100)
                .u64(64 + 40, 0x3000)
                .pattern(ELF_CODE, 0x100);
    }

    /** The same in 32 bits. */
    static Image elf32(long physical, long entry) {
        return elfHeader(0x2000, 1, 3)
                .u32(24, entry)
                .u32(28, 52)
                .u16(42, 32)
                .u16(44, 1)
                .u32(52, 1)
                .u32(52 + 4, ELF_CODE)
                .u32(52 + 8, physical)
                .u32(52 + 12, physical)
                .u32(52 + 16, 0x100)
                .u32(52 + 20, 0x3000)
                .pattern(ELF_CODE, 0x100);
    }

    private static Image elfHeader(int size, int elfClass, int machine) {
        return new Image(size)
                .text(0, "\177ELF")
                .u8(4, elfClass)
                .u8(5, 1)
                .u8(6, 1)
                .u16(16, 2)
                .u16(18, machine);
    }

    /** Adds a program header to a 64-bit ELF file that says no more than its type. */
    Image header64(int type) {
        return u16(56, 2).u32(120, type);
    }

    static final int NOTES = 0x800;

    /** Adds notes to a 64-bit ELF file: another one of Xen's, then that of the PVH entry. */
    Image pvhNote(long entry, int valueSize) {
        return header64(4)
                .u64(120 + 8, NOTES)
                .u64(120 + 32, 20 + 16 + valueSize)
                .u64(120 + 48, 4)
                .u32(NOTES, 4)
                .u32(NOTES + 4, 3)
                .u32(NOTES + 8, 5)
                .text(NOTES + 12, "Xen\0")
                .text(NOTES + 16, "3.0\0")
                .u32(NOTES + 20, 4)
                .u32(NOTES + 24, valueSize)
                .u32(NOTES + 28, 18)
                .text(NOTES + 32, "Xen\0")
                .u32(NOTES + 36, entry);
    }

    /** Adds a multiboot 1 header. */
    Image multiboot(int offset, int flags) {
        return u32(offset, 0x1badb002).u32(offset + 4, flags).u32(offset + 8, -(0x1badb002 + flags));
    }
}
