package dev.holdover.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * What the lines say: goals, plots and tables, as one page that needs nothing else; the tables in Markdown; the goals for the
 * terminal.
 */
final class Report {
    private static final double MILLION = 1_000_000;
    private static final List<String> WHAT = List.of("holdover", "floor");

    private final List<Map<String, Object>> lines;
    private final Map<String, Object> host;
    private final StringBuilder body = new StringBuilder();
    private final StringBuilder markdown = new StringBuilder();
    private final Map<String, String> plots = new LinkedHashMap<>();

    Report(List<Map<String, Object>> lines, Map<String, Object> host) {
        this.lines = lines;
        this.host = host;
    }

    // ---- what the lines hold

    private static Predicate<Map<String, Object>> is(Object... keysAndValues) {
        return line -> {
            for (int i = 0; i < keysAndValues.length; i += 2) {
                if (!String.valueOf(line.get(keysAndValues[i])).equals(String.valueOf(keysAndValues[i + 1]))) {
                    return false;
                }
            }
            return true;
        };
    }

    private static double number(Map<String, Object> line, String key) {
        return ((Number) line.get(key)).doubleValue();
    }

    private Sample nanos(Object... keysAndValues) {
        return Sample.of(lines, is(keysAndValues), line -> number(line, "nanos"));
    }

    private Sample part(String part, Object... keysAndValues) {
        return Sample.of(
                lines,
                is(keysAndValues).and(line -> parts(line).containsKey(part)),
                line -> ((Number) parts(line).get(part)).doubleValue());
    }

    private static Map<?, ?> parts(Map<String, Object> line) {
        return line.get("parts") instanceof Map<?, ?> parts ? parts : Map.of();
    }

    /** The values that a key has among the lines that are meant, as they come. */
    private List<String> values(String key, Object... keysAndValues) {
        Set<String> values = new LinkedHashSet<>();
        for (Map<String, Object> line : lines) {
            if (is(keysAndValues).test(line) && line.containsKey(key)) {
                values.add(String.valueOf(line.get(key)));
            }
        }
        return new ArrayList<>(values);
    }

    private static String size(String mib) {
        int n = Integer.parseInt(mib);
        return n >= 1024 ? n / 1024 + " GiB" : n + " MiB";
    }

    private static String ms(double nanos) {
        return Double.isNaN(nanos) ? "–" : String.format(Locale.ROOT, "%.2f", nanos / MILLION);
    }

    private static String ratio(Sample ours, Sample reference) {
        if (ours.isEmpty() || reference.isEmpty()) {
            return "–";
        }
        double[] range = ours.ratios(reference);
        String median = String.format(Locale.ROOT, "%.2f", ours.median() / reference.median());
        return range[1] == 0
                ? median
                : median + String.format(Locale.ROOT, " (rounds %.2f to %.2f)", range[0], range[1]);
    }

    // ---- goals

    private record Goal(String what, String goal, String reached) {}

