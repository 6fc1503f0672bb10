package dev.holdover.vmstate;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * Reads a record field by field, little-endian. Whatever does not fit throws {@link StateException} with the record's
 * name and the offset in it; so does {@link #refuse}, for what only the record's owner can judge.
 */
public final class StateInput {
    private final String state;
    private final String record;
    private final MemorySegment bytes;
    private long at;

    /**
     * @param state the state's name, for errors
     * @param record which part of it this is, for errors
     */
    StateInput(String state, String record, MemorySegment bytes) {
        this.state = state;
        this.record = record;
        this.bytes = bytes;
    }

    private long take(long length, String what) {
        long left = bytes.byteSize() - at;
        if (length < 0 || length > left) {
            throw refuse(what + " of " + length + " bytes goes beyond its end, " + left + " are left");
        }
        long start = at;
        at += length;
        return start;
    }

    public int u8() {
        return bytes.get(ValueLayout.JAVA_BYTE, take(1, "a number")) & 0xff;
    }

    /** 0 or 1; anything else is refused. */
    public boolean bool() {
        int value = u8();
        if (value > 1) {
            throw refuse("the byte before is neither 0 nor 1");
        }
        return value == 1;
    }

    public int u16() {
        return bytes.get(StateFormat.SHORT, take(2, "a number")) & 0xffff;
    }

    public int i32() {
        return bytes.get(StateFormat.INT, take(4, "a number"));
    }

    public long i64() {
        return bytes.get(StateFormat.LONG, take(8, "a number"));
    }

    /** A number of things to follow (i32), from 0 to a limit. */
    public int count(int limit) {
        int count = i32();
        if (count < 0 || count > limit) {
            throw refuse("the number before is " + Integer.toUnsignedString(count) + ", the limit is " + limit);
        }
        return count;
    }

    /** That many bytes, in place and read-only. */
    public MemorySegment bytes(long length) {
        return bytes.asSlice(take(length, "a block"), length).asReadOnly();
    }

    /** A text in UTF-8 of at most that many bytes, behind its length (u16). */
    public String string(int limit) {
        int length = u16();
        if (length > limit) {
            throw refuse("a text has " + length + " bytes, the limit is " + limit);
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(bytes.asSlice(take(length, "a text"), length).asByteBuffer())
                    .toString();
        } catch (CharacterCodingException e) {
            throw new StateException(state, record + " is refused at its offset " + at + ": a text is not UTF-8", e);
        }
    }

    /** Ends the record: all that is left must be zero. */
    public void end() {
        if (!StateFormat.isZero(bytes, at, bytes.byteSize())) {
            throw refuse("there is more than this VMM knows");
        }
    }

    /** A refusal of this record, with the offset of what follows the last field that was read. */
    public StateException refuse(String why) {
        return new StateException(state, record + " is refused at its offset " + at + ": " + why);
    }
}
