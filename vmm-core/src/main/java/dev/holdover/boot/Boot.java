package dev.holdover.boot;

import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import java.util.function.LongSupplier;

/** Puts a kernel and what it is told into guest RAM. */
public final class Boot {
    private Boot() {}

    /**
     * Loads a kernel of whatever format, its initrd and command line. RAM need not be zero: this is done anew after a
     * reset. Reads the files on the calling thread, straight into guest RAM; no vCPU runs meanwhile.
     *
     * @param tables called before the first byte is written, when the kernel is known to be one: may write tables of the
     *     machine, and gives the GPA of the ACPI root pointer, 0 for a machine without ACPI
     * @return how vCPU 0 starts
     * @throws VmmException for a file that cannot be read, is no kernel, is damaged or does not fit; the sentence starts
     *     with the file's path
     */
    public static CpuEntry load(BootConfig config, GuestMemory memory, LongSupplier tables) {
        E820 map = E820.of(memory);
        try (BootFile file = BootFile.open(config.kernel())) {
            Kernel kernel = Kernel.recognise(file);
            CpuEntry entry = kernel.load(memory, map, config, tables.getAsLong());
            BiosData.write(memory);
            return entry;
        }
    }
}
