package dev.holdover.linux;

import java.util.ArrayList;
import java.util.List;

/**
 * A file descriptor that is passed from one process to another, and what it is for.
 *
 * @param name what it is for; the class that lives on the descriptor defines the name
 * @param id which one of that name: a path or a place; may be empty; at most 4096 bytes of UTF-8
 */
public record NamedFd(String name, String id, Fd fd) {
    /** Takes the first descriptor of that name out of a list; null if there is none. */
    public static Fd take(List<NamedFd> fds, String name) {
        return take(fds, name, null);
    }

    /** Takes the first of that name and, unless that is null, id; null if there is none. */
    public static Fd take(List<NamedFd> fds, String name, String id) {
        for (int i = 0; i < fds.size(); i++) {
            NamedFd named = fds.get(i);
            if (named.name().equals(name) && (id == null || named.id().equals(id))) {
                return fds.remove(i).fd();
            }
        }
        return null;
    }

    /** Takes all descriptors of that name, in their order. */
    public static List<Fd> takeAll(List<NamedFd> fds, String name) {
        List<Fd> taken = new ArrayList<>();
        for (Fd fd = take(fds, name); fd != null; fd = take(fds, name)) {
            taken.add(fd);
        }
        return taken;
    }

    /** As {@link #take}; VmmException if there is none. */
    public static Fd require(List<NamedFd> fds, String name) {
        Fd fd = take(fds, name);
        if (fd == null) {
            throw new VmmException("what is handed over lacks a descriptor: " + name);
        }
        return fd;
    }

    /** The id of the first descriptor of that name, empty if there is none. */
    public static String id(List<NamedFd> fds, String name) {
        for (int i = 0; i < fds.size(); i++) {
            if (fds.get(i).name().equals(name)) {
                return fds.get(i).id();
            }
        }
        return "";
    }

    /** Closes all descriptors that nobody took. */
    public static void closeAll(List<NamedFd> fds) {
        for (int i = 0; i < fds.size(); i++) {
            fds.get(i).fd().close();
        }
        fds.clear();
    }
}
