package dev.holdover.boot;

import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;

/**
 * The BIOS data area at {@link MemoryMap#BIOS_DATA}, and the EBDA that it points to: where kernels look for the end of
 * memory below 1 MiB (Xen goes astray on a zero) and for serial ports, BIOS or not.
 */
final class BiosData {
    private static final int SIZE = 0x100;
    private static final int COM_PORTS = 0x00;
    private static final int EBDA_SEGMENT = 0x0e;
    private static final int BASE_MEMORY_KIB = 0x13;

    private BiosData() {}

    static void write(GuestMemory memory) {
        long area = MemoryMap.BIOS_DATA;
        memory.slice(area, SIZE).fill((byte) 0);
        memory.putShort(area + COM_PORTS, (short) MemoryMap.PORT_COM1);
        memory.putShort(area + EBDA_SEGMENT, (short) (MemoryMap.EBDA >> 4));
        memory.putShort(area + BASE_MEMORY_KIB, (short) (MemoryMap.EBDA >> 10));
        memory.putByte(MemoryMap.EBDA, (byte) ((MemoryMap.VGA_HOLE - MemoryMap.EBDA) >> 10)); // its own size, KiB
    }
}
