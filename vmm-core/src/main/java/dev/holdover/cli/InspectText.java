package dev.holdover.cli;

import dev.holdover.machine.StateGroup;
import dev.holdover.machine.StateValue;
import dev.holdover.machine.StateView;
import dev.holdover.memory.ByteSize;
import dev.holdover.vmstate.TimelineRow;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A state for people, on a terminal of 80 columns. */
final class InspectText {
    private static final int WIDTH = 80;
    private static final int INDENT = 2;
    private static final int NAMES = 16;
    private static final int REGISTER_DIGITS = 16;

    private final PrintStream out;

    InspectText(PrintStream out) {
        this.out = out;
    }

    void print(String state, StateView view, List<TimelineRow> timeline) {
        out.println(printable(state));
        fields(view.header());
        if (view.machine() != null) {
            heading("Machine");
            fields(view.machine());
        }
        heading("RAM");
        rows(view.ram());
        heading("Sections");
        sections(view.sections());
        for (StateGroup.Field vcpu : view.vcpus().fields()) {
            heading("vCPU " + vcpu.name());
            fields((StateGroup) vcpu.value());
        }
        if (!view.devices().fields().isEmpty()) {
            heading("Devices");
            fields(view.devices());
        }
        if (!timeline.isEmpty()) {
            heading("Timeline");
            StateGroup first = (StateGroup) view.timeline().items().getFirst();
            for (StateGroup.Field field : first.fields()) {
                if (field.name().equals("at")) {
                    out.println("  from " + text(field.value()));
                }
            }
            TimelineText.print(timeline, out);
        }
    }

    private void heading(String title) {
        out.println();
        out.println(title);
    }

    private void sections(StateGroup sections) {
        out.println(pad("  name", 26) + left("version", 9) + left("offset", 10) + left("bytes", 10));
        for (StateGroup.Field section : sections.fields()) {
            StateGroup row = (StateGroup) section.value();
            out.println(pad("  " + section.name(), 26)
                    + left(number(row, 0), 9)
                    + left(number(row, 1), 10)
                    + left(number(row, 2), 10)
                    + "  " + text(row.fields().get(3).value()));
        }
    }

    /** Groups whose first value is their name. */
    private void rows(StateValue.Items items) {
        for (StateValue item : items.items()) {
            List<String> words = words(item);
            words.removeFirst();
            lines(text(((StateGroup) item).fields().getFirst().value()), words);
        }
    }

    private static String number(StateGroup row, int column) {
        StateValue value = row.fields().get(column).value();
        return value instanceof StateValue.Size size ? Long.toString(size.bytes()) : text(value);
    }

    private void fields(StateGroup group) {
        for (StateGroup.Field field : group.fields()) {
            // A section's id stays as it is in the table.
            String name = field.name().indexOf(' ') < 0 ? field.name().replace('-', ' ') : field.name();
            if (field.value() instanceof StateGroup registers && areRegisters(registers)) {
                grid(registers);
            } else if (field.value() instanceof StateGroup parts && hasParts(parts)) {
                // Each of them on a line of its own, below the plain ones.
                lines(name, words(parts));
                for (StateGroup.Field part : parts.fields()) {
                    if (!(part.value() instanceof StateValue.Plain)) {
                        below(part);
                    }
                }
            } else if (field.value() instanceof StateValue.Items items) {
                for (int i = 0; i < items.items().size(); i++) {
                    lines(i == 0 ? name : "", words(items.items().get(i)));
                }
            } else {
                lines(name, words(field.value()));
            }
        }
    }

    private void below(StateGroup.Field part) {
        if (part.value() instanceof StateValue.Items items) {
            for (int i = 0; i < items.items().size(); i++) {
                List<String> words = words(items.items().get(i));
                words.addFirst("[" + i + "]");
                lines("  " + part.name().replace('-', ' '), words);
            }
            return;
        }
        lines("  " + part.name().replace('-', ' '), words(part.value()));
    }

