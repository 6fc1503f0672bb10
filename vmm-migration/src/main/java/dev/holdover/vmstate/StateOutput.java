package dev.holdover.vmstate;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/**
 * Writes a record field by field, little-endian, without padding. A record that outgrows its place throws {@link
 * IndexOutOfBoundsException}: whoever declared it gave it too little.
 */
public final class StateOutput {
    private final MemorySegment bytes;
    private long at;

    public StateOutput(MemorySegment bytes) {
        this.bytes = bytes;
    }

    public void u8(int value) {
        bytes.set(ValueLayout.JAVA_BYTE, at, (byte) value);
        at += 1;
    }

    public void bool(boolean value) {
        u8(value ? 1 : 0);
    }

    public void u16(int value) {
        bytes.set(StateFormat.SHORT, at, (short) value);
        at += 2;
    }

    public void i32(int value) {
        bytes.set(StateFormat.INT, at, value);
        at += 4;
    }

    public void i64(long value) {
        bytes.set(StateFormat.LONG, at, value);
        at += 8;
    }

    /** Bytes whose number the reader knows. */
    public void bytes(MemorySegment value) {
        MemorySegment.copy(value, 0, bytes, at, value.byteSize());
        at += value.byteSize();
    }

    /** A text as UTF-8 behind its length in bytes (u16), at most 65535. */
    public void string(String value) {
        byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
        if (utf8.length > 0xffff) {
            throw new IndexOutOfBoundsException("a text of " + utf8.length + " bytes");
        }
        u16(utf8.length);
        bytes(MemorySegment.ofArray(utf8));
    }

    /** What was written so far. */
    public MemorySegment written() {
        return bytes.asSlice(0, at);
    }

    /** Ends the record: what is left of its place becomes zero, as {@link StateInput#end} wants it. */
    public void end() {
        bytes.asSlice(at).fill((byte) 0);
    }
}
