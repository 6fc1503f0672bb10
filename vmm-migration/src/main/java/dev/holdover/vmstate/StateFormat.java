package dev.holdover.vmstate;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;

/** Offsets, sizes and limits of the state file, format version 1: docs/vmstate.md. */
final class StateFormat {
    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    /** For what is not a number: names, ids. */
    static final ValueLayout.OfLong BIG_ENDIAN_LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    static final int VERSION = 1;
    /** The bytes {@code HOLDOVER}. */
    static final long MAGIC = 0x484f4c444f564552L;

    static final long ALIGNMENT = 8;
    static final long PAGE = 4096;

    // The header's fixed part; up to WRITER_END it is the same in every version of the format.
    static final int MAGIC_AT = 0;
    static final int MAGIC_SIZE = 8;
    static final int VERSION_AT = 8;
    static final int HEADER_CRC_AT = 12;
    static final int HEADER_LENGTH_AT = 16;
    static final int ARCHITECTURE_AT = 20;
    static final int FILE_LENGTH_AT = 24;
    static final int WRITER_AT = 32;
    static final int WRITER_SIZE = 64;
    static final int WRITER_END = 96;
    static final int IMAGE_LENGTH_AT = 96;
    static final int SECTIONS_AT = 104;
    static final int REGIONS_AT = 108;
    static final int CONFIG_LENGTH_AT = 112;
    static final int CONFIG_VERSION_AT = 116;
    static final int CHUNKS_AT = 120;
    static final int CHUNKS_CRC_AT = 124;
    static final int FIXED_SIZE = 128;

    static final int NAME_SIZE = 32;

    // An entry of the region table.
    static final int REGION_GPA_AT = 32;
    static final int REGION_SIZE_AT = 40;
    static final int REGION_OFFSET_AT = 48;
    static final int REGION_FLAGS_AT = 56;
    static final int REGION_PROOF_LENGTH_AT = 60;
    static final int REGION_ID_AT = 64;
    static final int REGION_GENERATION_AT = 80;
    static final int REGION_PROOF_AT = 88;
    static final int MAX_PROOF = 64;
    static final int REGION_SIZE = 152;
    static final int REGION_SHARED = 1;
    static final int REGION_COPIED = 2;

    // An entry of the section table.
    static final int SECTION_INSTANCE_AT = 32;
    static final int SECTION_VERSION_AT = 36;
    static final int SECTION_OFFSET_AT = 40;
    static final int SECTION_LENGTH_AT = 48;
    static final int SECTION_CRC_AT = 56;
    static final int SECTION_ZERO_AT = 60;
    static final int SECTION_SIZE = 64;

    // An entry of the chunk table: pages of 1 MiB of a copied region.
    static final int CHUNK_REGION_AT = 0;
    static final int CHUNK_NUMBER_AT = 4;
    static final int CHUNK_CRC_AT = 8;
    static final int CHUNK_ZERO_AT = 12;
    static final int CHUNK_BITMAP_AT = 16;
    static final int CHUNK_ENTRY_SIZE = 48;
    static final int CHUNK_PAGES = 256;
    static final long CHUNK = CHUNK_PAGES * PAGE;

    // What a header may claim at most. Nothing is allocated for a claim beyond these, or beyond the file's size.
    static final int MAX_CONFIG = 1 << 20;
    static final int MAX_REGIONS = 1024;
    static final int MAX_SECTIONS = 16384;
    static final int MAX_HEADER = 2 << 20;
    static final int MAX_IMAGE = 64 << 20;
    static final int MAX_CHUNKS = 1 << 20;

    private StateFormat() {}

    static long align(long offset) {
        return (offset + ALIGNMENT - 1) & -ALIGNMENT;
    }

    static long alignToPage(long offset) {
        return (offset + PAGE - 1) & -PAGE;
    }

    static boolean isName(String name) {
        int length = name.length();
        if (length < 1 || length > NAME_SIZE) {
            return false;
        }
        for (int i = 0; i < length; i++) {
            char c = name.charAt(i);
            if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_') {
                return false;
            }
        }
        return true;
    }

    /** Writes ASCII, filled up with NUL. */
    static void putText(MemorySegment to, long at, int size, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        to.asSlice(at, size).fill((byte) 0);
        MemorySegment.copy(bytes, 0, to, ValueLayout.JAVA_BYTE, at, bytes.length);
    }

    /** Printable ASCII that is filled up with NUL; null if it is anything else. */
    static String text(MemorySegment from, long at, int size) {
        // A heap array: byte by byte, a cold JVM takes microseconds for each access to a segment.
        byte[] bytes = from.asSlice(at, size).toArray(ValueLayout.JAVA_BYTE);
        int length = 0;
        while (length < size && bytes[length] != 0) {
            if (bytes[length] < ' ' || bytes[length] > '~') {
                return null;
            }
            length++;
        }
        for (int i = length; i < size; i++) {
            if (bytes[i] != 0) {
                return null;
            }
        }
        return new String(bytes, 0, length, StandardCharsets.US_ASCII);
    }

    /** Of less than 2 GiB. */
    static boolean isZero(MemorySegment bytes, long from, long to) {
        byte[] array = bytes.asSlice(from, to - from).toArray(ValueLayout.JAVA_BYTE);
        for (int i = 0; i < array.length; i++) {
            if (array[i] != 0) {
                return false;
            }
        }
        return true;
    }

    /** CRC32C (Castagnoli: RFC 3720, appendix B.4) of less than 2 GiB. */
    static int crc(MemorySegment bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes.asByteBuffer());
        return (int) crc.getValue();
    }

    /** The CRC of a header: of all its bytes but those of the CRC. */
    static int headerCrc(MemorySegment header) {
        CRC32C crc = new CRC32C();
        crc.update(header.asSlice(0, HEADER_CRC_AT).asByteBuffer());
        crc.update(header.asSlice(HEADER_LENGTH_AT).asByteBuffer());
        return (int) crc.getValue();
    }

    /** As it is printed in errors. */
    static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }

    static String hex(int value) {
        return "0x" + Integer.toHexString(value);
    }
}
