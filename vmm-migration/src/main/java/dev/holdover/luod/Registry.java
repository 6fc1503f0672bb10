package dev.holdover.luod;

import dev.holdover.json.Json;
import dev.holdover.json.JsonException;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.wire.LuodProtocol;
import dev.holdover.vmstate.TimelineEvent;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What one luod has to know of the one before, as JSON: which ids there are and whose they are, for the kernel keeps
 * sessions by name, cannot list them, and knows no owners; and when the update passed which phase.
 */
record Registry(List<Entry> sessions, List<TimelineEvent> stamps) {
    private static final long VERSION = 1;
    private static final String BOOT = "boot";

    /** A session that waits. */
    record Entry(String id, int uid) {}

    byte[] write() {
        return write(Map.of());
    }

    /** For a file, which may be there still when the host has been booted anew. */
    byte[] writeOfBoot(String boot) {
        return write(Map.of(BOOT, boot));
    }

    /** Whether it was written under this boot; one that does not say is of an earlier version. */
    static boolean isOfBoot(byte[] bytes, String boot) {
        try {
            Map<String, Object> registry = Json.object(Json.parse(bytes));
            return registry == null || !registry.containsKey(BOOT) || boot.equals(registry.get(BOOT));
        } catch (JsonException e) {
            return true; // reading it tells what is wrong
        }
    }

    private byte[] write(Map<String, Object> more) {
        List<Object> entries = new ArrayList<>();
        for (Entry entry : sessions) {
            Map<String, Object> session = new LinkedHashMap<>();
            session.put("id", entry.id);
            session.put("uid", entry.uid);
            entries.add(session);
        }
        Map<String, Object> registry = new LinkedHashMap<>();
        registry.put("version", VERSION);
        registry.put("sessions", entries);
        registry.put("stamps", LuodProtocol.stampsAsJson(stamps));
        registry.putAll(more);
        return (Json.write(registry) + "\n").getBytes(StandardCharsets.UTF_8);
    }

    /** Reads what {@link #write} wrote, or a later version of it; throws {@link VmmException} for anything else. */
    static Registry read(byte[] bytes) {
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
                return new Registry(entries, LuodProtocol.stampsOf(registry.get("stamps")));
            }
        } catch (JsonException e) {
            throw new VmmException("luod's registry cannot be read: " + e.getMessage(), e);
        }
        throw new VmmException("luod's registry cannot be read: it has no list of sessions");
    }
}
