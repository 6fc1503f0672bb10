package dev.holdover.liveupdate;

import dev.holdover.json.Json;
import dev.holdover.json.JsonException;
import dev.holdover.linux.VmmException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What one luod has to know of the one before, as JSON: which ids there are and whose they are. The kernel keeps sessions
 * by name, cannot list them, and knows no owners.
 */
final class Registry {
    private static final long VERSION = 1;

    /** A session that waits. */
    record Entry(String id, int uid) {}

    private Registry() {}

    static byte[] write(Collection<Entry> entries) {
        List<Object> sessions = new ArrayList<>();
        for (Entry entry : entries) {
            Map<String, Object> session = new LinkedHashMap<>();
            session.put("id", entry.id);
            session.put("uid", entry.uid);
            sessions.add(session);
        }
        Map<String, Object> registry = new LinkedHashMap<>();
        registry.put("version", VERSION);
        registry.put("sessions", sessions);
        return (Json.write(registry) + "\n").getBytes(StandardCharsets.UTF_8);
    }

    /** Reads what {@link #write} wrote, or a later version of it; throws {@link VmmException} for anything else. */
    static List<Entry> read(byte[] bytes) {
        List<Entry> entries = new ArrayList<>();
        try {
            Map<String, Object> registry = Json.object(Json.parse(bytes));
            if (registry != null && registry.get("sessions") instanceof List<?> sessions) {
                for (Object session : sessions) {
                    Map<String, Object> object = Json.object(session);
                    if (object == null
                            || !(object.get("id") instanceof String id)
                            || !(object.get("uid") instanceof Long uid)) {
                        throw new VmmException("luod's registry has an entry without id and uid");
                    }
                    entries.add(new Entry(id, (int) (long) uid));
                }
                return entries;
            }
        } catch (JsonException e) {
            throw new VmmException("luod's registry cannot be read: " + e.getMessage(), e);
        }
        throw new VmmException("luod's registry cannot be read: it has no list of sessions");
    }
}
