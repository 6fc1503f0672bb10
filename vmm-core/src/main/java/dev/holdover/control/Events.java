package dev.holdover.control;

import dev.holdover.json.Json;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

/** Makes events and gives them to whoever passes them on. Any thread; never blocks. */
final class Events {
    /** Takes an event's line, without its end. */
    @FunctionalInterface
    interface Receiver {
        void take(String line);
    }

    private final Receiver receiver;
    private boolean shutdownTold;

    Events(Receiver receiver) {
        this.receiver = receiver;
    }

    /** @param data may be null */
    void tell(String event, Map<String, Object> data) {
        Instant now = Instant.now();
        Map<String, Object> timestamp = new LinkedHashMap<>();
        timestamp.put("seconds", now.getEpochSecond());
        timestamp.put("microseconds", now.getNano() / 1000);
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("timestamp", timestamp);
        line.put("event", event);
        if (data != null) {
            line.put("data", data);
        }
        receiver.take(Json.write(line));
    }

    void reset(boolean byGuest, String reason) {
        tell("RESET", cause(byGuest, reason));
    }

    /** The first time only: what comes later is a consequence. */
    void shutdown(boolean byGuest, String reason) {
        synchronized (this) {
            if (shutdownTold) {
                return;
            }
            shutdownTold = true;
        }
        tell("SHUTDOWN", cause(byGuest, reason));
    }

    private static Map<String, Object> cause(boolean byGuest, String reason) {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("guest", byGuest);
        data.put("reason", reason);
        return data;
    }
}
