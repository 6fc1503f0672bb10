package dev.holdover.pci;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The vectors of an {@link Msix}.
 *
 * @param table {@value Msix#ENTRY_SIZE} bytes a vector, as the guest sees them
 * @param pending a bit for each vector, filled up with zeroes to words of 64, as the guest sees them
 */
@SuppressWarnings("ArrayRecordComponent") // copied on the way in and out
public record MsixState(byte[] table, byte[] pending) {
    /** Its section in a state. */
    public static final SectionType SECTION = new SectionType("pci-msix", 1);

    public MsixState {
        int vectors = table.length / Msix.ENTRY_SIZE;
        if (vectors < 1
                || vectors > Msix.MAX_VECTORS
                || table.length != vectors * Msix.ENTRY_SIZE
                || pending.length != pendingSize(vectors)) {
            throw new IllegalArgumentException("MSI-X state of " + table.length + " and " + pending.length + " bytes");
        }
        table = table.clone();
        pending = pending.clone();
    }

    public int vectors() {
        return table.length / Msix.ENTRY_SIZE;
    }

    @Override
    public byte[] table() {
        return table.clone();
    }

    @Override
    public byte[] pending() {
        return pending.clone();
    }

    static int pendingSize(int vectors) {
        return 8 * ((vectors + 63) / 64);
    }

    /** Bytes of it for so many vectors. */
    public static int size(int vectors) {
        return 4 + Msix.ENTRY_SIZE * vectors + pendingSize(vectors);
    }

    public void write(StateOutput out) {
        out.i32(vectors());
        out.bytes(MemorySegment.ofArray(table));
        out.bytes(MemorySegment.ofArray(pending));
        out.end();
    }

    public static MsixState read(StateInput in) {
        int vectors = in.count(Msix.MAX_VECTORS);
        if (vectors == 0) {
            throw in.refuse("it has no vector");
        }
        byte[] table = in.bytes((long) Msix.ENTRY_SIZE * vectors).toArray(ValueLayout.JAVA_BYTE);
        byte[] pending = in.bytes(pendingSize(vectors)).toArray(ValueLayout.JAVA_BYTE);
        in.end();
        return new MsixState(table, pending);
    }
}
