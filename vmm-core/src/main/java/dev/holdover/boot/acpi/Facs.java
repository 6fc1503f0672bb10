package dev.holdover.boot.acpi;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Firmware ACPI Control Structure, with the global lock that nobody here takes: ACPI 6.5 §5.2.10. It has no checksum. */
final class Facs {
    private static final int SIZE = 64;

    private Facs() {}

    static byte[] bytes() {
        byte[] facs = new byte[SIZE];
        ByteBuffer fields = ByteBuffer.wrap(facs).order(ByteOrder.LITTLE_ENDIAN);
        fields.put(0, "FACS".getBytes(StandardCharsets.US_ASCII));
        fields.putInt(4, SIZE);
        fields.put(32, (byte) 2); // version
        return facs;
    }
}
