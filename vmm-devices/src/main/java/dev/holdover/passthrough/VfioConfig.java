package dev.holdover.passthrough;

import dev.holdover.linux.UsageException;

/**
 * A device of the host as the user asks for it.
 *
 * @param host its PCI address, or its path /dev/vfio/devices/vfioN
 * @param resetOnKexec whether a live update whose kernel cannot keep the device resets it, instead of being refused
 */
public record VfioConfig(String host, boolean resetOnKexec) {
    public static final String SYNTAX = "BDF|/dev/vfio/devices/vfioN[,on-kexec=refuse|reset]";

    private static final String ON_KEXEC = "on-kexec=";

    /** Parses {@link #SYNTAX}; UsageException if it is something else. */
    public static VfioConfig parse(String text) {
        int comma = text.indexOf(',');
        String host = comma < 0 ? text : text.substring(0, comma);
        if (host.isEmpty()) {
            throw new UsageException("--vfio " + text + ": no device; write --vfio " + SYNTAX);
        }
        if (comma < 0) {
            return new VfioConfig(host, false);
        }
        String option = text.substring(comma + 1);
        boolean reset = option.equals(ON_KEXEC + "reset");
        if (!reset && !option.equals(ON_KEXEC + "refuse")) {
            throw new UsageException("--vfio " + text + ": '" + option + "' is unknown; write --vfio " + SYNTAX);
        }
        return new VfioConfig(host, reset);
    }

    /** As {@link #parse} reads it. */
    public String text() {
        return resetOnKexec ? host + "," + ON_KEXEC + "reset" : host;
    }
}