    private List<Goal> goals() {
        List<Goal> goals = new ArrayList<>();
        for (String mib : List.of("256", "4096")) {
            Object[] which = {
                "benchmark", "RestoreBenchmark", "mib", mib, "touched", "false", "cpus", "1", "ram", "FILE"
            };
            Sample ours = nanos(and(which, "contestant", "holdover"));
            Sample floor = nanos(and(which, "contestant", "floor"));
            if (!ours.isEmpty()) {
                goals.add(new Goal(
                        "in-process restore ÷ its system calls, " + size(mib),
                        "≤ 1.25",
                        ratio(ours, floor) + ": " + ms(ours.median()) + " ÷ " + ms(floor.median()) + " ms"));
            }
        }
        for (String mib : values("mib", "benchmark", "HandOver")) {
            for (String name : values("contestant", "benchmark", "HandOver")) {
                if (!name.startsWith("QEMU")) {
                    Sample ours = nanos("benchmark", "HandOver", "mib", mib, "contestant", name);
                    goals.add(new Goal(
                            "hand-over blackout, 1 vCPU, " + size(mib) + ", fresh pairs, " + name,
                            mib.equals("1024") ? "≤ 1 ms median" : "–",
                            ms(ours.median()) + " ms (90 %: " + ms(ours.percentile(90)) + ")"));
                }
            }
        }
        StringBuilder stopped = new StringBuilder();
        for (String mib : values("mib", "benchmark", "SaveBenchmark", "store", "memory")) {
            Sample ours = part(
                    "stopped",
                    "benchmark",
                    "SaveBenchmark",
                    "mib",
                    mib,
                    "cpus",
                    "1",
                    "store",
                    "memory",
                    "contestant",
                    "holdover");
            stopped.append(stopped.isEmpty() ? "" : ", ")
                    .append(ms(ours.median()))
                    .append(" at ")
                    .append(size(mib));
        }
        if (!stopped.isEmpty()) {
            goals.add(new Goal(
                    "save, stopped part, state on tmpfs", "≤ 0.5 ms, flat in RAM", stopped + " (ms, medians)"));
        }
        for (String benchmark : List.of("ColdRestore", "ColdStart")) {
            for (String name : contestants(false)) {
                for (String qemu : contestants(true)) {
                    coldGoal(goals, benchmark, name, qemu);
                }
            }
        }
        for (String rom : values("rom", "benchmark", "ExitBenchmark")) {
            for (String flags : values("flags", "benchmark", "ExitBenchmark")) {
                Sample ours = nanos("benchmark", "ExitBenchmark", "rom", rom, "flags", flags, "contestant", "holdover");
                Sample floor = nanos("benchmark", "ExitBenchmark", "rom", rom, "flags", flags, "contestant", "floor");
                goals.add(new Goal(
                        exit(rom) + " exit ÷ KVM_RUN in a loop, " + compiler(flags),
                        rom.equals("PORT_WRITES") && flags.isEmpty() ? "≤ 1.05 of C" : "–",
                        ratio(ours, floor) + ": " + Math.round(ours.median()) + " ÷ " + Math.round(floor.median())
                                + " ns"));
            }
        }
        for (String name : contestants(false)) {
            Sample memory = Sample.of(
                    lines, is("benchmark", "ColdRestore", "mib", "256", "contestant", name), Report::ownMemory);
            if (!memory.isEmpty()) {
                goals.add(new Goal(
                        "resident memory besides guest RAM, after a restore, " + name,
                        "≤ 64 MiB",
                        String.format(Locale.ROOT, "%.0f MiB", memory.median())));
            }
        }
        return goals;
    }

    private static Object[] and(Object[] keysAndValues, Object... more) {
        Object[] all = new Object[keysAndValues.length + more.length];
        System.arraycopy(keysAndValues, 0, all, 0, keysAndValues.length);
        System.arraycopy(more, 0, all, keysAndValues.length, more.length);
        return all;
    }

    private void coldGoal(List<Goal> goals, String benchmark, String name, String qemu) {
        Sample ours = nanos("benchmark", benchmark, "mib", "256", "contestant", name);
        Sample theirs = nanos("benchmark", benchmark, "mib", "256", "contestant", qemu);
        if (ours.isEmpty() || theirs.isEmpty()) {
            return;
        }
        boolean restore = benchmark.equals("ColdRestore");
        goals.add(new Goal(
                (restore ? "cold restore" : "cold start") + ", spawn → first byte, " + name + " ÷ " + qemu,
                restore && !qemu.contains("microvm") ? "≤ 2.5, stretch ≤ 1.5" : "–",
                String.format(Locale.ROOT, "%.2f", ours.median() / theirs.median()) + " (least "
                        + String.format(Locale.ROOT, "%.2f", ours.least() / theirs.least()) + "): "
                        + ms(ours.median()) + " ÷ " + ms(theirs.median()) + " ms"));
    }

    /** Who takes part in the cold benchmarks: QEMUs, or the others. */
    private List<String> contestants(boolean qemus) {
        List<String> all = values("contestant", "benchmark", "ColdRestore");
        if (all.isEmpty()) {
            all = values("contestant", "benchmark", "ColdStart");
        }
        List<String> names = new ArrayList<>();
        for (String name : all) {
            if (name.startsWith("QEMU") == qemus) {
                names.add(name);
            }
        }
        return names;
    }

    /** MiB. */
    private static double ownMemory(Map<String, Object> line) {
        return (number(line, "anonKib") + number(line, "fileKib")) / 1024;
    }

    private static String exit(String rom) {
        return rom.equals("PORT_WRITES") ? "PIO" : "MMIO";
    }

    private static String compiler(String flags) {
        return flags.contains("TieredStopAtLevel") ? "C1 only" : "C1 and C2";
    }

