package dev.holdover.control;

import dev.holdover.json.Json;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Cuts a stream of bytes into JSON values, as QEMU does: by their brackets, not by lines. Clients may put several into
 * one write, or one into several, with or without newlines.
 *
 * <p>What cannot be JSON is skipped up to the next newline: a value that is too long or too deep, a control character
 * in a string. The byte 0xff, which is in no UTF-8 text, throws away a value begun, so that a client can start afresh.
 */
final class RequestFramer {
    /** Bytes of the longest request taken. */
    static final int MAX_REQUEST = 64 << 10;

    /** What one byte completed. */
    enum Found {
        NOTHING,
        /** {@link #request} is a value by its brackets; whether it is one, the parser tells. */
        REQUEST,
        /** {@link #error} says what is wrong. */
        ERROR
    }

    private enum Where {
        BETWEEN,
        /** A keyword or a number that stands alone. */
        WORD,
        BRACKETS,
        STRING,
        /** Behind a backslash. */
        ESCAPED,
        GIVEN_UP
    }

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private Where where = Where.BETWEEN;
    private int depth;
    private byte quote;
    private String error;

    /**
     * Takes bytes up to the end of a request or an error, or all.
     *
     * @return how many were taken; less than {@code length} only if something was {@link #found}
     */
    int take(MemorySegment from, int length) {
        for (int i = 0; i < length; i++) {
            byte b = from.get(ValueLayout.JAVA_BYTE, i);
            if (where == Where.WORD && (isSpace(b) || "{}[]\"',:".indexOf(b) >= 0)) {
                // Only what follows ends it, which is not part of it.
                found = Found.REQUEST;
                where = Where.BETWEEN;
                return i;
            }
            found = take(b);
            if (found != Found.NOTHING) {
                return i + 1;
            }
        }
        found = Found.NOTHING;
        return length;
    }

    private Found found = Found.NOTHING;

    Found found() {
        return found;
    }

    /** The request that was found; once. */
    byte[] request() {
        byte[] request = bytes.toByteArray();
        bytes.reset();
        return request;
    }

    String error() {
        return error;
    }

    private Found take(byte b) {
        if (b == (byte) 0xff) {
            boolean begun = where != Where.BETWEEN && where != Where.GIVEN_UP;
            reset(Where.BETWEEN);
            error = "JSON parse error, stray '\\xff'";
            return begun ? Found.ERROR : Found.NOTHING;
        }
        if (where == Where.GIVEN_UP) {
            if (b == '\n') {
                where = Where.BETWEEN;
            }
            return Found.NOTHING;
        }
        if (where == Where.BETWEEN && isSpace(b)) {
            return Found.NOTHING;
        }
        if (bytes.size() == MAX_REQUEST) {
            return giveUp("JSON parse error, a request of more than " + MAX_REQUEST + " bytes", b);
        }
        bytes.write(b);
        if (where == Where.ESCAPED) {
            where = Where.STRING;
            return Found.NOTHING;
        }
        if (where == Where.STRING) {
            return inString(b);
        }
        if (b == '"' || b == '\'') {
            quote = b;
            where = Where.STRING;
        } else if (b == '{' || b == '[') {
            depth++;
            where = Where.BRACKETS;
            if (depth > Json.MAX_DEPTH) {
                return giveUp("JSON nesting depth limit exceeded", b);
            }
        } else if (b == '}' || b == ']') {
            depth--;
            return depth <= 0 ? complete() : Found.NOTHING;
        } else if (where == Where.BETWEEN) {
            where = Where.WORD;
        }
        return Found.NOTHING;
    }

    private Found inString(byte b) {
        if (b >= 0 && b < ' ') {
            return giveUp("JSON parse error, control character 0x" + Integer.toHexString(b) + " in a string", b);
        } else if (b == '\\') {
            where = Where.ESCAPED;
        } else if (b == quote) {
            where = depth == 0 ? Where.BETWEEN : Where.BRACKETS;
            return depth == 0 ? Found.REQUEST : Found.NOTHING;
        }
        return Found.NOTHING;
    }

    private Found complete() {
        depth = 0;
        where = Where.BETWEEN;
        return Found.REQUEST;
    }

    private Found giveUp(String why, byte last) {
        reset(last == '\n' ? Where.BETWEEN : Where.GIVEN_UP);
        error = why;
        return Found.ERROR;
    }

    private void reset(Where to) {
        bytes.reset();
        depth = 0;
        where = to;
    }

    private static boolean isSpace(byte b) {
        return b == ' ' || b == '\t' || b == '\r' || b == '\n';
    }
}
