package dev.holdover.boot.acpi;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** An ACPI table that grows: little-endian fields after the header that all tables have, checksum last. */
final class Table {
    static final int HEADER_SIZE = 36;
    static final String OEM_ID = "HOLDOV";

    private static final int LENGTH = 4;
    private static final int CHECKSUM = 9;

    private byte[] bytes = new byte[512];
    private int size;

    /** A table with its header; the length and the checksum follow with {@link #finish}. */
    Table(String signature, int revision) {
        text(signature).u32(0).u8(revision).u8(0);
        text(OEM_ID).text("HOLDOVER").u32(1).text("HLDO").u32(1);
    }

    Table u8(int value) {
        if (size == bytes.length) {
            bytes = Arrays.copyOf(bytes, 2 * size);
        }
        bytes[size++] = (byte) value;
        return this;
    }

    Table u16(int value) {
        return u8(value).u8(value >> 8);
    }

    Table u32(long value) {
        return u16((int) value).u16((int) (value >> 16));
    }

    Table u64(long value) {
        return u32(value).u32(value >> 32);
    }

    /** ASCII without an end mark. */
    Table text(String text) {
        return append(text.getBytes(StandardCharsets.US_ASCII));
    }

    Table append(byte[] more) {
        for (byte b : more) {
            u8(b);
        }
        return this;
    }

    /** Zeroes. */
    Table skip(int count) {
        for (int i = 0; i < count; i++) {
            u8(0);
        }
        return this;
    }

    int size() {
        return size;
    }

    /** The table, with its length and checksum. */
    byte[] finish() {
        byte[] table = Arrays.copyOf(bytes, size);
        for (int i = 0; i < 4; i++) {
            table[LENGTH + i] = (byte) (size >> (8 * i));
        }
        table[CHECKSUM] = checksum(table, size);
        return table;
    }

    /** What makes the sum of these bytes zero, modulo 256. */
    static byte checksum(byte[] table, int length) {
        int sum = 0;
        for (int i = 0; i < length; i++) {
            sum += table[i];
        }
        return (byte) -sum;
    }
}
