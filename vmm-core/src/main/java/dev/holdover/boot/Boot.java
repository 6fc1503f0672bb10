package dev.holdover.boot;

import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;

/** Puts a kernel and what it is told into guest RAM. */
public final class Boot {
    private Boot() {}

    /**
     * Loads a kernel of whatever format, its initrd and command line. RAM need not be zero: this is done anew after a
     * reset. Reads the files on the calling thread, straight into guest RAM; no vCPU runs meanwhile.
     *
     * @param rsdp GPA of the ACPI root pointer, 0 for a machine without ACPI
     * @return how vCPU 0 starts
     * @throws VmmException for a file that cannot be read, is no kernel, is damaged or does not fit; the sentence starts
     *     with the file's path
     */
    public static CpuEntry load(BootConfig config, GuestMemory memory, long rsdp) {
        E820 map = E820.of(memory);
        try (BootFile file = BootFile.open(config.kernel())) {
            CpuEntry entry = Kernel.recognise(file).load(memory, map, config, rsdp);
            BiosData.write(memory);
            return entry;
        }
    }
}
