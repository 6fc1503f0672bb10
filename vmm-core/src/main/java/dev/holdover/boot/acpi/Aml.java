package dev.holdover.boot.acpi;

import java.nio.charset.StandardCharsets;

/** Terms of ACPI Machine Language as bytes: ACPI 6.5 §20.2. Names are four characters, padded with underscores. */
final class Aml {
    private static final byte ZERO = 0x00;
    private static final byte ONE = 0x01;
    private static final byte NAME = 0x08;
    private static final byte BYTE_PREFIX = 0x0a;
    private static final byte WORD_PREFIX = 0x0b;
    private static final byte DWORD_PREFIX = 0x0c;
    private static final byte STRING_PREFIX = 0x0d;
    private static final byte SCOPE = 0x10;
    private static final byte BUFFER = 0x11;
    private static final byte PACKAGE = 0x12;
    private static final byte EXTENDED = 0x5b;
    private static final byte DEVICE = (byte) 0x82;

    private Aml() {}

    /** Name (name, value) */
    static byte[] name(String name, byte[] value) {
        return concat(new byte[] {NAME}, ascii(name), value);
    }

    /** Scope (\name) {terms} */
    static byte[] scope(String name, byte[]... terms) {
        return concat(new byte[] {SCOPE}, packaged(concat(ascii("\\" + name), concat(terms))));
    }

    /** Device (name) {terms} */
    static byte[] device(String name, byte[]... terms) {
        return concat(new byte[] {EXTENDED, DEVICE}, packaged(concat(ascii(name), concat(terms))));
    }

    /** Package {elements}; at most 255. */
    static byte[] pack(byte[]... elements) {
        return concat(new byte[] {PACKAGE}, packaged(concat(new byte[] {(byte) elements.length}, concat(elements))));
    }

    static byte[] buffer(byte[] bytes) {
        return concat(new byte[] {BUFFER}, packaged(concat(integer(bytes.length), bytes)));
    }

    /** An unsigned integer of at most 32 bits, in the fewest bytes. */
    static byte[] integer(long value) {
        if (value == 0) {
            return new byte[] {ZERO};
        }
        if (value == 1) {
            return new byte[] {ONE};
        }
        if (value < 0x100) {
            return new byte[] {BYTE_PREFIX, (byte) value};
        }
        if (value < 0x10000) {
            return new byte[] {WORD_PREFIX, (byte) value, (byte) (value >> 8)};
        }
        return concat(new byte[] {DWORD_PREFIX}, u32(value));
    }

    static byte[] string(String text) {
        return concat(new byte[] {STRING_PREFIX}, ascii(text), new byte[] {0});
    }

    /** EisaId (id): three capital letters in five bits each, four hexadecimal digits, big-endian. */
    static byte[] eisaId(String id) {
        int letters = 0;
        for (int i = 0; i < 3; i++) {
            letters = (letters << 5) | (id.charAt(i) - '@');
        }
        int digits = Integer.parseInt(id, 3, 7, 16);
        return new byte[] {DWORD_PREFIX, (byte) (letters >> 8), (byte) letters, (byte) (digits >> 8), (byte) digits};
    }

    static byte[] u32(long value) {
        return new byte[] {(byte) value, (byte) (value >> 8), (byte) (value >> 16), (byte) (value >> 24)};
    }

    static byte[] concat(byte[]... parts) {
        int size = 0;
        for (byte[] part : parts) {
            size += part.length;
        }
        byte[] all = new byte[size];
        int at = 0;
        for (byte[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }

    /**
     * Puts PkgLength before the content, which counts itself too. One byte holds 6 bits; with more, the first says how
     * many follow and holds the low 4 bits.
     */
    static byte[] packaged(byte[] content) {
        if (content.length + 1 < 1 << 6) {
            return concat(new byte[] {(byte) (content.length + 1)}, content);
        }
        int following = content.length + 2 < 1 << 12 ? 1 : content.length + 3 < 1 << 20 ? 2 : 3;
        int length = content.length + 1 + following;
        byte[] prefix = new byte[1 + following];
        prefix[0] = (byte) ((following << 6) | (length & 0xf));
        for (int i = 0; i < following; i++) {
            prefix[1 + i] = (byte) (length >> (4 + 8 * i));
        }
        return concat(prefix, content);
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
