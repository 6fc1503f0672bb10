package dev.holdover.machine;

import dev.holdover.vmstate.SectionEntry;
import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.SectionView;
import dev.holdover.vmstate.StateException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Bytes as a section of a state, or as its machine configuration: read, or refused by a sentence. */
final class SectionTarget {
    private SectionTarget() {}

    /** The first byte chooses what they are, the second the version. */
    static void run(byte[] bytes) {
        if (bytes.length < 2) {
            return;
        }
        int kind = (bytes[0] & 0xff) % (Incoming.KNOWN.size() + 1);
        int version = 1 + (bytes[1] & 1);
        int length = bytes.length - 2;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment contents = arena.allocate(Math.max(8, length), 8).asSlice(0, length);
            MemorySegment.copy(MemorySegment.ofArray(bytes), 2, contents, 0, length);
            boolean config = kind == Incoming.KNOWN.size();
            SectionType type = config ? new SectionType("config", 1) : Incoming.KNOWN.get(kind);
            SectionEntry entry = new SectionEntry(type.name(), 0, Math.min(version, type.version()), 0, length, 0);
            SectionView view = new SectionView("state", entry, contents.asReadOnly());
            if (config) {
                ConfigCodec.decode(version, view.input());
            } else if (type.equals(VcpuSection.TYPE)) {
                VcpuSection.read(view);
            } else {
                DeviceView.of(view);
            }
        } catch (StateException e) {
            // a sentence
        }
    }
}
