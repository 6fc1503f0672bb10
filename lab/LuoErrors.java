import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Kexec;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.UnixSocket;
import dev.holdover.liveupdate.LiveUpdateDevice;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.SessionException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Reads the kernel's answers to every misuse of live update, through the classes that the VMM uses: lab/scenarios/luo-errors. */
final class LuoErrors {
    private static int failed;
    /** What must live until the kexec. */
    private static final List<Object> KEEP = new ArrayList<>();

    private interface Call {
        void run() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("outgoing")) {
            outgoing();
        } else {
            incoming();
        }
        System.exit(failed == 0 ? 0 : 1);
    }

    private static void answers(String what, Errno expected, Call call) throws Exception {
        Errno got = null;
        try {
            call.run();
        } catch (SessionException e) {
            got = e.errno();
        } catch (ErrnoException e) {
            got = e.errno();
        }
        report(what + ": " + (expected == null ? "works" : expected), got == expected, String.valueOf(got));
    }

    private static void answers(String what, Errno expected, long result) throws Exception {
        answers(what, expected, () -> ErrnoException.check(what, result));
    }

    private static void report(String what, boolean right, String got) {
        System.out.println((right ? "ok: " : "FAIL: ") + what + (right ? "" : ", not " + got));
        failed += right ? 0 : 1;
    }

    /** An ioctl with any bytes: its struct's size as said, the rest as given. */
    private static long raw(Fd fd, long request, int bytes, int saidSize, int last, String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(256, 8);
            struct.set(ValueLayout.JAVA_INT, 0, saidSize);
            for (int i = 0; i < name.length(); i++) {
                struct.set(ValueLayout.JAVA_BYTE, 8 + i, (byte) name.charAt(i));
            }
            if (last != 0) {
                struct.set(ValueLayout.JAVA_BYTE, bytes - 1, (byte) last);
            }
            long result = fd.tryIoctl(request, struct.address());
            if (result >= 0 && request == 0xBA00) {
                Fd.adopt(struct.get(ValueLayout.JAVA_INT, 4), "session").close();
            }
            return result;
        }
    }

    private static void outgoing() throws Exception {
        LiveUpdateDevice device = LiveUpdateDevice.open();
        answers("a second open of the device", Errno.EBUSY, () -> LiveUpdateDevice.open().close());
        device.close();
        try (Fd fd = Fd.open(LiveUpdateDevice.PATH, Fd.O_RDWR)) {
            answers("an unknown ioctl of the device", Errno.EINVAL, raw(fd, 0xBA02, 72, 72, 0, "x"));
            answers("CREATE_SESSION encoded with a size", Errno.ENOTTY, raw(fd, 0xC048BA00L, 72, 72, 0, "x"));
            answers("a struct said to be too small", Errno.EINVAL, raw(fd, 0xBA00, 72, 71, 0, "x"));
            answers("a bigger struct whose rest is zero", null, raw(fd, 0xBA00, 80, 80, 0, "x"));
            answers("a bigger struct whose rest is not", Errno.E2BIG, raw(fd, 0xBA00, 80, 80, 1, "x"));
            answers("an empty name", Errno.EINVAL, raw(fd, 0xBA00, 72, 72, 0, ""));
            answers("a name of 64 bytes", Errno.EINVAL, raw(fd, 0xBA00, 72, 72, 0, "x".repeat(64)));
            answers("a name of 63 bytes", null, raw(fd, 0xBA00, 72, 72, 0, "x".repeat(63)));
            answers("a name with any bytes", null, raw(fd, 0xBA00, 72, 72, 0, "a/b c:\n"));
            answers("a session's ioctl on the device", Errno.EINVAL, raw(fd, 0xBA43, 72, 72, 0, ""));
        }
        device = LiveUpdateDevice.open();
        Session a = device.create("in-a");
        Session b = device.create("in-b");
        LiveUpdateDevice open = device;
        answers("CREATE_SESSION of a name in use", Errno.EEXIST, () -> open.create("in-a"));
        answers("RETRIEVE_SESSION of an outgoing one", Errno.ENOENT, () -> open.retrieve("in-a"));
        device.close();
        report("a session's name", Session.of(a.fd().dup()).name().equals("in-a"), a.name());
        Path link = Path.of("/proc/self/fd/" + a.fd().number());
        report(
                "a session's link",
                Files.readSymbolicLink(link).toString().equals("anon_inode:[luo_session] in-a"),
                Files.readSymbolicLink(link).toString());
        answers("the device's ioctl on a session", Errno.EINVAL, raw(a.fd(), 0xBA00, 72, 72, 0, "x"));
        answers("an unknown ioctl of a session", Errno.EINVAL, raw(a.fd(), 0xBA44, 72, 72, 0, ""));
        answers("RETRIEVE_FD of an outgoing session", Errno.EINVAL, () -> a.retrieve(0));
        answers("FINISH of an outgoing session", Errno.EINVAL, a::finish);

        Fd memfd = Memfd.create("one", 8192);
        a.preserve(memfd, 0);
        answers("a token a second time", Errno.EEXIST, () -> a.preserve(Memfd.create("two", 4096), 0));
        answers("a file a second time", Errno.EBUSY, () -> a.preserve(memfd, 1));
        answers("its dup", Errno.EBUSY, () -> a.preserve(memfd.dup(), 1));
        answers("it in another session", Errno.EBUSY, () -> b.preserve(memfd, 1));
        answers("/dev/null", Errno.ENOENT, () -> a.preserve(Fd.open("/dev/null", Fd.O_RDWR), 2));
        answers("/dev/kvm", Errno.ENOENT, () -> a.preserve(Fd.open("/dev/kvm", Fd.O_RDWR), 2));
        answers("/dev/iommu", Errno.ENOENT, () -> a.preserve(Fd.open("/dev/iommu", Fd.O_RDWR), 2));
        answers("an eventfd", Errno.ENOENT, () -> a.preserve(new EventFd().fd(), 2));
        answers("a socket", Errno.ENOENT, () -> a.preserve(UnixSocket.pair(UnixSocket.Kind.STREAM)[0].fd(), 2));
        answers("a session", Errno.ENOENT, () -> a.preserve(b.fd(), 2));
        answers("a linked file on tmpfs", Errno.ENOENT, () -> {
            Path file = Files.createFile(Path.of("/dev/shm/linked"));
            a.preserve(Fd.open(file.toString(), Fd.O_RDWR), 2);
        });
        answers("an O_TMPFILE on tmpfs", null, () -> {
            Fd file = Fd.open("/dev/shm", Fd.O_TMPFILE | Fd.O_RDWR, 0600);
            KEEP.add(file);
            a.preserve(file, 3);
        });
        answers("an empty memfd, token ~0", null, () -> a.preserve(Memfd.create("empty", 0), -1));
        answers("1 TiB", Errno.ENOMEM, () -> a.preserve(Memfd.create("big", 1L << 40), 4));
        answers("16 TiB and a page", Errno.EFBIG, () -> a.preserve(Memfd.create("bigger", (16L << 40) + 4096), 4));

        answers("a preserved file grows", Errno.EPERM, () -> memfd.truncate(16384));
        answers("a preserved file shrinks", Errno.EPERM, () -> memfd.truncate(4096));
        answers("a preserved file keeps its size", null, () -> memfd.truncate(8192));
        answers("a preserved file loses a page", Errno.EPERM, memfd.tryAllocate(3, 0, 4096));
        try (Mapping mapping = Mapping.shared(memfd, 0, 8192)) {
            mapping.segment().set(ValueLayout.JAVA_LONG, 0, 0x1234);
        }
        try (Fd other = Memfd.create("other", 4096)) {
            b.preserve(other, 7);
            b.close();
            answers("the file of a session that was closed", null, () -> other.truncate(8192));
        }
        try (LiveUpdateDevice again = LiveUpdateDevice.open()) {
            Session anew = again.create("in-b");
            anew.preserve(Memfd.create("lost", 1 << 20), 7);
            KEEP.add(anew);
        }
        if (failed > 0) {
            return;
        }
        System.out.println("ok: the session is held through the kexec");
        System.out.flush();
        Errno errno = Errno.of(-Kexec.tryReboot());
        report("reboot(2)", false, errno.name());
        KEEP.clear();
    }

    private static void incoming() throws Exception {
        LiveUpdateDevice device = LiveUpdateDevice.open();
        answers("RETRIEVE_SESSION of an unknown one", Errno.ENOENT, () -> device.retrieve("unknown"));
        Session a = device.retrieve("in-a");
        answers("RETRIEVE_SESSION of one that is open", Errno.EINVAL, () -> device.retrieve("in-a"));
        answers("CREATE_SESSION of an incoming one's name", null, () -> device.create("in-a").close());
        Session next = device.create("next");

        answers("PRESERVE_FD of an incoming session", Errno.EINVAL, () -> a.preserve(Memfd.create("x", 4096), 9));
        answers("RETRIEVE_FD of an unknown token", Errno.ENOENT, () -> a.retrieve(9));
        Fd memfd = a.retrieve(0);
        try (Fd twice = a.retrieve(0);
                Mapping mapping = Mapping.shared(twice, 0, 8192)) {
            report("a token twice is the same file", twice.stat().inode() == memfd.stat().inode(), "another");
            long stored = mapping.segment().get(ValueLayout.JAVA_LONG, 0);
            report("what was stored after PRESERVE is there", stored == 0x1234, Long.toHexString(stored));
        }
        answers("a retrieved file grows", null, () -> memfd.truncate(16384));
        answers("PRESERVE_FD of a retrieved file before FINISH", Errno.EBUSY, () -> next.preserve(memfd, 0));
        answers("FINISH with files not retrieved", null, a::finish);
        answers("FINISH again", null, a::finish);
        answers("RETRIEVE_FD after FINISH", Errno.ENOENT, () -> a.retrieve(0));
        answers("PRESERVE_FD after FINISH", Errno.EINVAL, () -> a.preserve(memfd, 0));
        answers("PRESERVE_FD of a retrieved file after FINISH", null, () -> next.preserve(memfd, 0));
        answers("RETRIEVE_SESSION of a finished one that is open", Errno.EINVAL, () -> device.retrieve("in-a"));
        a.close();
        answers("RETRIEVE_SESSION of a finished one that was closed", Errno.ENOENT, () -> device.retrieve("in-a"));

        Session b = device.retrieve("in-b");
        b.close();
        answers("RETRIEVE_SESSION of one closed without FINISH", Errno.ENOENT, () -> device.retrieve("in-b"));
        next.close();
        device.close();
    }
}
