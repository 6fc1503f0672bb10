package dev.holdover.handover;

/**
 * The numbers by which the names of handed-over descriptors go in messages. Other versions read them: a name is only ever
 * added at the end.
 */
final class FdCode {
    /** In the order of their codes, of which the first is 1. */
    private static final String[] NAMES = {
        "state", // 1
        "owner", // 2
        "ram", // 3
        "disk", // 4
        "tap", // 5
        "serial-input", // 6
        "serial-output", // 7
        "serial-terminal", // 8
        "serial-listener", // 9
        "serial-client", // 10
        "console-input", // 11
        "console-output", // 12
        "console-terminal", // 13
        "control-listener", // 14
        "iommufd", // 15
        "vfio-device", // 16
        "vfio-interrupt", // 17
    };

    private FdCode() {}

    /** 0 if no message can carry a descriptor of that name. */
    static int of(String name) {
        for (int i = 0; i < NAMES.length; i++) {
            if (NAMES[i].equals(name)) {
                return i + 1;
            }
        }
        return 0;
    }

    /** Null if there is no such code. */
    static String name(int code) {
        return code < 1 || code > NAMES.length ? null : NAMES[code - 1];
    }
}
