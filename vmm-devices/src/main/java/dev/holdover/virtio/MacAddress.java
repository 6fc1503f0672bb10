package dev.holdover.virtio;

import dev.holdover.linux.UsageException;
import java.nio.charset.StandardCharsets;

/**
 * An Ethernet address.
 *
 * @param bits its 48 bits, the first octet on top
 */
public record MacAddress(long bits) {
    private static final int OCTETS = 6;

    /** Parses {@code 52:54:00:12:34:56}; UsageException if it is not that, or no single device's address. */
    public static MacAddress parse(String text) {
        String[] octets = text.split(":", -1);
        long bits = 0;
        boolean good = octets.length == OCTETS;
        for (int i = 0; good && i < OCTETS; i++) {
            good = octets[i].length() == 2
                    && Character.digit(octets[i].charAt(0), 16) >= 0
                    && Character.digit(octets[i].charAt(1), 16) >= 0;
            if (good) {
                bits = (bits << 8) | Integer.parseInt(octets[i], 16);
            }
        }
        if (!good) {
            throw new UsageException("'" + text + "' is no MAC address; write six octets like 52:54:00:12:34:56");
        }
        if (bits == 0 || (bits >>> 40 & 1) != 0) {
            throw new UsageException(
                    "MAC address " + text + " is no single device's;" + " the first octet is even, and not all are 00");
        }
        return new MacAddress(bits);
    }

    /** An address of its own for a name, locally administered, always the same: FNV-1a of the name. */
    static MacAddress derivedFrom(String name) {
        long hash = 0xcbf29ce484222325L;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ (b & 0xff)) * 0x100000001b3L;
        }
        long folded = (hash ^ (hash >>> 40)) & 0xffffffffffL;
        return new MacAddress(0x020000000000L | folded);
    }

    byte octet(int i) {
        return (byte) (bits >>> (8 * (OCTETS - 1 - i)));
    }
}
