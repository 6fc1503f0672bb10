package dev.holdover.cli;

import dev.holdover.vmstate.TimelineRow;
import java.io.PrintStream;
import java.util.List;

/** A timeline as a table of up to 80 columns. */
final class TimelineText {
    private static final int PHASE = 33;
    private static final int MILLIS = 13;

    private TimelineText() {}

    static void print(List<TimelineRow> rows, PrintStream out) {
        out.println("  " + pad("phase") + right("since first") + right("span") + "  by");
        for (int i = 0; i < rows.size(); i++) {
            TimelineRow row = rows.get(i);
            String span =
                    i == 0 ? "" : millis(row.afterMicros() - rows.get(i - 1).afterMicros());
            out.println("  " + pad(InspectText.printable(row.phase())) + right(millis(row.afterMicros())) + right(span)
                    + "  " + clock(row));
        }
    }

    /** Which clock, and what it may be off by. */
    static String clock(TimelineRow row) {
        return row.clock().text() + (row.rough() ? " ± 1 s" : "");
    }

    /** With unit: {@code 12.345 ms}. */
    static String millis(long micros) {
        long whole = Math.abs(micros);
        String fraction = Long.toString(1000 + whole % 1000).substring(1);
        return (micros < 0 ? "-" : "") + whole / 1000 + "." + fraction + " ms";
    }

    private static String pad(String text) {
        return text + " ".repeat(Math.max(1, PHASE - text.length()));
    }

    private static String right(String text) {
        return " ".repeat(Math.max(1, MILLIS - text.length())) + text;
    }
}
