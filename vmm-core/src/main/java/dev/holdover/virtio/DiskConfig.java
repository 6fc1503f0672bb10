package dev.holdover.virtio;

import dev.holdover.linux.UsageException;
import java.util.List;
import java.util.Map;

/**
 * A disk as the user asks for it.
 *
 * @param path a raw image file or a block device
 * @param readOnly whether the guest may only read
 */
public record DiskConfig(String path, boolean readOnly) {
    public static final String SYNTAX = "path=FILE[,readonly=on|off]";

    /** Parses {@link #SYNTAX}; UsageException if it is something else. */
    public static DiskConfig parse(String text) {
        Map<String, String> values = DeviceOption.parse("--disk", text, List.of("path", "readonly"));
        String path = values.get("path");
        if (path == null) {
            throw new UsageException("--disk " + text + ": no path; write --disk " + SYNTAX);
        }
        String readOnly = values.getOrDefault("readonly", "off");
        if (!readOnly.equals("on") && !readOnly.equals("off")) {
            throw new UsageException("--disk " + text + ": readonly is on or off, not '" + readOnly + "'");
        }
        return new DiskConfig(path, readOnly.equals("on"));
    }
}