    private static boolean hasParts(StateGroup group) {
        for (StateGroup.Field field : group.fields()) {
            if (!(field.value() instanceof StateValue.Plain)) {
                return true;
            }
        }
        return false;
    }

    private static boolean areRegisters(StateGroup group) {
        for (StateGroup.Field field : group.fields()) {
            if (!(field.value() instanceof StateValue.Hex hex) || hex.digits() != REGISTER_DIGITS) {
                return false;
            }
        }
        return group.fields().size() > 2;
    }

    /** Registers, three in a row. */
    private void grid(StateGroup group) {
        StringBuilder row = new StringBuilder();
        for (int i = 0; i < group.fields().size(); i++) {
            StateGroup.Field field = group.fields().get(i);
            row.append(i % 3 == 0 ? " ".repeat(INDENT) : "  ")
                    .append(pad(field.name().toUpperCase(Locale.ROOT), 7))
                    .append(digits((StateValue.Hex) field.value()));
            if (i % 3 == 2 || i == group.fields().size() - 1) {
                out.println(row);
                row.setLength(0);
            }
        }
    }

    /** What is to be kept together on a line: "name value," for what has a name. */
    private static List<String> words(StateValue value) {
        List<String> words = new ArrayList<>();
        if (value instanceof StateGroup group) {
            for (StateGroup.Field field : group.fields()) {
                if (field.value() instanceof StateValue.Plain) {
                    // "kept in place" says it alone.
                    boolean alone = field.name().equals("where");
                    String name = alone ? "" : field.name().replace('-', ' ') + " ";
                    words.add(name + text(field.value()));
                }
            }
            for (int i = 0; i < words.size() - 1; i++) {
                words.set(i, words.get(i) + ",");
            }
        } else {
            words.addAll(List.of(text(value).split(" ")));
        }
        return words;
    }

    /** A name and what belongs to it, the lines below indented as the first. */
    private void lines(String name, List<String> words) {
        StringBuilder line = new StringBuilder(pad(" ".repeat(INDENT) + name, NAMES));
        int start = line.length();
        for (String word : words) {
            if (line.length() > start && line.length() + 1 + word.length() > WIDTH) {
                out.println(line);
                line.setLength(0);
                line.append(" ".repeat(NAMES));
                start = NAMES;
            }
            line.append(line.length() > start ? " " : "").append(word);
        }
        out.println(line.toString().stripTrailing());
    }

    private static String text(StateValue value) {
        if (value instanceof StateValue.Text text) {
            return printable(text.text());
        } else if (value instanceof StateValue.Count count) {
            return Long.toString(count.value());
        } else if (value instanceof StateValue.Flag flag) {
            return flag.on() ? "on" : "off";
        } else if (value instanceof StateValue.Size size) {
            return ByteSize.text(size.bytes());
        }
        return hex((StateValue.Hex) value);
    }

    static String hex(StateValue.Hex hex) {
        return "0x" + digits(hex);
    }

    private static String digits(StateValue.Hex hex) {
        String digits = Long.toHexString(hex.value());
        return "0".repeat(Math.max(0, hex.digits() - digits.length())) + digits;
    }

    /** Text that does nothing to a terminal: control and format characters are shown as escapes. */
    static String printable(String text) {
        StringBuilder printable = new StringBuilder();
        for (int at = 0; at < text.length(); ) {
            int c = text.codePointAt(at);
            at += Character.charCount(c);
            int type = Character.getType(c);
            boolean shown = type != Character.CONTROL
                    && type != Character.FORMAT
                    && type != Character.SURROGATE
                    && type != Character.LINE_SEPARATOR
                    && type != Character.PARAGRAPH_SEPARATOR;
            if (shown) {
                printable.appendCodePoint(c);
            } else {
                printable.append("\\u{").append(Integer.toHexString(c)).append('}');
            }
        }
        return printable.toString();
    }

    private static String pad(String text, int width) {
        return text + " ".repeat(Math.max(1, width - text.length()));
    }

    private static String left(String text, int width) {
        return " ".repeat(Math.max(1, width - text.length())) + text;
    }
}
