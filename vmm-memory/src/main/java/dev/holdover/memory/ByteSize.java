package dev.holdover.memory;

import java.math.BigDecimal;

/** Sizes in bytes as QEMU reads and this VMM prints them. */
public final class ByteSize {
    private static final String UNITS = "BKMGTPE";

    private ByteSize() {}

    /**
     * Reads a size: digits with or without a fraction and a unit B, K, M, G, T, P or E (powers of 1024), or hexadecimal
     * digits after 0x and no unit.
     *
     * @param defaultUnit for a text without a unit, {@code 'M'} say
     * @return bytes, a fraction of a byte cut off; -1 if the text is no size or 2^63 bytes or more
     */
    public static long parse(String text, char defaultUnit) {
        if (text.startsWith("0x") || text.startsWith("0X")) {
            return times(hex(text.substring(2)), UNITS.indexOf(defaultUnit));
        }
        int end = text.length();
        int unit = UNITS.indexOf(defaultUnit);
        if (end > 0) {
            int named = UNITS.indexOf(Character.toUpperCase(text.charAt(end - 1)));
            if (named >= 0) {
                unit = named;
                end--;
            }
        }
        boolean fraction = false;
        for (int i = 0; i < end; i++) {
            char c = text.charAt(i);
            if (c == '.' && i > 0 && !fraction) {
                fraction = true;
            } else if (c < '0' || c > '9') {
                return -1;
            }
        }
        if (end == 0 || end > 40) {
            return -1;
        }
        if (!fraction && end <= 18) {
            return times(Long.parseLong(text, 0, end, 10), unit);
        }
        BigDecimal bytes = new BigDecimal(text.substring(0, end)).multiply(BigDecimal.valueOf(1L << (10 * unit)));
        return bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) > 0 ? -1 : bytes.longValue();
    }

    private static long hex(String digits) {
        long value = 0;
        for (int i = 0; i < digits.length(); i++) {
            int digit = Character.digit(digits.charAt(i), 16);
            if (digit < 0 || value >= 1L << 59) {
                return -1;
            }
            value = value << 4 | digit;
        }
        return digits.isEmpty() ? -1 : value;
    }

    private static long times(long value, int unit) {
        return value < 0 || value > Long.MAX_VALUE >> (10 * unit) ? -1 : value << (10 * unit);
    }

    /** A size for people, exact: {@code 256 MiB}, {@code 4097 bytes}. */
    public static String text(long bytes) {
        int unit = 0;
        while (unit < 4 && bytes != 0 && (bytes & 1023) == 0) {
            bytes >>= 10;
            unit++;
        }
        return bytes + (unit == 0 ? " bytes" : " " + UNITS.charAt(unit) + "iB");
    }
}
