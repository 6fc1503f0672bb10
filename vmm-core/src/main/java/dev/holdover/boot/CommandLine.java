package dev.holdover.boot;

import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;
import java.nio.charset.StandardCharsets;

/** The kernel's command line, at {@link MemoryMap#COMMAND_LINE}. */
final class CommandLine {
    /** What there is room for, without the NUL. */
    static final long MAX_LENGTH = MemoryMap.COMMAND_LINE_SIZE - 1;

    private CommandLine() {}

    /** Writes {@code text} and its NUL; {@code limit} is what the kernel takes, in bytes without the NUL. */
    static void write(GuestMemory memory, BootFile kernel, String text, long limit) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        long most = Math.min(limit, MAX_LENGTH);
        if (bytes.length > most) {
            throw kernel.refuse("takes a command line of at most " + most + " bytes, and this one has " + bytes.length
                    + "; shorten --append");
        }
        memory.write(MemoryMap.COMMAND_LINE, bytes);
        memory.putByte(MemoryMap.COMMAND_LINE + bytes.length, (byte) 0);
    }
}
