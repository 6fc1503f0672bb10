package dev.holdover.vmstate;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Bytes as a state: whatever they are, they are read, or refused by a sentence. */
final class StateReaderTarget {
    private static final long MOST_RAM = 16 << 20;

    private StateReaderTarget() {}

    static void run(byte[] bytes) {
        byte[] state = bytes.clone();
        read(state);
        // No fuzzer finds a CRC, so what it changed in the header gets the right one.
        if (state.length >= StateFormat.FIXED_SIZE) {
            int header = MemorySegment.ofArray(state).get(StateFormat.INT, StateFormat.HEADER_LENGTH_AT);
            if (header >= StateFormat.FIXED_SIZE && header <= state.length) {
                SampleState.sealHeader(state);
                read(state);
            }
        }
    }

    private static void read(byte[] state) {
        try {
            StateFile file = SampleState.parse(state);
            file.timeline().events();
            for (SectionEntry entry : file.header().sections()) {
                SectionType type = new SectionType(entry.name(), entry.version());
                file.section(type, entry.instance()).bytes().toArray(ValueLayout.JAVA_BYTE);
            }
            for (int i = 0; i < file.header().regions().size(); i++) {
                RamRegion region = file.header().regions().get(i);
                if (region.size() <= MOST_RAM) {
                    file.pages().load(i, MemorySegment.ofArray(new byte[(int) region.size()]));
                }
            }
        } catch (StateException e) {
            // a sentence
        }
        try (StateInspection inspection = new StateInspection(StateBytes.of(MemorySegment.ofArray(state)))) {
            inspection.damages();
        } catch (StateException e) {
            // its header is not sound
        }
    }
}
