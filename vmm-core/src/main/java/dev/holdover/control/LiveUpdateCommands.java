package dev.holdover.control;

import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.TimelineEvent;
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

    /** Each phase with its clocks, and how long after the first it came: by the host's TSC where both have it. */
    private Object queryTimeline(Call call) {
        List<Object> phases = new ArrayList<>();
        List<TimelineEvent> events = guest.timeline();
        int khz = guest.tscKhz();
        for (TimelineEvent event : events) {
            Map<String, Object> entry = new LinkedHashMap<>();
            Phase phase = Phase.of(event.phase());
            entry.put("phase", phase == null ? Integer.toString(event.phase()) : phase.text());
            TimelineEvent first = events.getFirst();
            boolean byTsc = khz > 0 && event.tsc() != 0 && first.tsc() != 0;
            double micros =
                    byTsc ? (event.tsc() - first.tsc()) * 1e3 / khz : (event.realtime() - first.realtime()) / 1e3;
            entry.put("after-us", Math.round(micros));
            entry.put("clock", byTsc ? "host-tsc" : "realtime");
            entry.put("realtime-ns", event.realtime());
            entry.put("monotonic-ns", event.monotonic());
            entry.put("host-tsc", event.tsc());
            phases.add(entry);
        }
        return phases;
    }
}
