package dev.holdover.boot.acpi;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Root System Description Pointer, revision 2: ACPI 6.5 §5.2.5.3. */
final class Rsdp {
    /** What revision 0 had, under a checksum of its own. */
    private static final int OLD_SIZE = 20;

    private static final int SIZE = 36;

    private Rsdp() {}

    static byte[] bytes(long rsdt, long xsdt) {
        byte[] rsdp = new byte[SIZE];
        ByteBuffer fields = ByteBuffer.wrap(rsdp).order(ByteOrder.LITTLE_ENDIAN);
        fields.put(0, "RSD PTR ".getBytes(StandardCharsets.US_ASCII));
        fields.put(9, Table.OEM_ID.getBytes(StandardCharsets.US_ASCII));
        fields.put(15, (byte) 2);
        fields.putInt(16, (int) rsdt);
        fields.putInt(20, SIZE);
        fields.putLong(24, xsdt);
        rsdp[8] = Table.checksum(rsdp, OLD_SIZE);
        rsdp[32] = Table.checksum(rsdp, SIZE);
        return rsdp;
    }
}
