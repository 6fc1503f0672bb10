package dev.holdover.control;

import dev.holdover.vmstate.TimelineEvent;
import dev.holdover.vmstate.TimelineRow;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Commands for live updates that no agent announces, and for looking at the last one. */
final class LiveUpdateCommands {
    private final Guest guest;
    private final Migration migration;

    LiveUpdateCommands(Guest guest, Migration migration) {
        this.guest = guest;
        this.migration = migration;
    }

    List<Command> commands() {
        return List.of(
                new Command("live-update-prepare", this::prepare),
                new Command("live-update-preserve", this::preserve),
                new Command("live-update-abort", this::abort),
                new Command("query-timeline", this::queryTimeline));
    }

    private Object prepare(Call call) throws QmpException {
        migration.requireNone();
        guest.prepareLiveUpdate();
        return null;
    }

    private Object preserve(Call call) throws QmpException {
        migration.requireNone();
        guest.preserveForLiveUpdate();
        return null;
    }

    private Object abort(Call call) {
        guest.abortLiveUpdate();
        return null;
    }

    /** Each phase with its clocks, and how long after the first it came. */
    private Object queryTimeline(Call call) {
        List<Object> phases = new ArrayList<>();
        List<TimelineEvent> events = guest.timeline();
        List<TimelineRow> rows = TimelineRow.of(events, guest.tscKhz());
        for (int i = 0; i < rows.size(); i++) {
            TimelineRow row = rows.get(i);
            TimelineEvent event = events.get(i);
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("phase", row.phase());
            entry.put("after-us", row.afterMicros());
            entry.put("clock", row.clock().word());
            entry.put("rough", row.rough());
            entry.put("realtime-ns", event.realtime());
            entry.put("monotonic-ns", event.monotonic());
            entry.put("host-tsc", event.tsc());
            phases.add(entry);
        }
        return phases;
    }
}
