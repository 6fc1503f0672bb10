package dev.holdover.virtio;

import dev.holdover.linux.UsageException;
import java.util.List;
import java.util.Map;

/**
 * A disk as the user asks for it.
 *
 * @param path a raw image file or a block device
 * @param readOnly whether the guest may only read
 * @param format whether an image of another format is refused
 * @param locking whether the file is locked
 */
public record DiskConfig(String path, boolean readOnly, Format format, Locking locking) {
    public static final String SYNTAX = "path=FILE[,readonly=on|off][,format=raw][,locking=on|off|auto]";

    /** What the guest gets of a file is its bytes, whatever they are; what may be wrong with that is looked for, or not. */
    public enum Format {
        /** A file that begins as an image of another format does is refused. */
        PROBED,
        /** The user says that the guest is to have the bytes as they are, or the guest has written them itself. */
        RAW
    }

    /** Locks as QEMU's option of that name asks for them: by one VMM that writes or by several that read. */
    public enum Locking {
        ON,
        OFF,
        /** A file system that has no locks is used without, with a warning. */
        AUTO
    }

    /** As without any options but these. */
    public DiskConfig(String path, boolean readOnly) {
        this(path, readOnly, Format.PROBED, Locking.AUTO);
    }

    /** The disk of a saved guest, which may have written anything to it. */
    public static DiskConfig raw(String path, boolean readOnly) {
        return new DiskConfig(path, readOnly, Format.RAW, Locking.AUTO);
    }

    /** Parses {@link #SYNTAX}; UsageException if it is something else. */
    public static DiskConfig parse(String text) {
        Map<String, String> values =
                DeviceOption.parse("--disk", text, List.of("path", "readonly", "format", "locking"));
        String path = values.get("path");
        if (path == null) {
            throw new UsageException("--disk " + text + ": no path; write --disk " + SYNTAX);
        }
        String readOnly = values.getOrDefault("readonly", "off");
        if (!readOnly.equals("on") && !readOnly.equals("off")) {
            throw new UsageException("--disk " + text + ": readonly is on or off, not '" + readOnly + "'");
        }
        String format = values.get("format");
        if (format != null && !format.equals("raw")) {
            throw new UsageException("--disk " + text + ": format is raw, not '" + format
                    + "'; other images have to be converted, say with: qemu-img convert -O raw " + path + " disk.img");
        }
        return new DiskConfig(
                path, readOnly.equals("on"), format == null ? Format.PROBED : Format.RAW, locking(text, values));
    }

    private static Locking locking(String text, Map<String, String> values) {
        String locking = values.getOrDefault("locking", "auto");
        return switch (locking) {
            case "on" -> Locking.ON;
            case "off" -> Locking.OFF;
            case "auto" -> Locking.AUTO;
            default ->
                throw new UsageException("--disk " + text + ": locking is on, off or auto, not '" + locking + "'");
        };
    }
}
