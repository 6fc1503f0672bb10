package dev.holdover.platform;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What a {@link CmosRtc} is made of.
 *
 * @param index the register that the data port shows, 0 to 127
 * @param memory the 128 bytes; those of time and date count only while the clock is stopped
 * @param offsetMillis what the guest's clock shows less the host's UTC, in milliseconds
 * @param seenMillis the guest's time up to which flags in register C are set, in milliseconds since 1970
 */
@SuppressWarnings("ArrayRecordComponent") // copied on the way in and out
public record CmosRtcState(int index, byte[] memory, long offsetMillis, long seenMillis) {
    public CmosRtcState {
        if (memory.length != CmosRtc.SIZE) {
            throw new IllegalArgumentException("CMOS state of " + memory.length + " bytes");
        }
        memory = memory.clone();
    }

    @Override
    public byte[] memory() {
        return memory.clone();
    }

    /** Its section in a state. */
    public static final SectionType SECTION = new SectionType("cmos-rtc", 1);

    /** Bytes of it. */
    public static final int SIZE = 160;

    public void write(StateOutput out) {
        out.i32(index);
        out.i64(offsetMillis);
        out.i64(seenMillis);
        out.bytes(MemorySegment.ofArray(memory));
        out.end();
    }

    public static CmosRtcState read(StateInput in) {
        int index = in.i32();
        long offsetMillis = in.i64();
        long seenMillis = in.i64();
        byte[] memory = in.bytes(CmosRtc.SIZE).toArray(ValueLayout.JAVA_BYTE);
        in.end();
        return new CmosRtcState(index, memory, offsetMillis, seenMillis);
    }
}
