package dev.holdover.handover;

import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import java.util.ArrayList;
import java.util.List;

/**
 * A descriptor that is handed over, and what it is.
 *
 * @param role what it is for
 * @param text its path or name, may be empty; at most 4096 bytes of UTF-8
 */
public record Part(Role role, String text, Fd fd) {
    /** Takes the first descriptor of that role out of a list; null if there is none. */
    public static Fd take(List<Part> parts, Role role) {
        return take(parts, role, null);
    }

    /** Takes the first of that role and, unless that is null, text; null if there is none. */
    public static Fd take(List<Part> parts, Role role, String text) {
        for (int i = 0; i < parts.size(); i++) {
            Part part = parts.get(i);
            if (part.role() == role && (text == null || part.text().equals(text))) {
                return parts.remove(i).fd();
            }
        }
        return null;
    }

    /** Takes all descriptors of that role, in their order. */
    public static List<Fd> takeAll(List<Part> parts, Role role) {
        List<Fd> taken = new ArrayList<>();
        for (Fd fd = take(parts, role); fd != null; fd = take(parts, role)) {
            taken.add(fd);
        }
        return taken;
    }

    /** As {@link #take}; VmmException if there is none. */
    public static Fd require(List<Part> parts, Role role) {
        Fd fd = take(parts, role);
        if (fd == null) {
            throw new VmmException("what is handed over lacks a descriptor: " + role);
        }
        return fd;
    }

    /** The text of the first part of that role, empty if there is none. */
    public static String text(List<Part> parts, Role role) {
        for (int i = 0; i < parts.size(); i++) {
            if (parts.get(i).role() == role) {
                return parts.get(i).text();
            }
        }
        return "";
    }

    /** Closes all descriptors that nobody took. */
    public static void closeAll(List<Part> parts) {
        for (int i = 0; i < parts.size(); i++) {
            parts.get(i).fd().close();
        }
        parts.clear();
    }

    /** What a descriptor is for. */
    public enum Role {
        STATE(1),
        OWNER(2),
        RAM(3),
        DISK(4),
        TAP(5),
        SERIAL_INPUT(6),
        SERIAL_OUTPUT(7),
        SERIAL_TERMINAL(8),
        SERIAL_LISTENER(9),
        SERIAL_CLIENT(10),
        CONSOLE_INPUT(11),
        CONSOLE_OUTPUT(12),
        CONSOLE_TERMINAL(13),
        CONTROL_LISTENER(14),
        IOMMUFD(15),
        VFIO_DEVICE(16),
        VFIO_INTERRUPT(17);

        private final int code;

        Role(int code) {
            this.code = code;
        }

        int code() {
            return code;
        }

        /** The role of that number, null if there is none. */
        static Role of(int code) {
            for (Role role : values()) {
                if (role.code == code) {
                    return role;
                }
            }
            return null;
        }
    }
}
