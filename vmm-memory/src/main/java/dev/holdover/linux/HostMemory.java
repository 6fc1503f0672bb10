package dev.holdover.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * How much memory this host has: sysinfo(2).
 *
 * @param ram bytes the kernel manages (MemTotal)
 * @param swap bytes of swap space (SwapTotal)
 */
public record HostMemory(long ram, long swap) {
    public static HostMemory query() {
        try (Arena arena = Arena.ofConfined()) {
            // struct sysinfo: totalram@32, totalswap@64, both in units of mem_unit@104
            MemorySegment info = arena.allocate(112, 8);
            ErrnoException.check("sysinfo", Syscall.call(Syscall.SYSINFO, info.address()));
            long unit = info.get(ValueLayout.JAVA_INT, 104);
            return new HostMemory(
                    info.get(ValueLayout.JAVA_LONG, 32) * unit, info.get(ValueLayout.JAVA_LONG, 64) * unit);
        }
    }
}
