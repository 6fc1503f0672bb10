package dev.holdover.memory;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.VmmException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The fdsets of a VMM: descriptors that the user handed over, by {@code --add-fd} or over the control socket, and that
 * options name as {@code /dev/fdset/ID}. Behaves as QEMU's; any thread.
 */
public final class FdSets implements AutoCloseable {
    private static final String PREFIX = "/dev/fdset/";

    private final int[] inherited;
    private final TreeMap<Long, List<Member>> sets = new TreeMap<>();
    private final List<Integer> originals = new ArrayList<>();

    private record Member(Fd fd, String opaque) {}

    /** No sets yet; --add-fd may name these descriptors, which were open before the JVM was, and no others. */
    public FdSets(int... inherited) {
        this.inherited = inherited.clone();
    }

    /** As the constructor, from the launcher's list of descriptors: "9,100" say; null or empty if there are none. */
    public static FdSets ofInherited(String list) {
        if (list == null || list.isEmpty()) {
            return new FdSets();
        }
        String[] numbers = list.split(",", -1);
        int[] inherited = new int[numbers.length];
        for (int i = 0; i < numbers.length; i++) {
            inherited[i] = Integer.parseInt(numbers[i]);
        }
        return new FdSets(inherited);
    }

    /**
     * Takes a duplicate of an inherited descriptor into a set, as an --add-fd option says.
     *
     * <p>That it is open and not CLOEXEC, QEMU's test for "inherited", is not enough: the JVM's own descriptors of its
     * class library and jar are so, too. What is wrong with the option throws {@link
     * dev.holdover.linux.UsageException}, in QEMU's words and order.
     */
    public synchronized void add(AddFd option) {
        if (option.fd() < 0) {
            throw option.refused("fd option is required and must be non-negative");
        }
        if (option.fd() <= 2) {
            throw option.refused("fd cannot be a standard I/O stream");
        }
        if (!isInherited(option.fd()) || !Fd.isOpenAcrossExec((int) option.fd())) {
            throw option.refused(
                    "fd is not valid or already in use; have the shell pass it: ./vmm ... " + option.fd() + "<>FILE");
        }
        if (option.set() < 0) {
            throw option.refused("set option is required and must be non-negative");
        }
        int original = (int) option.fd();
        Fd fd;
        try {
            fd = Fd.dupOf(original, "fd " + original + " of fdset " + option.set());
        } catch (ErrnoException e) {
            throw option.refused("error duplicating fd: " + e.errno().text());
        }
        add(option.set(), fd, option.opaque());
        if (!originals.contains(original)) {
            originals.add(original);
        }
    }

    private boolean isInherited(long fd) {
        for (int number : inherited) {
            if (number == fd) {
                return true;
            }
        }
        return false;
    }

    /** Closes the descriptors that --add-fd options named, once all are read: the sets hold duplicates. */
    public synchronized void closeOriginals() {
        for (int i = 0; i < originals.size(); i++) {
            Fd.adopt(originals.get(i), "inherited fd").close();
        }
        originals.clear();
    }

    /** Takes over a descriptor into a set, which is made if it is not there; returns the descriptor's number. */
    public synchronized int add(long set, Fd fd, String opaque) {
        List<Member> members = sets.get(set);
        if (members == null) {
            members = new ArrayList<>();
            sets.put(set, members);
        }
        members.add(new Member(fd, opaque));
        return fd.number();
    }

    /** Takes over a descriptor into a new set, the lowest that is free; returns the set's id. */
    public synchronized long addToNewSet(Fd fd, String opaque) {
        long id = 0;
        while (sets.containsKey(id)) {
            id++;
        }
        add(id, fd, opaque);
        return id;
    }

    /** Removes a set. What was opened from it stays open. False if there is none. */
    public synchronized boolean remove(long set) {
        List<Member> members = sets.remove(set);
        if (members == null) {
            return false;
        }
        close(members);
        return true;
    }

