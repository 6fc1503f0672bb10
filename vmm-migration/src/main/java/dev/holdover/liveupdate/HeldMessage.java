package dev.holdover.liveupdate;

import dev.holdover.linux.Errno;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The messages between a {@link HeldSession} and luod, over SOCK_SEQPACKET: one request, one reply, all little-endian.
 *
 * <pre>
 * request, 16 bytes:  u32 operation@0 (the ioctl's number)  u32 0@4  u64 token@8     PRESERVE_FD carries one descriptor
 * reply, 72 bytes:    s32 0 or -errno@0                     u32 0@4  u8 name[64]@8   RETRIEVE_FD carries one descriptor
 * </pre>
 */
public final class HeldMessage {
    public static final int REQUEST_SIZE = 16;
    public static final int REPLY_SIZE = 72;

    private static final int NAME_OFFSET = 8;

    private HeldMessage() {}

    public static void request(MemorySegment to, int operation, long token) {
        to.set(ValueLayout.JAVA_INT, 0, operation);
        to.set(ValueLayout.JAVA_INT, 4, 0);
        to.set(ValueLayout.JAVA_LONG, 8, token);
    }

    public static int operation(MemorySegment request) {
        return request.get(ValueLayout.JAVA_INT, 0);
    }

    public static long token(MemorySegment request) {
        return request.get(ValueLayout.JAVA_LONG, 8);
    }

    /** {@code failed} is null for success. */
    public static void reply(MemorySegment to, Errno failed, String name) {
        to.fill((byte) 0);
        to.set(ValueLayout.JAVA_INT, 0, failed == null ? 0 : -failed.number());
        SessionName.write(name, to.asSlice(NAME_OFFSET));
    }

    /** 0 or {@code -errno}. */
    static long result(MemorySegment reply) {
        return reply.get(ValueLayout.JAVA_INT, 0);
    }

    static String name(MemorySegment reply) {
        return SessionName.read(reply.asSlice(NAME_OFFSET));
    }
}
