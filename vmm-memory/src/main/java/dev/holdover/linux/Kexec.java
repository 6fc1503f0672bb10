package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The next kernel: kexec_file_load(2), and reboot(2) into it. Both need CAP_SYS_BOOT. */
public final class Kexec {
    private static final int KEXEC_FILE_NO_INITRAMFS = 0x4;
    private static final long LINUX_REBOOT_MAGIC1 = 0xfee1deadL;
    private static final long LINUX_REBOOT_MAGIC2 = 672274793;
    private static final long LINUX_REBOOT_CMD_KEXEC = 0x45584543;

    private Kexec() {}

    /**
     * Loads the kernel that {@link #tryReboot} will start, in place of one loaded before. Blocks while it is read.
     *
     * @param initrd may be null
     * @return 0 or {@code -errno}: ENOEXEC if the file is no kernel that can be loaded, or not a relocatable one; EPERM
     *     without CAP_SYS_BOOT, in a container, or with kernel.kexec_load_disabled; EKEYREJECTED if it has to be signed
     */
    public static long tryLoad(Fd kernel, Fd initrd, String commandLine) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = Fd.cString(arena, commandLine);
            int initrdNumber = initrd == null ? -1 : initrd.number();
            int flags = initrd == null ? KEXEC_FILE_NO_INITRAMFS : 0;
            return Syscall.call(
                    Syscall.KEXEC_FILE_LOAD, kernel.number(), initrdNumber, text.byteSize(), text.address(), flags, 0);
        }
    }

    /** Writes back all file systems: sync(2). Blocks as long as that takes. */
    public static void sync() {
        Syscall.call(Syscall.SYNC);
    }

    /**
     * Ends this kernel at once, without a word to any process, and starts the one loaded. Returns only if that was not
     * possible, with {@code -errno}: EINVAL if none is loaded, EPERM without CAP_SYS_BOOT in the first pid namespace.
     */
    public static long tryReboot() {
        return Syscall.call(Syscall.REBOOT, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC);
    }
}
