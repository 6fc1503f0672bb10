import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Kexec;

/**
 * A reboot into another kernel that knows nothing of live update, for the lab's scenarios: what kexec-tools do, which need
 * a kernel with the older kexec_load(2) there.
 *
 * <pre>
 * load KERNEL COMMAND-LINE   kexec_file_load(2)
 * reboot                     sync(2), reboot(2)
 * crash                      reboot(2) alone: what was not written out is lost, as after a panic
 * </pre>
 */
final class PlainKexec {
    public static void main(String[] args) {
        switch (args[0]) {
            case "load" -> {
                try (Fd kernel = Fd.open(args[1], Fd.O_RDONLY)) {
                    ErrnoException.check("kexec_file_load", Kexec.tryLoad(kernel, null, args[2]));
                }
            }
            case "reboot" -> {
                Kexec.sync();
                reboot();
            }
            case "crash" -> reboot();
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private static void reboot() {
        throw new IllegalStateException("reboot: " + Errno.of(-Kexec.tryReboot()));
    }
}
