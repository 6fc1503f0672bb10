package dev.holdover.control;

import dev.holdover.json.Json;
import dev.holdover.json.JsonException;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/** Bytes as a client sends them: cut into requests, parsed, and written again. */
final class RequestTarget {
    private RequestTarget() {}

    /** The first byte says into how long pieces the rest is cut. */
    static void run(byte[] bytes) {
        if (bytes.length == 0) {
            return;
        }
        RequestFramer framer = new RequestFramer();
        int piece = 1 + (bytes[0] & 0xff);
        for (int at = 1; at < bytes.length; at += piece) {
            MemorySegment rest = MemorySegment.ofArray(bytes).asSlice(at, Math.min(piece, bytes.length - at));
            take(framer, rest);
        }
        // As a client that goes away: what it left unfinished must not matter.
        take(framer, MemorySegment.ofArray(new byte[] {'\n'}));
    }

    private static void take(RequestFramer framer, MemorySegment bytes) {
        MemorySegment rest = bytes;
        while (rest.byteSize() > 0) {
            int taken = framer.take(rest, (int) rest.byteSize());
            switch (framer.found()) {
                case NOTHING -> require(taken == rest.byteSize(), "bytes were left that nobody wants");
                case REQUEST -> answer(framer.request());
                case ERROR -> require(!framer.error().isEmpty(), "an error without a sentence");
            }
            rest = rest.asSlice(taken);
        }
    }

    private static void answer(byte[] request) {
        require(request.length <= RequestFramer.MAX_REQUEST, "a request beyond the limit");
        try {
            Object value = Json.parse(request);
            require(
                    value == null || Json.write(value).equals(Json.write(Json.parse(Json.write(value)))),
                    "not the same");
            Map<String, Object> object = Json.object(value);
            if (object != null) {
                Request.of(object);
            }
        } catch (QmpException | JsonException e) {
            require(!e.getMessage().isEmpty(), "an error without a sentence");
        }
    }

    private static void require(boolean held, String otherwise) {
        if (!held) {
            throw new AssertionError(otherwise);
        }
    }
}
