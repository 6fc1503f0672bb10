package dev.holdover.luod;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.ProcessBuilder.Redirect;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;

/**
 * A file system whose server answers until {@link #fallSilent}: FUSE, with the one file {@code file}. Root mounts it. A
 * shell holds /dev/fuse and passes messages on: the structures are those of linux/fuse.h.
 */
final class SilentFileSystem implements AutoCloseable {
    private static final int LOOKUP = 1;
    private static final int FORGET = 2;
    private static final int GETATTR = 3;
    private static final int OPEN = 14;
    private static final int INIT = 26;
    private static final int ROOT = 1;
    private static final int FILE = 2;

    private static final String MOUNT = """
            exec 3<>/dev/fuse || exit
            mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0,allow_other silent "$0" || exit
            cat <&3 &
            exec cat >&3
            """;

    private final Path directory;
    private final Process server;
    private volatile boolean silent;

    /** Null if it cannot be mounted here. */
    static SilentFileSystem tryMount(Path directory) throws IOException {
        Process server = new ProcessBuilder("sh", "-c", MOUNT, directory.toString())
                .redirectError(Redirect.DISCARD)
                .start();
        SilentFileSystem mounted = new SilentFileSystem(directory, server);
        DataInputStream requests = new DataInputStream(server.getInputStream());
        try {
            mounted.serve(requests); // INIT comes once it is mounted
        } catch (EOFException e) {
            server.destroy();
            return null;
        }
        Thread.ofPlatform().daemon().name("silent file system").start(() -> {
            try {
                while (true) {
                    mounted.serve(requests);
                }
            } catch (IOException e) {
                return; // unmounted
            }
        });
        return mounted;
    }

    private SilentFileSystem(Path directory, Process server) {
        this.directory = directory;
        this.server = server;
    }

    Fd open() {
        return Fd.open(directory.resolve("file").toString(), Fd.O_RDONLY);
    }

    /** From now on nothing is answered. */
    void fallSilent() {
        silent = true;
    }

    private void serve(DataInputStream requests) throws IOException {
        // struct fuse_in_header: len@0 opcode@4 unique@8 nodeid@16, 40 bytes
        byte[] header = new byte[40];
        requests.readFully(header);
        ByteBuffer request = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
        requests.skipNBytes(request.getInt(0) - header.length);
        int operation = request.getInt(4);
        if (silent || operation == FORGET) {
            return;
        }
        ByteBuffer answer = ByteBuffer.allocate(256).order(ByteOrder.LITTLE_ENDIAN);
        int length = answer(operation, request.getLong(16), answer);
        // struct fuse_out_header: len@0 error@4 unique@8, 16 bytes
        ByteBuffer reply = ByteBuffer.allocate(16 + Math.max(length, 0)).order(ByteOrder.LITTLE_ENDIAN);
        reply.putInt(reply.capacity()).putInt(Math.min(length, 0)).putLong(request.getLong(8));
        reply.put(answer.array(), 0, Math.max(length, 0));
        OutputStream replies = server.getOutputStream();
        replies.write(reply.array());
        replies.flush();
    }

    /** How many bytes it has, or {@code -errno}. */
    private static int answer(int operation, long node, ByteBuffer to) {
        switch (operation) {
            case INIT -> { // struct fuse_init_out: major@0 minor@4 max_write@20
                to.putInt(0, 7).putInt(4, 31).putInt(20, 4096);
                return 64;
            }
            case LOOKUP -> { // struct fuse_entry_out: nodeid@0, attr@40
                to.putLong(0, FILE);
                attributes(FILE, to, 40);
                return 128;
            }
            case GETATTR -> { // struct fuse_attr_out: attr@16
                attributes(node, to, 16);
                return 104;
            }
            case OPEN -> {
                return 16; // struct fuse_open_out
            }
            default -> {
                return -Errno.ENOSYS.number();
            }
        }
    }

    /** struct fuse_attr: ino@0 mode@60 nlink@64. */
    private static void attributes(long node, ByteBuffer to, int at) {
        to.putLong(at, node)
                .putInt(at + 60, node == ROOT ? 0x4000 | 0755 : 0x8000 | 0444)
                .putInt(at + 64, 1);
    }

    /** Ends the server, so that calls that wait for it fail, and the mount, in this order: umount(8) asks the server, too. */
    @Override
    public void close() throws IOException {
        server.descendants().forEach(ProcessHandle::destroyForcibly);
        server.destroyForcibly().onExit().join();
        new ProcessBuilder("umount", "-i", "-l", directory.toString())
                .inheritIO()
                .start()
                .onExit()
                .join();
    }
}
