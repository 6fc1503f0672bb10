package dev.holdover.machine;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.machine.Finding.Grade;
import dev.holdover.memory.RamIdentity;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Looks at what the age of this host's kernel costs, and how guest RAM in a file of /dev/shm is marked. */
final class KernelCheck {
    private static final Pattern RELEASE = Pattern.compile("(\\d+)\\.(\\d+).*", Pattern.DOTALL);

    /** What a kernel has from a release on, and what of the VMM fails without. */
    private record Since(int major, int minor, String lost) {
        boolean isLater(int than, int thanMinor) {
            return major > than || (major == than && minor > thanMinor);
        }
    }

    private static final List<Since> LOST = List.of(
            new Since(5, 14, "--ram prefault=on and --live-update, which populate RAM"),
            new Since(5, 16, "a guest clock that counts the time of a hand-over or a live update"),
            new Since(5, 17, "AMX in guests"),
            new Since(6, 6, "--vfio"),
            new Since(6, 13, "--vfio with shared RAM, the default"),
            new Since(6, 19, "guests that outlive a kexec by the kernel's live update"));

    private final Path root;
    private final Path shm;
    private final List<Finding> findings = new ArrayList<>();

    /** Of this host. */
    KernelCheck() {
        this(Path.of("/"), Path.of("/dev/shm"));
    }

    /**
     * @param root below which proc is
     * @param shm where a file without a name is made, as guest RAM may lie there
     */
    KernelCheck(Path root, Path shm) {
        this.root = root;
        this.shm = shm;
    }

    /** All findings. None keeps guests from running. */
    List<Finding> run() {
        checkRelease();
        checkMarks();
        return findings;
    }

    private void checkRelease() {
        String release;
        try {
            release =
                    Files.readString(root.resolve("proc/sys/kernel/osrelease")).strip();
        } catch (IOException e) {
            add(
                    "kernel",
                    Grade.LIMITED,
                    "its release is unknown: /proc/sys/kernel/osrelease cannot be read",
                    "mount /proc");
            return;
        }
        Matcher numbers = RELEASE.matcher(release);
        if (!numbers.matches()) {
            add("kernel", Grade.LIMITED, release + ": not the name of a release that can be compared", "");
            return;
        }
        int major = Integer.parseInt(numbers.group(1));
        int minor = Integer.parseInt(numbers.group(2));
        StringBuilder lost = new StringBuilder();
        for (Since since : LOST) {
            if (since.isLater(major, minor)) {
                lost.append(lost.isEmpty() ? "" : "; ")
                        .append(since.lost())
                        .append(" (from ")
                        .append(since.major())
                        .append('.')
                        .append(since.minor())
                        .append(" on)");
            }
        }
        if (lost.isEmpty()) {
            add("kernel", Grade.OK, "Linux " + release + ": new enough for all that the VMM can do", "");
        } else {
            add(
                    "kernel",
                    Grade.LIMITED,
                    "Linux " + release + " is too old for: " + lost,
                    "nothing to do unless you need one of these: all else works");
        }
    }

    private void checkMarks() {
        try (Fd file = Fd.open(shm.toString(), Fd.O_RDWR | Fd.O_TMPFILE, 0600);
                Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(1);
            long result = file.trySetAttribute(RamIdentity.ATTRIBUTE, value);
            if (result == 0) {
                add("RAM in files", Grade.OK, shm + " keeps user attributes: RAM there is marked by one", "");
            } else if (Errno.EOPNOTSUPP.is(result)) {
                add(
                        "RAM in files",
                        Grade.OK,
                        shm + " keeps no user attributes (tmpfs does from Linux 6.6 on): RAM there is marked by a page"
                                + " that the VMM appends to its file",
                        "");
            } else {
                unmarked(Errno.of(-result));
            }
        } catch (ErrnoException e) {
            unmarked(e.errno());
        }
    }

    private void unmarked(Errno errno) {
        add(
                "RAM in files",
                Grade.LIMITED,
                "a file in " + shm + " cannot be made and marked, " + errno.name() + " (" + errno.text()
                        + "): no guest RAM can be left there by a save",
                "mount a tmpfs there that you may write to, or use --ram mem-path= in another directory");
    }

    private void add(String subject, Grade grade, String text, String advice) {
        findings.add(new Finding(subject, grade, text, advice));
    }
}
