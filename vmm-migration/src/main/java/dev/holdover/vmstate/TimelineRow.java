package dev.holdover.vmstate;

import java.util.ArrayList;
import java.util.List;

/**
 * A phase, and how long after the first one it was reached.
 *
 * @param phase for people
 * @param afterMicros since the first phase, µs
 * @param clock by which clock
 * @param rough whether a kexec lies between and only real time spans it: it may be off by a second
 */
public record TimelineRow(String phase, long afterMicros, Clock clock, boolean rough) {
    /** What a time was read from. */
    public enum Clock {
        /** The host's time-stamp counter, which runs on through a kexec. */
        TSC("host-tsc", "host TSC"),
        /** CLOCK_MONOTONIC, beside a phase of the same kernel. */
        MONOTONIC("monotonic", "monotonic"),
        /** CLOCK_REALTIME. */
        REALTIME("realtime", "real time");

        private final String word;
        private final String text;

        Clock(String word, String text) {
            this.word = word;
            this.text = text;
        }

        /** For programs. */
        public String word() {
            return word;
        }

        /** For people. */
        public String text() {
            return text;
        }

        /** The clock of that {@link #word}; real time if this version knows none. */
        public static Clock of(String word) {
            for (Clock clock : values()) {
                if (clock.word.equals(word)) {
                    return clock;
                }
            }
            return REALTIME;
        }
    }

    /**
     * A row for each event.
     *
     * <p>Each kernel has one event that stands for it: the first with a TSC, if the first kernel has one too, else its
     * first. That event is placed by the TSC, or by real time, which a kexec shifts by up to a second. All others of that
     * kernel are placed beside it.
     *
     * @param tscKhz the host's TSC, kHz; 0 if not known
     */
    public static List<TimelineRow> of(List<TimelineEvent> events, int tscKhz) {
        List<TimelineRow> rows = new ArrayList<>();
        TimelineEvent origin = null;
        for (int from = 0; from < events.size(); ) {
            int to = endOfKernel(events, from);
            TimelineEvent anchor = anchor(events.subList(from, to), tscKhz);
            if (origin == null) {
                origin = anchor;
            }
            boolean byTsc = tscKhz > 0 && origin.tsc() != 0 && Long.compareUnsigned(anchor.tsc(), origin.tsc()) >= 0;
            boolean rough = from > 0 && !byTsc;
            double base = byTsc ? (anchor.tsc() - origin.tsc()) * 1e6 / tscKhz : anchor.realtime() - origin.realtime();
            for (int i = from; i < to; i++) {
                rows.add(beside(anchor, base, events.get(i), tscKhz, rough));
            }
            from = to;
        }
        return sinceFirst(rows);
    }

    /** The clocks of another kernel begin with its first event, or where the monotonic clock goes back. */
    private static int endOfKernel(List<TimelineEvent> events, int from) {
        long monotonic = events.get(from).monotonic();
        for (int i = from + 1; i < events.size(); i++) {
            TimelineEvent event = events.get(i);
            if (event.phase() == Phase.KERNEL_UP.code() || (event.monotonic() != 0 && event.monotonic() < monotonic)) {
                return i;
            }
            monotonic = Math.max(monotonic, event.monotonic());
        }
        return events.size();
    }

    private static TimelineEvent anchor(List<TimelineEvent> ofKernel, int tscKhz) {
        for (TimelineEvent event : ofKernel) {
            if (tscKhz > 0 && event.tsc() != 0) {
                return event;
            }
        }
        return ofKernel.getFirst();
    }

    /** In nanoseconds here. */
    private static TimelineRow beside(
            TimelineEvent anchor, double base, TimelineEvent event, int tscKhz, boolean rough) {
        Phase phase = Phase.of(event.phase());
        String name = phase == null ? "phase " + event.phase() : phase.text();
        if (tscKhz > 0 && anchor.tsc() != 0 && event.tsc() != 0) {
            long nanos = Math.round(base + (event.tsc() - anchor.tsc()) * 1e6 / tscKhz);
            return new TimelineRow(name, nanos, rough ? Clock.REALTIME : Clock.TSC, rough);
        }
        if (anchor.monotonic() != 0 && event.monotonic() != 0) {
            long nanos = Math.round(base + (event.monotonic() - anchor.monotonic()));
            return new TimelineRow(name, nanos, rough ? Clock.REALTIME : Clock.MONOTONIC, rough);
        }
        return new TimelineRow(name, Math.round(base + (event.realtime() - anchor.realtime())), Clock.REALTIME, rough);
    }

    /** The first kernel's anchor need not be the first event. */
    private static List<TimelineRow> sinceFirst(List<TimelineRow> nanos) {
        List<TimelineRow> rows = new ArrayList<>();
        for (TimelineRow row : nanos) {
            long after = row.afterMicros - nanos.getFirst().afterMicros;
            rows.add(new TimelineRow(row.phase, Math.round(after / 1e3), row.clock, row.rough));
        }
        return rows;
    }
}
