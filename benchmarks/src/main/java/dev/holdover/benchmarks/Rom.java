package dev.holdover.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;

/** Firmware images of a few bytes of real-mode code, which begins at f000:f000. None touches RAM but for a stack. */
public enum Rom {
    /** Leaves the guest all the time: {@code mov $0x510, %dx; 1: out %al, (%dx); jmp 1b}. */
    PORT_WRITES("ba1005 ee ebfd"),
    /** The same by memory at 0xd0000, where a guest of 512 KiB has none: {@code 1: mov %al, 0; jmp 1b}. */
    MMIO_WRITES("b800d0 8ed8 a20000 ebfb"),
    /**
     * Sleeps, and writes to the port when an interrupt comes on line 4 of the PIC: stack and vector 0x24; ICW1 to 4 and
     * mask; {@code out; 1: sti; hlt; jmp 1b}; handler: {@code out; mov $0x20, %al; out %al, $0x20; iret}.
     */
    INTERRUPTS("31c0 8ed8 8ed0 bc0070 c706900031f0 c706920000f0 b011 e620 b020 e621 b004 e621 b001 e621 b0ef e621"
            + " ba1005 ee fb f4 ebfc ba1005 ee b020 e620 cf");

    /** Where the guests write to. */
    static final int PORT = 0x510;

    static final long MMIO = 0xd0000;
    static final int IRQ = 4;

    private static final int SIZE = 4096;
    private static final byte[] JUMP_TO_START = {(byte) 0xe9, 0x0d, (byte) 0xf0};

    private final String code;

    Rom(String code) {
        this.code = code;
    }

    byte[] image() {
        byte[] image = new byte[SIZE];
        byte[] bytes = HexFormat.of().parseHex(code.replace(" ", ""));
        System.arraycopy(bytes, 0, image, 0, bytes.length);
        System.arraycopy(JUMP_TO_START, 0, image, SIZE - 16, JUMP_TO_START.length);
        return image;
    }

    Path write(Path directory) throws IOException {
        return Files.write(directory.resolve(name() + ".rom"), image());
    }
}
