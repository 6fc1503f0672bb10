package dev.holdover.cli;

import dev.holdover.linux.VmmException;
import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.TimelineRow;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A timeline as one SVG picture that needs nothing else: a bar for each span, below the one before it. */
final class TimelineSvg {
    private static final int WIDTH = 960;
    private static final int LABELS = 270;
    /** Room to the right of the bars for the span of one that ends there. */
    private static final int SPANS = 110;

    private static final int TOP = 92;
    private static final int ROW = 28;
    private static final int BAR = 16;
    private static final int BOTTOM = 58;
    private static final double LEAST_BAR = 2;
    /** Of a picture's width, as a span's text takes it, px. */
    private static final int DIGIT = 8;

    private final List<TimelineRow> rows;
    private final StringBuilder svg = new StringBuilder();
    private final int height;
    /** Of the axis, µs. */
    private final long least;

    private final long most;

    private TimelineSvg(List<TimelineRow> rows) {
        this.rows = rows;
        this.height = TOP + Math.max(1, rows.size() - 1) * ROW + BOTTOM;
        long low = 0;
        long high = 1;
        for (TimelineRow row : rows) {
            low = Math.min(low, row.afterMicros());
            high = Math.max(high, row.afterMicros());
        }
        this.least = low;
        this.most = high;
    }

    /** Writes the picture in place of what is there. */
    static void write(List<TimelineRow> rows, String file) {
        if (rows.isEmpty()) {
            throw new VmmException("--svg " + file + ": there is no phase to draw");
        }
        try {
            Files.writeString(Path.of(file), new TimelineSvg(rows).draw());
        } catch (IOException e) {
            throw new VmmException("cannot write the picture " + file + ": " + why(e), e);
        }
    }

    private static String why(IOException e) {
        String name = e.getClass().getSimpleName();
        return switch (name) {
            case "NoSuchFileException" -> "ENOENT (No such file or directory)";
            case "AccessDeniedException" -> "EACCES (Permission denied)";
            default -> e.getMessage();
        };
    }

    /** The picture as XML. */
    static String of(List<TimelineRow> rows) {
        return new TimelineSvg(rows).draw();
    }

    private String draw() {
        svg.append("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ").append(WIDTH);
        svg.append(' ')
                .append(height)
                .append("\" width=\"")
                .append(WIDTH)
                .append("\" height=\"")
                .append(height);
        svg.append("\" font-family=\"DejaVu Sans, Helvetica, Arial, sans-serif\" font-size=\"13\" fill=\"#222\">\n");
        rectangle(0, 0, WIDTH, height, "#fff");
        text(24, 34, "start", "font-size=\"18\" font-weight=\"bold\"", title());
        text(24, 58, "start", "fill=\"#555\"", note());
        axis();
        for (int i = 1; i < rows.size(); i++) {
            bar(i);
        }
        return svg.append("</svg>\n").toString();
    }

    private String title() {
        TimelineRow paused = find(Phase.PAUSED);
        TimelineRow running = find(Phase.RUNNING);
        if (paused == null || running == null) {
            TimelineRow last = rows.getLast();
            return "From “" + rows.getFirst().phase() + "” to “" + last.phase() + "”: "
                    + TimelineText.millis(last.afterMicros());
        }
        return "The guest stood still for " + TimelineText.millis(running.afterMicros() - paused.afterMicros());
    }

    private TimelineRow find(Phase phase) {
        for (TimelineRow row : rows) {
            if (row.phase().equals(phase.text())) {
                return row;
            }
        }
        return null;
    }

    private String note() {
        for (TimelineRow row : rows) {
            if (row.rough()) {
                return "Each bar ends where its phase was reached. Across the kexec by real time, ± 1 s.";
            }
        }
        return "Each bar ends where its phase was reached.";
    }

    private double x(long micros) {
        return LABELS + (double) (micros - least) / (most - least) * (WIDTH - LABELS - SPANS);
    }

    private void axis() {
        double bottom = height - BOTTOM + 8.0;
        long step = step(most - least);
        for (long at = -(-least / step) * step; at <= most; at += step) {
            double x = x(at);
            svg.append("<line x1=\"").append(round(x)).append("\" y1=\"").append(TOP - 12);
            svg.append("\" x2=\"").append(round(x)).append("\" y2=\"").append(round(bottom));
            svg.append("\" stroke=\"#ddd\"/>\n");
            text(x, bottom + 18, "middle", "font-size=\"11\" fill=\"#555\"", tick(at, step));
        }
        text(
                x(most),
                bottom + 36,
                "end",
                "font-size=\"11\" fill=\"#555\"",
                "ms since “" + rows.getFirst().phase() + "”");
    }

    /** 1, 2 or 5 times a power of ten, so that there are 4 to 10 ticks. */
    private static long step(long range) {
        long step = 1;
        int turn = 0;
        while (range / step > 9) {
            step = turn % 3 == 1 ? step / 2 * 5 : step * 2;
            turn++;
        }
        return step;
    }

    private static String tick(long micros, long step) {
        return step % 1000 == 0 ? Long.toString(micros / 1000) : Double.toString(micros / 1e3);
    }

    private void bar(int i) {
        long from = rows.get(i - 1).afterMicros();
        long to = rows.get(i).afterMicros();
        double y = TOP + (i - 1.0) * ROW;
        double left = x(Math.min(from, to));
        double width = Math.max(LEAST_BAR, Math.abs(x(to) - x(from)));
        text(LABELS - 14, y + 13, "end", "", rows.get(i).phase());
        rectangle(left, y, width, BAR, isStandingStill(i) ? "#c2410c" : "#64748b");
        String span = TimelineText.millis(to - from);
        boolean inside = width > (span.length() + 2) * DIGIT;
        if (inside) {
            text(left + width - 6, y + 13, "end", "font-size=\"12\" fill=\"#fff\"", span);
        } else {
            text(left + width + 6, y + 13, "start", "font-size=\"12\"", span);
        }
    }

    private boolean isStandingStill(int i) {
        TimelineRow paused = find(Phase.PAUSED);
        TimelineRow running = find(Phase.RUNNING);
        int first = paused == null ? -1 : rows.indexOf(paused);
        int last = running == null ? rows.size() : rows.indexOf(running);
        return first >= 0 && i > first && i <= last;
    }

    private void rectangle(double x, double y, double width, double tall, String fill) {
        svg.append("<rect x=\"")
                .append(round(x))
                .append("\" y=\"")
                .append(round(y))
                .append("\" width=\"");
        svg.append(round(width))
                .append("\" height=\"")
                .append(round(tall))
                .append("\" fill=\"")
                .append(fill)
                .append("\"/>\n");
    }

    private void text(double x, double y, String anchor, String style, String text) {
        svg.append("<text x=\"").append(round(x)).append("\" y=\"").append(round(y));
        svg.append("\" text-anchor=\"")
                .append(anchor)
                .append("\" ")
                .append(style)
                .append('>');
        String clean = InspectText.printable(text);
        svg.append(clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
                .append("</text>\n");
    }

    private static double round(double pixels) {
        return Math.round(pixels * 10) / 10.0;
    }
}
