package dev.holdover.control;

import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

/** Makes events and gives them to whoever passes them on. Any thread; never blocks. */
final class Events {
    /** Takes an event, a JSON object, which nobody changes any more. */
    @FunctionalInterface
    interface Receiver {
        void take(Map<String, Object> event);
    }

    private final Receiver receiver;
    private boolean shutdownTold;

    Events(Receiver receiver) {
        this.receiver = receiver;
    }

    /** @param data may be null, and is left as it is from now on */
    void tell(String event, Map<String, Object> data) {
        Instant now = Instant.now();
        Map<String, Object> timestamp = new LinkedHashMap<>();
        timestamp.put("seconds", now.getEpochSecond());
        timestamp.put("microseconds", now.getNano() / 1000);
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("timestamp", timestamp);
        told.put("event", event);
        if (data != null) {
            told.put("data", data);
        }
        receiver.take(told);
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