    // ---- the page

    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }

    private void heading(String text) {
        body.append("<h2>").append(escape(text)).append("</h2>\n");
        markdown.append("\n### ").append(text).append('\n');
    }

    private void text(String text) {
        body.append("<p>").append(escape(text)).append("</p>\n");
    }

    private void table(List<String> head, List<List<String>> rows) {
        markdown.append('\n');
        row(head);
        markdown.append("|---".repeat(head.size())).append("|\n");
        body.append("<table><thead><tr>");
        for (String cell : head) {
            body.append("<th>").append(escape(cell)).append("</th>");
        }
        body.append("</tr></thead><tbody>\n");
        for (List<String> row : rows) {
            row(row);
            body.append("<tr>");
            for (String cell : row) {
                body.append("<td>").append(escape(cell)).append("</td>");
            }
            body.append("</tr>\n");
        }
        body.append("</tbody></table>\n");
    }

    private void row(List<String> cells) {
        for (String cell : cells) {
            markdown.append("| ").append(cell.replace("|", "\\|")).append(' ');
        }
        markdown.append("|\n");
    }

    private void plot(String name, String caption, String svg) {
        plots.put(name, svg);
        String data = Base64.getEncoder().encodeToString(svg.getBytes(StandardCharsets.UTF_8));
        body.append("<figure><img alt=\"")
                .append(escape(caption))
                .append("\" src=\"data:image/svg+xml;base64,")
                .append(data)
                .append("\"><figcaption>")
                .append(escape(caption))
                .append("</figcaption></figure>\n");
    }

    private void goalTable() {
        List<List<String>> rows = new ArrayList<>();
        for (Goal goal : goals()) {
            rows.add(List.of(goal.what(), goal.goal(), goal.reached()));
        }
        if (!rows.isEmpty()) {
            heading("Goals");
            table(List.of("", "goal", "reached"), rows);
        }
    }

    private void cold(String benchmark, String title) throws IOException {
        List<String> names = values("contestant", "benchmark", benchmark);
        if (names.isEmpty()) {
            return;
        }
        heading(title);
        Map<String, Sample> spread = new LinkedHashMap<>();
        Plots.Figures bySize = new Plots.Figures();
        List<List<String>> rows = new ArrayList<>();
        for (String mib : values("mib", "benchmark", benchmark)) {
            for (String name : names) {
                Object[] which = {"benchmark", benchmark, "mib", mib, "contestant", name};
                Sample sample = nanos(which);
                if (mib.equals("256")) {
                    spread.put(name, Sample.of(lines, is(which), line -> number(line, "nanos") / MILLION));
                }
                bySize.add(name, size(mib), sample.median() / MILLION);
                Sample cpu = Sample.of(lines, is(which), line -> number(line, "cpuNanos"));
                Sample memory = Sample.of(lines, is(which), Report::ownMemory);
                rows.add(List.of(
                        size(mib),
                        name,
                        Integer.toString(sample.size()),
                        ms(sample.least()),
                        ms(sample.median()),
                        ms(sample.percentile(90)),
                        ms(sample.percentile(100)),
                        ms(cpu.median()),
                        String.format(Locale.ROOT, "%.0f", memory.median())));
            }
        }
        text(
                "From the spawn of a process to the first byte that its guest writes; contestants take turns. Processor time"
                        + " and resident memory (without shared memory, where the guest's RAM is) are those at that moment.");
        plot(
                benchmark + "-percentiles",
                title + ", 256 MiB: spawn to first byte, by percentile",
                Plots.percentiles("ms", spread));
        if (values("mib", "benchmark", benchmark).size() > 1) {
            plot(
                    benchmark + "-sizes",
                    title + ": spawn to first byte, medians by RAM size",
                    Plots.bars("guest RAM", "ms", bySize, false));
        }
        table(List.of("RAM", "", "runs", "least ms", "median", "90 %", "greatest", "CPU ms", "MiB"), rows);
    }

    private void handOvers() throws IOException {
        handOvers(
                HandOvers.Way.STANDBY,
                "Hand-over",
                "How long a guest stands still on its way to another process of the same host: its first, between two that are"
                        + " fresh. QEMU has nothing like it: it is timed from its event STOP to the RESUME of a second one that"
                        + " waits, over a state file, RAM shared.",
                "handover",
                "Hand-over: blackout by RAM size, medians",
                "The parts of a hand-over, medians");
        handOvers(
                HandOvers.Way.REPLACED,
                "Replacement of a VMM",
                "How long a guest stands still when its VMM ends and another is started in its place: ours by a luod that holds RAM"
                        + " and state meanwhile (luod --backend hold, luoctl kexec, restore --live-update), QEMU from its event"
                        + " STOP to its guest's first byte, over a state file, RAM in a file, shared.",
                "held-handover",
                "Replacement: blackout by RAM size, medians",
                "The parts of a replacement, medians");
    }

    private void handOvers(
            HandOvers.Way way, String title, String explanation, String plots, String sizesCaption, String partsCaption)
            throws IOException {
        List<String> sizes = values("mib", "benchmark", way.benchmark());
        if (sizes.isEmpty()) {
            return;
        }
        heading(title);
        text(explanation);
        Plots.Figures bySize = new Plots.Figures();
        Plots.Figures stacks = new Plots.Figures();
        List<List<String>> rows = new ArrayList<>();
        for (String mib : sizes) {
            for (String name : values("contestant", "benchmark", way.benchmark())) {
                Sample sample = nanos("benchmark", way.benchmark(), "mib", mib, "contestant", name);
                bySize.add(name, size(mib), sample.median() / MILLION);
                rows.add(List.of(
                        size(mib),
                        name,
                        Integer.toString(sample.size()),
                        ms(sample.least()),
                        ms(sample.median()),
                        ms(sample.percentile(90)),
                        ms(sample.percentile(100))));
            }
            for (String part : way.parts()) {
                Sample sample = part(part, "benchmark", way.benchmark(), "mib", mib, "contestant", "Holdover");
                stacks.add(part, size(mib), sample.median() / MILLION);
            }
        }
        plot(plots + "-sizes", sizesCaption, Plots.bars("guest RAM", "ms", bySize, false));
        plot(plots + "-parts", partsCaption, Plots.stacks("guest RAM", "ms", stacks));
        table(List.of("RAM", "", "runs", "least ms", "median", "90 %", "greatest"), rows);
    }

    private void restore() throws IOException {
        if (values("mib", "benchmark", "RestoreBenchmark").isEmpty()) {
            return;
        }
        heading("Restore in a warm process");
        text(
                "From a state file and RAM that are there to the restored guest's first exit. The floor makes the same system"
                        + " calls with nothing around them. \"Touched\": every page of the RAM is there.");
        Plots.Figures bySize = new Plots.Figures();
        Plots.Figures stacks = new Plots.Figures();
        Plots.Figures byCpus = new Plots.Figures();
        Plots.Figures byRam = new Plots.Figures();
        List<List<String>> rows = new ArrayList<>();
        for (String mib : values("mib", "benchmark", "RestoreBenchmark")) {
            for (String touched : List.of("false", "true")) {
                for (String what : WHAT) {
                    double median =
                            restoreSample(mib, touched, "1", "FILE", what).median();
                    bySize.add(what + (touched.equals("true") ? ", touched" : ""), size(mib), median / MILLION);
                }
                restoreRow(rows, mib, touched, "1", "FILE");
            }
            for (String what : WHAT) {
                stack(stacks, mib, what);
            }
        }
        for (String cpus : values("cpus", "benchmark", "RestoreBenchmark")) {
            for (String what : WHAT) {
                byCpus.add(
                        what,
                        cpus,
                        restoreSample("256", "false", cpus, "FILE", what).median() / MILLION);
            }
            if (!cpus.equals("1")) {
                restoreRow(rows, "256", "false", cpus, "FILE");
            }
        }
        for (String ram : values("ram", "benchmark", "RestoreBenchmark")) {
            for (String what : WHAT) {
                byRam.add(
                        what,
                        ram.toLowerCase(Locale.ROOT),
                        restoreSample("256", "false", "1", ram, what).median() / MILLION);
            }
            if (!ram.equals("FILE")) {
                restoreRow(rows, "256", "false", "1", ram);
            }
        }
        plot("restore-sizes", "Restore by RAM size, medians", Plots.lines("guest RAM", "ms", bySize));
        plot(
                "restore-parts",
                "The parts of a restore, medians, untouched RAM; left the machine, right the floor",
                Plots.stacks("guest RAM", "ms", stacks));
        plot("restore-cpus", "Restore by vCPUs, 256 MiB, medians", Plots.bars("vCPUs", "ms", byCpus, true));
        plot("restore-ram", "Restore by where RAM is, 256 MiB, medians", Plots.bars("RAM", "ms", byRam, true));
        table(
                List.of("RAM", "in", "pages", "vCPUs", "runs", "Holdover median ms", "90 %", "floor", "90 %", "ratio"),
                rows);
    }

    private Sample restoreSample(String mib, String touched, String cpus, String ram, String contestant) {
        return nanos(
                "benchmark",
                "RestoreBenchmark",
                "mib",
                mib,
                "touched",
                touched,
                "cpus",
                cpus,
                "ram",
                ram,
                "contestant",
                contestant);
    }

    private void restoreRow(List<List<String>> rows, String mib, String touched, String cpus, String ram) {
        Sample ours = restoreSample(mib, touched, cpus, ram, "holdover");
        Sample floor = restoreSample(mib, touched, cpus, ram, "floor");
        if (!ours.isEmpty()) {
            rows.add(List.of(
                    size(mib),
                    ram.toLowerCase(Locale.ROOT),
                    touched.equals("true") ? "touched" : "untouched",
                    cpus,
                    Integer.toString(ours.size()),
                    ms(ours.median()),
                    ms(ours.percentile(90)),
                    ms(floor.median()),
                    ms(floor.percentile(90)),
                    ratio(ours, floor)));
        }
    }

    private void stack(Plots.Figures stacks, String mib, String what) {
        for (String part : List.of("read", "open", "memslots", "irqchip", "vcpus", "state", "run")) {
            Sample sample = part(
                    part,
                    "benchmark",
                    "RestoreBenchmark",
                    "mib",
                    mib,
                    "touched",
                    "false",
                    "cpus",
                    "1",
                    "ram",
                    "FILE",
                    "contestant",
                    what);
            stacks.add(part, size(mib) + (what.equals("floor") ? " floor" : ""), sample.median() / MILLION);
        }
    }

    private void save() throws IOException {
        List<String> sizes = values("mib", "benchmark", "SaveBenchmark");
        if (sizes.isEmpty()) {
            return;
        }
        heading("Save in a warm process");
        text(
                "From a running guest to a durable state, RAM left in place. The floor reads the same state of a guest that"
                        + " stands still already, writes as many bytes, syncs and renames them.");
        Plots.Figures bySize = new Plots.Figures();
        List<List<String>> rows = new ArrayList<>();
        for (String mib : sizes) {
            for (String store : values("store", "benchmark", "SaveBenchmark", "mib", mib)) {
                for (String cpus : values("cpus", "benchmark", "SaveBenchmark", "mib", mib, "store", store)) {
                    saveRow(rows, bySize, mib, store, cpus);
                }
            }
        }
        plot(
                "save-stopped",
                "Save: how long the guest stands still, state on tmpfs, medians by RAM size",
                Plots.bars("guest RAM", "ms", bySize, true));
        table(
                List.of(
                        "RAM",
                        "vCPUs",
                        "state in",
                        "runs",
                        "stopped, median ms",
                        "90 %",
                        "in all",
                        "floor stopped",
                        "ratio"),
                rows);
    }

    private void saveRow(List<List<String>> rows, Plots.Figures bySize, String mib, String store, String cpus) {
        Object[] which = {"benchmark", "SaveBenchmark", "mib", mib, "store", store, "cpus", cpus};
        Sample ours = part("stopped", and(which, "contestant", "holdover"));
        Sample floor = part("stopped", and(which, "contestant", "floor"));
        if (store.equals("memory") && cpus.equals("1")) {
            bySize.add("holdover", size(mib), ours.median() / MILLION);
            bySize.add("floor", size(mib), floor.median() / MILLION);
        }
        rows.add(List.of(
                size(mib),
                cpus,
                store,
                Integer.toString(ours.size()),
                ms(ours.median()),
                ms(ours.percentile(90)),
                ms(nanos(and(which, "contestant", "holdover")).median()),
                ms(floor.median()),
                ratio(ours, floor)));
    }

    private void exits() throws IOException {
        if (values("rom", "benchmark", "ExitBenchmark").isEmpty()) {
            return;
        }
        heading("Exits");
        text(
                "One exit of a guest that does nothing else: out of KVM_RUN, served by bus and device, in again. The floor is"
                        + " KVM_RUN in a loop, from Java too.");
        Plots.Figures figures = new Plots.Figures();
        List<List<String>> rows = new ArrayList<>();
        for (String rom : values("rom", "benchmark", "ExitBenchmark")) {
            for (String flags : values("flags", "benchmark", "ExitBenchmark")) {
                List<String> row = new ArrayList<>(List.of(exit(rom), compiler(flags)));
                List<Sample> samples = new ArrayList<>();
                for (String what : WHAT) {
                    Sample sample = nanos("benchmark", "ExitBenchmark", "rom", rom, "flags", flags, "contestant", what);
                    samples.add(sample);
                    figures.add(what, exit(rom) + ", " + compiler(flags), sample.median() / 1000);
                    row.add(Long.toString(Math.round(sample.median())));
                }
                row.add(ratio(samples.getFirst(), samples.getLast()));
                rows.add(row);
            }
        }
        plot("exits", "An exit's round trip", Plots.bars("", "µs", figures, true));
        Sample irqfd = nanos("benchmark", "InterruptBenchmark", "contestant", "irqfd");
        Sample line = nanos("benchmark", "InterruptBenchmark", "contestant", "line");
        if (!irqfd.isEmpty() && !line.isEmpty()) {
            rows.add(List.of(
                    "interrupt by irqfd, to the exit it causes; beside: by KVM_IRQ_LINE",
                    compiler(""),
                    Long.toString(Math.round(irqfd.median())),
                    Long.toString(Math.round(line.median())),
                    ratio(irqfd, line)));
        }
        table(List.of("", "compilers", "Holdover ns", "floor ns", "ratio"), rows);
    }

    private void state() {
        List<List<String>> rows = new ArrayList<>();
        for (String cpus : values("cpus", "benchmark", "StateBenchmark")) {
            for (String what : List.of("encode", "check", "decode")) {
                Sample ours = nanos("benchmark", "StateBenchmark", "cpus", cpus, "contestant", what);
                Sample floor = nanos("benchmark", "StateBenchmark", "cpus", cpus, "contestant", what + "Floor");
                rows.add(List.of(
                        what,
                        cpus,
                        String.format(Locale.ROOT, "%.1f", ours.median() / 1000),
                        String.format(Locale.ROOT, "%.1f", floor.median() / 1000)));
            }
        }
        if (!rows.isEmpty()) {
            heading("The state file");
            text(
                    "Encode: sections filled and sealed; its floor: a copy and a CRC32C of as many bytes. Check: is it whole;"
                            + " its floor: a CRC32C. Decode: opened, read, checked, parsed; its floor: read, copied, a CRC32C.");
            table(List.of("", "vCPUs", "µs", "floor µs"), rows);
        }
    }

    private void hostTable() {
        heading("Taken on");
        List<List<String>> rows = new ArrayList<>();
        for (Map.Entry<String, Object> entry : host.entrySet()) {
            if (entry.getValue() instanceof Map<?, ?> details) {
                for (Map.Entry<?, ?> detail : details.entrySet()) {
                    rows.add(List.of(String.valueOf(detail.getKey()), String.valueOf(detail.getValue())));
                }
            } else if (entry.getKey().equals("busyShare")) {
                rows.add(List.of(
                        "cold starts on a machine that was not idle",
                        Math.round(100 * number(host, "busyShare")) + " %"));
            } else {
                rows.add(List.of(entry.getKey(), String.valueOf(entry.getValue())));
            }
        }
        table(List.of("", ""), rows);
    }

    void write(Path directory) throws IOException {
        body.setLength(0);
        markdown.setLength(0);
        goalTable();
        cold("ColdRestore", "Cold restore");
        cold("ColdStart", "Cold start");
        handOvers();
        restore();
        save();
        exits();
        state();
        hostTable();
        String page = """
                <!doctype html>
                <html lang="en"><head><meta charset="utf-8"><title>Holdover: benchmarks</title>
                <meta name="viewport" content="width=device-width">
                <style>
                body { font: 15px/1.5 system-ui, sans-serif; color: #24292f; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
                h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid #d8dee4; }
                figure { margin: 1rem 0; } figcaption { color: #57606a; font-size: .9rem; }
                img { width: 920px; max-width: 100%; }
                table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
                th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #eaeef2; vertical-align: top; }
                td { overflow-wrap: anywhere; } th { color: #57606a; font-weight: 600; }
                </style></head><body>
                <h1>Holdover: benchmarks</h1>
                """ + body + "</body></html>\n";
        Files.writeString(directory.resolve("index.html"), page);
        Files.writeString(directory.resolve("results.md"), markdown.toString().stripLeading());
        for (Map.Entry<String, String> plot : plots.entrySet()) {
            Files.writeString(directory.resolve(plot.getKey() + ".svg"), plot.getValue());
        }
    }

    /** The goals, for a terminal. */
    String text() {
        StringBuilder text = new StringBuilder();
        for (Goal goal : goals()) {
            text.append(goal.what())
                    .append(": ")
                    .append(goal.reached())
                    .append(goal.goal().equals("–") ? "" : "; goal " + goal.goal())
                    .append('\n');
        }
        return text.toString();
    }
}
