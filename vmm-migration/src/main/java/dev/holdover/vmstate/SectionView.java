package dev.holdover.vmstate;

import java.lang.foreign.MemorySegment;

/**
 * A section of a state that was read.
 *
 * @param state the state's name, for errors
 * @param entry what the header says of it
 * @param bytes read-only, valid while the state is open, 8-byte aligned
 */
public record SectionView(String state, SectionEntry entry, MemorySegment bytes) {
    /** The version of its contents, at most that of the type it was asked for by. */
    public int version() {
        return entry.version();
    }

    /** Reads it field by field. */
    public StateInput input() {
        return new StateInput(state, "section " + entry.id(), bytes);
    }

    /** The whole section as one struct of that size; another size is refused. */
    public MemorySegment struct(long size) {
        if (bytes.byteSize() != size) {
            throw new StateException(
                    state, "section " + entry.id() + " has " + bytes.byteSize() + " bytes where " + size + " belong");
        }
        return bytes;
    }
}
