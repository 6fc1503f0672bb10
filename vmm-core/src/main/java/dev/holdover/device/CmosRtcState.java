package dev.holdover.device;

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
}