    /** Removes a descriptor from a set, and the set with its last. False if there is no such set or descriptor. */
    public synchronized boolean remove(long set, int fd) {
        List<Member> members = sets.get(set);
        if (members == null) {
            return false;
        }
        for (Iterator<Member> i = members.iterator(); i.hasNext(); ) {
            Fd member = i.next().fd();
            if (member.number() == fd) {
                member.close();
                i.remove();
                if (members.isEmpty()) {
                    sets.remove(set);
                }
                return true;
            }
        }
        return false;
    }

    /** A set and its descriptors, oldest first. */
    public record FdSet(long id, List<FdInfo> fds) {}

    /** A descriptor of a set: its number, and the text it was added with or null. */
    public record FdInfo(int fd, String opaque) {}

    /** All sets, the highest id first, as QEMU lists them. */
    public synchronized List<FdSet> query() {
        List<FdSet> all = new ArrayList<>();
        for (Map.Entry<Long, List<Member>> set : sets.descendingMap().entrySet()) {
            List<FdInfo> fds = new ArrayList<>();
            for (Member member : set.getValue()) {
                fds.add(new FdInfo(member.fd().number(), member.opaque()));
            }
            all.add(new FdSet(set.getKey(), fds));
        }
        return all;
    }

    /** Whether a path names an fdset. */
    public static boolean isFdSet(String path) {
        return path.startsWith(PREFIX);
    }

    /**
     * Opens {@code /dev/fdset/ID}: a duplicate of the set's newest descriptor that has exactly this access mode. It
     * shares offset, flags and locks with the user's. Nothing is ever created or truncated.
     *
     * @param accessMode O_RDONLY, O_WRONLY or O_RDWR
     * @throws VmmException EINVAL, ENOENT or EACCES, as a sentence that says what to pass instead
     */
    public synchronized Fd open(String path, int accessMode) {
        List<Member> members = sets.get(id(path));
        if (members == null) {
            throw failed(
                    "Failed to find fdset " + path,
                    Errno.ENOENT,
                    "did you forget to pass it with '--add-fd fd=<n>,set=<id>'?");
        }
        String modes = "";
        for (int i = members.size() - 1; i >= 0; i--) {
            Fd fd = members.get(i).fd();
            int mode = fd.statusFlags() & Fd.O_ACCMODE;
            if (mode == accessMode) {
                return Fd.dupOf(fd.number(), path);
            }
            if (!modes.contains(modeName(mode))) {
                modes += modes.isEmpty() ? modeName(mode) : " or " + modeName(mode);
            }
        }
        throw failed(
                "Failed to find file descriptor with matching flags=0x" + Integer.toHexString(accessMode) + " in "
                        + path,
                Errno.EACCES,
                "its descriptors are open " + modes + ", one that is open " + modeName(accessMode) + " is needed");
    }

    private static long id(String path) {
        String digits = path.substring(PREFIX.length());
        // Integer.parseInt takes signs, and digits of other scripts.
        boolean decimal = !digits.isEmpty() && digits.length() <= 10;
        for (int i = 0; i < digits.length(); i++) {
            decimal &= digits.charAt(i) >= '0' && digits.charAt(i) <= '9';
        }
        if (!decimal || Long.parseLong(digits) > Integer.MAX_VALUE) {
            throw failed("Could not parse fdset " + path, Errno.EINVAL, "a number from 0 to 2147483647 is expected");
        }
        return Long.parseLong(digits);
    }

    private static VmmException failed(String what, Errno errno, String advice) {
        return new VmmException(what + ": " + errno.name() + " (" + errno.text() + "); " + advice);
    }

    private static String modeName(int accessMode) {
        return switch (accessMode) {
            case Fd.O_RDONLY -> "read-only";
            case Fd.O_WRONLY -> "write-only";
            default -> "read-write";
        };
    }

    /** Closes every descriptor of every set; what was opened from them stays open. */
    @Override
    public synchronized void close() {
        for (List<Member> members : sets.values()) {
            close(members);
        }
        sets.clear();
    }

    private static void close(List<Member> members) {
        for (Member member : members) {
            member.fd().close();
        }
    }
}
