package dev.holdover.virtio;

import dev.holdover.linux.UsageException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * A network device as the user asks for it.
 *
 * @param tap the host's tap interface, which is made if it does not exist
 * @param mac the guest's address
 */
public record NetConfig(String tap, MacAddress mac) {
    public static final String SYNTAX = "tap=NAME[,mac=52:54:00:12:34:56]";

    /** Parses {@link #SYNTAX}; UsageException if it is something else. Without a MAC, one is derived from the name. */
    public static NetConfig parse(String text) {
        Map<String, String> values = DeviceOption.parse("--net", text, List.of("tap", "mac"));
        String tap = values.get("tap");
        if (tap == null) {
            throw new UsageException("--net " + text + ": no tap; write --net " + SYNTAX);
        }
        if (!isInterfaceName(tap)) {
            throw new UsageException("--net " + text + ": '" + tap + "' is no interface name;"
                    + " that has 1 to 15 bytes, no space, '/', ':' or '%'");
        }
        String mac = values.get("mac");
        return new NetConfig(tap, mac == null ? MacAddress.derivedFrom(tap) : mac(text, mac));
    }

    private static MacAddress mac(String text, String mac) {
        try {
            return MacAddress.parse(mac);
        } catch (UsageException e) {
            throw new UsageException("--net " + text + ": " + e.getMessage());
        }
    }

    /** As the kernel's dev_valid_name; and no '%', which would have the kernel choose a number. */
    private static boolean isInterfaceName(String name) {
        if (name.getBytes(StandardCharsets.UTF_8).length >= TapIoctl.NAME_SIZE
                || name.equals(".")
                || name.equals("..")) {
            return false;
        }
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            if (c <= ' ' || c == '/' || c == ':' || c == '%') {
                return false;
            }
        }
        return true;
    }
}
