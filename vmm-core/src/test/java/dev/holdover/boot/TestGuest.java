package dev.holdover.boot;

import dev.holdover.linux.Mapping;
import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/** A guest's RAM from address 0 on, filled with a byte that is not zero, as after a reset; touched only where used. */
public final class TestGuest implements AutoCloseable {
    private final Mapping ram;
    private final GuestMemory memory;

    public TestGuest(long size) {
        ram = Mapping.anonymous(size, MemoryMap.PAGE);
        memory = new GuestMemory(List.of(new GuestMemory.Region(0, ram.segment(), null, 0, false)));
        ram.segment().asSlice(0, Math.min(size, MemoryMap.HIGH_MEMORY)).fill((byte) 0xcc);
    }

    public GuestMemory memory() {
        return memory;
    }

    CpuEntry boot(Path kernel) {
        return boot(kernel, null, "");
    }

    CpuEntry boot(Path kernel, Path initrd, String commandLine) {
        return Boot.load(new BootConfig(kernel, initrd, commandLine), memory, () -> MemoryMap.RSDP);
    }

    long u32(long gpa) {
        return memory.getInt(gpa) & 0xffffffffL;
    }

    String string(long gpa) {
        int length = 0;
        while (memory.getByte(gpa + length) != 0) {
            length++;
        }
        return new String(memory.read(gpa, length), StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        ram.close();
    }
}
