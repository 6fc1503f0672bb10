package dev.holdover.luod;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Kexec;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.KernelSession;
import dev.holdover.liveupdate.LiveUpdateDevice;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.SessionException;
import dev.holdover.liveupdate.SessionName;
import dev.holdover.liveupdate.Tokens;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The kernel keeps them; /dev/liveupdate is open only for the moment of a call. */
final class KernelBackend implements Backend {
    private static final Path KEXEC_LOADED = Path.of("/sys/kernel/kexec_loaded");
    private static final int CAP_SYS_BOOT = 22;
    private static final int MAX_REGISTRY = 16 << 20;

    private record Kept(Session session) implements Holding {
        @Override
        public Fd lend(int uid) {
            return session.fd().dup();
        }

        @Override
        public boolean isFree() {
            return true; // before the kexec nobody asks, behind it no process of before is left
        }

        @Override
        public void close() {
            session.close();
        }
    }

    /** Tells at once if there is no live update here. */
    KernelBackend() {
        LiveUpdateDevice.open().close();
    }

    @Override
    public String name() {
        return "kernel";
    }

    @Override
    public Holding create(String session) {
        try (LiveUpdateDevice device = LiveUpdateDevice.open()) {
            return new Kept(device.create(session));
        }
    }

    @Override
    public Holding retrieve(String session) {
        try (LiveUpdateDevice device = LiveUpdateDevice.open()) {
            return new Kept(device.retrieve(session));
        }
    }

    @Override
    public Holding takeBack(String session, Fd given, int uid) {
        Session back = KernelSession.of(given, uid);
        if (!back.name().equals(session)) {
            back.close();
            throw new VmmException("what was given back is session " + back.name() + ", not " + session + ": close it");
        }
        return new Kept(back);
    }

    @Override
    public String whyNoTurn() {
        if (!hasCapability()) {
            return "luod lacks CAP_SYS_BOOT, without which reboot(2) answers EPERM: run it as root, outside containers";
        }
        try {
            if (Files.readString(KEXEC_LOADED).strip().equals("1")) {
                return null;
            }
        } catch (IOException e) {
            return "cannot read " + KEXEC_LOADED + ", so whether a kernel is loaded is unknown: " + e;
        }
        return "no kernel is loaded (" + KEXEC_LOADED + " is 0): load one with ./vmm luoctl load KERNEL";
    }

    private static boolean hasCapability() {
        try {
            List<String> lines = Files.readAllLines(Path.of("/proc/self/status"));
            for (String line : lines) {
                if (line.startsWith("CapEff:")) {
                    return (Long.parseUnsignedLong(line.substring(7).strip(), 16) >>> CAP_SYS_BOOT & 1) != 0;
                }
            }
        } catch (IOException e) {
            return true; // reboot(2) will tell
        }
        return true;
    }

    /** Leaves little for the sync(2) that guests are paused for. */
    @Override
    public void settle() {
        Kexec.sync();
    }

    @Override
    public void turn(byte[] registry, TurnDecision decision) {
        try (Session own = ownSession(registry)) {
            Kexec.sync();
            decision.requireTurn();
            Errno errno = Errno.of(-Kexec.tryReboot());
            throw new VmmException("the kernel did not kexec, " + errno.name() + " (" + errno.text() + "): "
                    + (errno == Errno.EINVAL ? "no kernel is loaded" : "dmesg may tell what prevents it")
                    + "; session " + own.name() + " and all others are given up");
        }
    }

    /** The kernel tells of sessions by name only; who may have them has to go along. */
    private static Session ownSession(byte[] registry) {
        Session own;
        try (LiveUpdateDevice device = LiveUpdateDevice.open()) {
            own = device.create(SessionName.LUOD);
        }
        try (Fd memfd = Memfd.create("luod-registry", registry.length);
                Arena arena = Arena.ofConfined()) {
            memfd.writeFully(arena.allocateFrom(ValueLayout.JAVA_BYTE, registry), 0);
            own.preserve(memfd, Tokens.LUOD_REGISTRY);
            return own;
        } catch (VmmException | ErrnoException e) {
            own.close();
            throw e;
        }
    }

    @Override
    public void turned(Holding outgoing) {
        throw new AssertionError("this kernel is no longer there");
    }

    @Override
    public byte[] takeRegistry() {
        try (LiveUpdateDevice device = LiveUpdateDevice.open();
                Session own = device.retrieve(SessionName.LUOD);
                Fd memfd = own.retrieve(Tokens.LUOD_REGISTRY);
                Arena arena = Arena.ofConfined()) {
            long size = memfd.stat().size();
            if (size > MAX_REGISTRY) {
                throw new VmmException("the registry in session " + SessionName.LUOD + " has " + size + " bytes");
            }
            MemorySegment bytes = arena.allocate(size);
            memfd.readFully(bytes, 0);
            return bytes.toArray(ValueLayout.JAVA_BYTE);
        } catch (SessionException e) {
            if (e.errno() == Errno.ENOENT) {
                return null;
            }
            throw e;
        }
    }

    @Override
    public void close() {}
}
