package dev.holdover.pci;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The configuration space of a function.
 *
 * @param registers {@link PciConfig#SIZE} or {@link PciConfig#EXTENDED_SIZE} bytes
 */
@SuppressWarnings("ArrayRecordComponent") // copied on the way in and out
public record PciConfigState(byte[] registers) {
    /** Its section in a state; the instance is the slot. */
    public static final SectionType SECTION = new SectionType("pci-config", 1);

    public PciConfigState {
        registers = registers.clone();
    }

    @Override
    public byte[] registers() {
        return registers.clone();
    }

    /** Bytes of it for a space of that size. */
    public static int size(int configSize) {
        return 4 + configSize;
    }

    public void write(StateOutput out) {
        out.i32(registers.length);
        out.bytes(MemorySegment.ofArray(registers));
        out.end();
    }

    public static PciConfigState read(StateInput in) {
        int size = in.count(PciConfig.EXTENDED_SIZE);
        if (size != PciConfig.SIZE && size != PciConfig.EXTENDED_SIZE) {
            throw in.refuse("it has a configuration space of " + size + " bytes");
        }
        byte[] registers = in.bytes(size).toArray(ValueLayout.JAVA_BYTE);
        in.end();
        return new PciConfigState(registers);
    }
}
