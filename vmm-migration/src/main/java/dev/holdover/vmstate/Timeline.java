package dev.holdover.vmstate;

import dev.holdover.linux.Fd;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * When which phase of a save was reached. A block of a fixed size, and apart from the state's other CRCs: phases go on
 * after the state is sealed, and a state in a preserved memfd cannot grow. Each event has a CRC of its own, so one that
 * was half written when the host went down costs no other. One thread at a time.
 */
public final class Timeline {
    /** As many events as there is room for. */
    public static final int CAPACITY = 64;

    static final int EVENT_SIZE = 32;
    static final int SIZE = CAPACITY * EVENT_SIZE;

    private static final int PHASE_AT = 0;
    private static final int CRC_AT = 4;
    private static final int MONOTONIC_AT = 8;
    private static final int REALTIME_AT = 16;
    private static final int TSC_AT = 24;

    private final MemorySegment block;
    private final long fileOffset;
    private int next;

    /**
     * A view of a block of {@value #SIZE} bytes.
     *
     * @param fileOffset where it is in the state, bytes
     */
    Timeline(MemorySegment block, long fileOffset) {
        this.block = block;
        this.fileOffset = fileOffset;
        while (next < CAPACITY && phase(next) != 0) {
            next++;
        }
    }

    private int phase(int i) {
        return block.get(StateFormat.INT, (long) i * EVENT_SIZE + PHASE_AT);
    }

    private static int crc(MemorySegment event) {
        CRC32C crc = new CRC32C();
        crc.update(event.asSlice(0, CRC_AT).asByteBuffer());
        crc.update(event.asSlice(MONOTONIC_AT).asByteBuffer());
        return (int) crc.getValue();
    }

    /**
     * Adds an event; beyond {@link #CAPACITY} it is dropped.
     *
     * @param phase from 1
     */
    public void stamp(int phase, long monotonic, long realtime, long tsc) {
        if (phase < 1) {
            throw new IllegalArgumentException("phase " + phase);
        }
        if (next == CAPACITY) {
            return;
        }
        MemorySegment event = block.asSlice((long) next * EVENT_SIZE, EVENT_SIZE);
        event.set(StateFormat.INT, PHASE_AT, phase);
        event.set(StateFormat.LONG, MONOTONIC_AT, monotonic);
        event.set(StateFormat.LONG, REALTIME_AT, realtime);
        event.set(StateFormat.LONG, TSC_AT, tsc);
        event.set(StateFormat.INT, CRC_AT, crc(event));
        next++;
    }

    /** Forgets all events, for an image that is used once more. */
    public void clear() {
        block.fill((byte) 0);
        next = 0;
    }

    /** Writes the block to its place in a state that was published before. ErrnoException as pwrite(2). */
    public void writeTo(Fd state) {
        state.writeFully(block, fileOffset);
    }

    /** The events that are whole, in order. */
    public List<TimelineEvent> events() {
        List<TimelineEvent> events = new ArrayList<>();
        for (int i = 0; i < CAPACITY; i++) {
            MemorySegment event = block.asSlice((long) i * EVENT_SIZE, EVENT_SIZE);
            if (isWhole(event)) {
                events.add(new TimelineEvent(
                        event.get(StateFormat.INT, PHASE_AT),
                        event.get(StateFormat.LONG, MONOTONIC_AT),
                        event.get(StateFormat.LONG, REALTIME_AT),
                        event.get(StateFormat.LONG, TSC_AT)));
            }
        }
        return events;
    }

    private static boolean isWhole(MemorySegment event) {
        return event.get(StateFormat.INT, PHASE_AT) > 0 && event.get(StateFormat.INT, CRC_AT) == crc(event);
    }

    /** What is damaged, as a sentence; null if nothing is. */
    public String damage() {
        boolean ended = false;
        for (int i = 0; i < CAPACITY; i++) {
            MemorySegment event = block.asSlice((long) i * EVENT_SIZE, EVENT_SIZE);
            if (StateFormat.isZero(event, 0, EVENT_SIZE)) {
                ended = true;
            } else if (ended || !isWhole(event)) {
                return "event " + i + " of the timeline at offset " + (fileOffset + (long) i * EVENT_SIZE)
                        + " is damaged";
            }
        }
        return null;
    }
}
