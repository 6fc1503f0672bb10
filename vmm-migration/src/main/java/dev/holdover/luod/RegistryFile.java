package dev.holdover.luod;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileNames;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The registry beside luod's socket, for a luod that is started anew under the same kernel. It decides who may claim a
 * guest: what another user could have written, or another boot has left, is not read.
 */
final class RegistryFile {
    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");
    private static final int OTHERS_WRITE = 0022;

    private final Path path;

    RegistryFile(Path path) {
        this.path = path;
    }

    /** What is there; empty, with a word to the log, if it is not to be trusted. */
    Optional<Registry> read() {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return Optional.empty();
        }
        try (Fd file = Fd.open(path.toString(), Fd.O_RDONLY | Fd.O_NOFOLLOW | Fd.O_NONBLOCK)) {
            // The file that is open, whatever has its name by now.
            Path open = Path.of("/proc/self/fd/" + file.number());
            Map<String, Object> attributes = Files.readAttributes(open, "unix:uid,mode");
            int uid = (Integer) attributes.get("uid");
            int mode = (Integer) attributes.get("mode");
            boolean trusted = uid == 0 || uid == UnixSocket.Peer.self().uid();
            if (!file.stat().isRegular() || !trusted || (mode & OTHERS_WRITE) != 0) {
                return ignored("it is uid " + uid + "'s, with mode " + Integer.toOctalString(mode & 07777)
                        + ", so others may have written it");
            }
            byte[] bytes = Files.readAllBytes(open);
            if (!Registry.isOfBoot(bytes, bootId())) {
                return ignored("it was written before the host was booted");
            }
            return Optional.of(Registry.read(bytes));
        } catch (IOException | ErrnoException e) {
            throw new VmmException("cannot read " + path + ": " + e, e);
        }
    }

    private Optional<Registry> ignored(String why) {
        System.err.println("luod: " + path + " is not read, only root can claim guests: " + why);
        return Optional.empty();
    }

    private static String bootId() throws IOException {
        return Files.readString(BOOT_ID).strip();
    }

    /** Replaces it, for luod's user only. */
    void write(Registry registry) throws IOException {
        Path beside = Path.of(path + ".new");
        Files.deleteIfExists(beside);
        try (SeekableByteChannel file = Files.newByteChannel(
                beside,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
            ByteBuffer bytes = ByteBuffer.wrap(registry.writeOfBoot(bootId()));
            while (bytes.hasRemaining()) {
                file.write(bytes);
            }
        }
        FileNames.rename(beside.toString(), path.toString());
    }
}
