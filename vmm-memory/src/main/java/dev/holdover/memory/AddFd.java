package dev.holdover.memory;

import dev.holdover.linux.UsageException;
import java.util.List;

/**
 * The argument of {@code --add-fd fd=N,set=ID[,opaque=TEXT]}, read but not yet judged: {@link FdSets#add(AddFd)} does.
 *
 * @param argument as the user wrote it
 * @param fd -1 if it is missing
 * @param set -1 if it is missing
 * @param opaque what the user wants to be told again by query-fdsets; null if none
 */
public record AddFd(String argument, long fd, long set, String opaque) {
    /** Reads the argument. A key that is not known or a number that is none throws {@link UsageException}. */
    public static AddFd parse(String argument) {
        long fd = -1;
        long set = -1;
        String opaque = null;
        List<KeyValue> parts = KeyValue.parse(argument);
        for (int i = 0; i < parts.size(); i++) {
            String key = parts.get(i).key();
            String value = parts.get(i).value();
            for (int j = 0; j < i; j++) {
                if (parts.get(j).key().equals(key)) {
                    throw refused(argument, "Parameter '" + key + "' is given twice");
                }
            }
            if (key.equals("fd")) {
                fd = number(argument, key, value);
            } else if (key.equals("set")) {
                set = number(argument, key, value);
            } else if (key.equals("opaque")) {
                opaque = value;
            } else {
                throw refused(argument, "Invalid parameter '" + key + "'");
            }
        }
        return new AddFd(argument, fd, set, opaque);
    }

    /** A number as strtoull(3) reads it in base 0: decimal, 0x hexadecimal, 0 octal, negative ones wrapped. */
    private static long number(String argument, String key, String value) {
        if (value != null) {
            boolean negative = value.startsWith("-");
            String digits = negative || value.startsWith("+") ? value.substring(1) : value;
            int radix = 10;
            if (digits.startsWith("0x") || digits.startsWith("0X")) {
                radix = 16;
                digits = digits.substring(2);
            } else if (digits.startsWith("0") && digits.length() > 1) {
                radix = 8;
            }
            if (!digits.startsWith("+") && !digits.startsWith("-")) {
                try {
                    long number = Long.parseUnsignedLong(digits, radix);
                    return negative ? -number : number;
                } catch (NumberFormatException e) {
                    // refused below, by the name of its key
                }
            }
        }
        throw refused(argument, "Parameter '" + key + "' expects a number");
    }

    UsageException refused(String text) {
        return refused(argument, text);
    }

    private static UsageException refused(String argument, String text) {
        return new UsageException("--add-fd " + argument + ": " + text);
    }
}
