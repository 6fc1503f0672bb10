package dev.holdover.liveupdate;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Kexec;
import dev.holdover.linux.VmmException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Loads the kernel of the next generation. */
public final class NextKernel {
    /** Without these it would leave what is preserved unread, and guests would be lost. */
    private static final String[] NEEDED = {"kho=on", "liveupdate=on"};

    private NextKernel() {}

    /** The command line of the kernel that runs. */
    public static String runningCommandLine() {
        try {
            return Files.readString(Path.of("/proc/cmdline")).strip();
        } catch (IOException e) {
            throw new VmmException("cannot read /proc/cmdline: " + e, e);
        }
    }

    /**
     * Loads a kernel in place of one loaded before: kexec_file_load(2). Needs CAP_SYS_BOOT.
     *
     * @param initrd its initramfs; null for none
     * @throws VmmException if that is not possible, or the command line would lose all guests
     */
    public static void load(String kernel, String initrd, String commandLine) {
        check(commandLine);
        try (Fd kernelFile = open("kernel", kernel);
                Fd initrdFile = initrd == null ? null : open("initrd", initrd)) {
            long result = Kexec.tryLoad(kernelFile, initrdFile, commandLine);
            if (result < 0) {
                Errno errno = Errno.of(-result);
                throw new VmmException("cannot load kernel " + kernel + ", " + errno.name() + " (" + errno.text()
                        + "): " + why(errno));
            }
        }
    }

    /**
     * Whether a kernel with this command line takes part in live updates; it takes the last of several values.
     *
     * @throws VmmException if it does not
     */
    public static void check(String commandLine) {
        List<String> words = Arrays.asList(commandLine.strip().split("\\s+"));
        for (String needed : NEEDED) {
            String key = needed.substring(0, needed.indexOf('=') + 1);
            String last = null;
            for (String word : words) {
                if (word.equals("--")) {
                    break; // the rest is init's
                }
                if (word.startsWith(key)) {
                    last = word;
                }
            }
            if (!needed.equals(last)) {
                throw new VmmException("the next kernel's command line "
                        + (last == null ? "lacks " + needed : "has " + last + " where it needs " + needed)
                        + ": such a kernel loses every guest; add 'kho=on liveupdate=on'");
            }
        }
    }

    private static Fd open(String what, String path) {
        try {
            return Fd.open(path, Fd.O_RDONLY);
        } catch (ErrnoException e) {
            throw new VmmException(
                    "cannot open " + what + " " + path + ", " + e.errno().name() + " ("
                            + e.errno().text() + ")",
                    e);
        }
    }

    private static String why(Errno errno) {
        return switch (errno) {
            case EPERM -> "it takes root (CAP_SYS_BOOT), and kernel.kexec_load_disabled must be 0";
            case ENOEXEC -> "it is no bzImage, or one without CONFIG_RELOCATABLE";
            case ENOSYS -> "this kernel has no CONFIG_KEXEC_FILE";
            case EKEYREJECTED, ENOKEY, EBADMSG -> "this kernel takes only one with a signature that it trusts";
            case EINVAL -> "the file or the command line is none that it takes; a command line has up to 2047 bytes";
            case EBUSY -> "another process loads one at this moment";
            case ENOMEM -> "the host is out of memory";
            default -> "dmesg may tell more";
        };
    }
}
