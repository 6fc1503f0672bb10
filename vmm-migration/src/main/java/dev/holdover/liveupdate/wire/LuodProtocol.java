package dev.holdover.liveupdate.wire;

import dev.holdover.json.Json;
import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.TimelineEvent;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What both ends of a connection to luod write and read: docs/luod.md. */
public final class LuodProtocol {
    /** Of the extensions that these ends know; a message that names it speaks of them. */
    public static final long VERSION = 1;

    /** More than there are phases. */
    private static final int MAX_STAMPS = 16;

    private LuodProtocol() {}

    /** As a message and the registry have them. */
    public static List<Object> stampsAsJson(List<TimelineEvent> stamps) {
        List<Object> list = new ArrayList<>();
        for (TimelineEvent event : stamps) {
            Map<String, Object> stamp = new LinkedHashMap<>();
            stamp.put("phase", event.phase());
            stamp.put("monotonic", event.monotonic());
            stamp.put("realtime", event.realtime());
            list.add(stamp);
        }
        return list;
    }

    /** What of it is stamps; they are for show, so whatever else is there is left out. */
    public static List<TimelineEvent> stampsOf(Object json) {
        List<TimelineEvent> stamps = new ArrayList<>();
        if (json instanceof List<?> list && list.size() <= MAX_STAMPS) {
            for (Object element : list) {
                Map<String, Object> stamp = Json.object(element);
                if (stamp != null
                        && stamp.get("phase") instanceof Long phase
                        && stamp.get("monotonic") instanceof Long monotonic
                        && stamp.get("realtime") instanceof Long realtime
                        && Phase.of((int) (long) phase) != null) {
                    stamps.add(new TimelineEvent((int) (long) phase, monotonic, realtime, 0));
                }
            }
        }
        return stamps;
    }
}
