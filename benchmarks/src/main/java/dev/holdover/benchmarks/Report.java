package dev.holdover.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What the lines say: goals, plots and tables, as one page that needs nothing else; the tables in Markdown; the goals for the
 * terminal. Of an emulated host there are ratios in place of goals.
 */
final class Report {
    private static final double MILLION = 1_000_000;
    private static final String EMULATED_NOTE =
            "Measured in an emulated host: times mean nothing there, only ratios do, and"
                    + " these roughly, as the emulation makes some instructions slower than others.";
    private static final List<String> WHAT = List.of("holdover", "floor");

    private final Measurements lines;
    private final Map<String, Object> host;
    private final boolean emulated;
    /** The unit on the axes of plots, which are files of their own, too. */
    private final String millis;

    private final StringBuilder body = new StringBuilder();
    private final StringBuilder markdown = new StringBuilder();
    private final Map<String, String> plots = new LinkedHashMap<>();

    Report(List<Map<String, Object>> lines, Map<String, Object> host) {
        this.lines = new Measurements(lines);
        this.host = host;
        this.emulated = host.containsKey(Host.EMULATED);
        this.millis = emulated ? "ms of the emulated host" : "ms";
    }

    static String size(String mib) {
        int n = Integer.parseInt(mib);
        return n >= 1024 ? n / 1024 + " GiB" : n + " MiB";
    }

    private static String ms(double nanos) {
        return Double.isNaN(nanos) ? "–" : String.format(Locale.ROOT, "%.2f", nanos / MILLION);
    }

    // ---- goals

    private record Goal(String what, String goal, String reached) {}

    private List<Goal> goals() {
        List<Goal> goals = new ArrayList<>();
        for (String mib : List.of("256", "4096")) {
            Object[] which = {
                "benchmark", "RestoreBenchmark", "mib", mib, "touched", "false", "cpus", "1", "ram", "FILE"
            };
            Sample ours = lines.nanos(Measurements.and(which, "contestant", "holdover"));
            Sample floor = lines.nanos(Measurements.and(which, "contestant", "floor"));
            if (!ours.isEmpty()) {
                goals.add(new Goal(
                        "in-process restore ÷ its system calls, " + size(mib),
                        "≤ 1.25",
                        ours.ratioTo(floor) + ": " + ms(ours.median()) + " ÷ " + ms(floor.median()) + " ms"));
            }
        }
        for (String mib : lines.values("mib", "benchmark", "HandOver")) {
            for (String name : lines.values("contestant", "benchmark", "HandOver")) {
                if (!name.startsWith("QEMU")) {
                    Sample ours = lines.nanos("benchmark", "HandOver", "mib", mib, "contestant", name);
                    goals.add(new Goal(
                            "hand-over blackout, 1 vCPU, " + size(mib) + ", fresh pairs, " + name,
                            mib.equals("1024") ? "≤ 1 ms median" : "–",
                            ms(ours.median()) + " ms (90 %: " + ms(ours.percentile(90)) + ")"));
                }
            }
        }
        StringBuilder stopped = new StringBuilder();
        for (String mib : lines.values("mib", "benchmark", "SaveBenchmark", "store", "memory")) {
            Sample ours = lines.part(
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
        for (String rom : lines.values("rom", "benchmark", "ExitBenchmark")) {
            for (String flags : lines.values("flags", "benchmark", "ExitBenchmark")) {
                Sample ours =
                        lines.nanos("benchmark", "ExitBenchmark", "rom", rom, "flags", flags, "contestant", "holdover");
                Sample floor =
                        lines.nanos("benchmark", "ExitBenchmark", "rom", rom, "flags", flags, "contestant", "floor");
                goals.add(new Goal(
                        exit(rom) + " exit ÷ KVM_RUN in a loop, " + compiler(flags),
                        rom.equals("PORT_WRITES") && flags.isEmpty() ? "≤ 1.05 of C" : "–",
                        ours.ratioTo(floor) + ": " + Math.round(ours.median()) + " ÷ " + Math.round(floor.median())
                                + " ns"));
            }
        }
        for (String name : contestants(false)) {
            Sample memory =
                    lines.sample(Report::ownMemory, "benchmark", "ColdRestore", "mib", "256", "contestant", name);
            if (!memory.isEmpty()) {
                goals.add(new Goal(
                        "resident memory besides guest RAM, after a restore, " + name,
                        "≤ 64 MiB",
                        String.format(Locale.ROOT, "%.0f MiB", memory.median())));
            }
        }
        return goals;
    }

    private void coldGoal(List<Goal> goals, String benchmark, String name, String qemu) {
        Sample ours = lines.nanos("benchmark", benchmark, "mib", "256", "contestant", name);
        Sample theirs = lines.nanos("benchmark", benchmark, "mib", "256", "contestant", qemu);
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
        List<String> all = lines.values("contestant", "benchmark", "ColdRestore");
        if (all.isEmpty()) {
            all = lines.values("contestant", "benchmark", "ColdStart");
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
        return (Measurements.number(line, "anonKib") + Measurements.number(line, "fileKib")) / 1024;
    }

    static String exit(String rom) {
        return rom.equals("PORT_WRITES") ? "PIO" : "MMIO";
    }

    static String compiler(String flags) {
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
        if (svg.isEmpty()) {
            return;
        }
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

    /** What an emulated host's figures are good for, before any of them. */
    private void emulatedNote() {
        body.append("<p class=\"emulated\">").append(escape(EMULATED_NOTE)).append("</p>\n");
        markdown.append('\n').append(EMULATED_NOTE).append('\n');
        List<List<String>> rows = new ArrayList<>();
        for (Ratio ratio : Ratio.all(lines)) {
            rows.add(List.of(ratio.what(), ratio.which(), ratio.reference(), ratio.runs(), ratio.text()));
        }
        if (!rows.isEmpty()) {
            heading("Ratios");
            text(
                    "Holdover's median divided by that of a reference, which was measured by turns with it. Below 1, Holdover is faster.");
            table(List.of("", "of", "÷", "runs", "ratio"), rows);
        }
        heading("Times of the emulated host");
        text("These times show what the ratios were made from. They say nothing about any other host.");
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
        List<String> names = lines.values("contestant", "benchmark", benchmark);
        if (names.isEmpty()) {
            return;
        }
        heading(title);
        Map<String, Sample> spread = new LinkedHashMap<>();
        Plots.Figures bySize = new Plots.Figures();
        List<List<String>> rows = new ArrayList<>();
        for (String mib : lines.values("mib", "benchmark", benchmark)) {
            for (String name : names) {
                Object[] which = {"benchmark", benchmark, "mib", mib, "contestant", name};
                Sample sample = lines.nanos(which);
                if (mib.equals("256")) {
                    spread.put(name, lines.sample(line -> Measurements.number(line, "nanos") / MILLION, which));
                }
                bySize.add(name, size(mib), sample.median() / MILLION);
                Sample cpu = lines.sample(line -> Measurements.number(line, "cpuNanos"), which);
                Sample memory = lines.sample(Report::ownMemory, which);
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
                Plots.percentiles(millis, spread));
        if (lines.values("mib", "benchmark", benchmark).size() > 1) {
            plot(
                    benchmark + "-sizes",
                    title + ": spawn to first byte, medians by RAM size",
                    Plots.bars("guest RAM", millis, bySize, false));
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
        List<String> sizes = lines.values("mib", "benchmark", way.benchmark());
        if (sizes.isEmpty()) {
            return;
        }
        heading(title);
        text(explanation);
        Plots.Figures bySize = new Plots.Figures();
        Plots.Figures stacks = new Plots.Figures();
        List<List<String>> rows = new ArrayList<>();
        for (String mib : sizes) {
            for (String name : lines.values("contestant", "benchmark", way.benchmark())) {
                Sample sample = lines.nanos("benchmark", way.benchmark(), "mib", mib, "contestant", name);
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
                Sample sample = lines.part(part, "benchmark", way.benchmark(), "mib", mib, "contestant", "Holdover");
                stacks.add(part, size(mib), sample.median() / MILLION);
            }
        }
        plot(plots + "-sizes", sizesCaption, Plots.bars("guest RAM", millis, bySize, false));
        plot(plots + "-parts", partsCaption, Plots.stacks("guest RAM", millis, stacks));
        table(List.of("RAM", "", "runs", "least ms", "median", "90 %", "greatest"), rows);
    }

    private void restore() throws IOException {
        if (lines.values("mib", "benchmark", "RestoreBenchmark").isEmpty()) {
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
        for (String mib : lines.values("mib", "benchmark", "RestoreBenchmark")) {
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
        for (String cpus : lines.values("cpus", "benchmark", "RestoreBenchmark")) {
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
        for (String ram : lines.values("ram", "benchmark", "RestoreBenchmark")) {
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
        plot("restore-sizes", "Restore by RAM size, medians", Plots.lines("guest RAM", millis, bySize));
        plot(
                "restore-parts",
                "The parts of a restore, medians, untouched RAM; left the machine, right the floor",
                Plots.stacks("guest RAM", millis, stacks));
        plot("restore-cpus", "Restore by vCPUs, 256 MiB, medians", Plots.bars("vCPUs", millis, byCpus, true));
        plot("restore-ram", "Restore by where RAM is, 256 MiB, medians", Plots.bars("RAM", millis, byRam, true));
        table(
                List.of("RAM", "in", "pages", "vCPUs", "runs", "Holdover median ms", "90 %", "floor", "90 %", "ratio"),
                rows);
    }

    private Sample restoreSample(String mib, String touched, String cpus, String ram, String contestant) {
        return lines.nanos(
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
                    ours.ratioTo(floor)));
        }
    }

    private void stack(Plots.Figures stacks, String mib, String what) {
        for (String part : List.of("read", "open", "memslots", "irqchip", "vcpus", "state", "run")) {
            Sample sample = lines.part(
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
        List<String> sizes = lines.values("mib", "benchmark", "SaveBenchmark");
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
            for (String store : lines.values("store", "benchmark", "SaveBenchmark", "mib", mib)) {
                for (String cpus : lines.values("cpus", "benchmark", "SaveBenchmark", "mib", mib, "store", store)) {
                    saveRow(rows, bySize, mib, store, cpus);
                }
            }
        }
        plot(
                "save-stopped",
                "Save: how long the guest stands still, state on tmpfs, medians by RAM size",
                Plots.bars("guest RAM", millis, bySize, true));
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
        Sample ours = lines.part("stopped", Measurements.and(which, "contestant", "holdover"));
        Sample floor = lines.part("stopped", Measurements.and(which, "contestant", "floor"));
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
                ms(lines.nanos(Measurements.and(which, "contestant", "holdover"))
                        .median()),
                ms(floor.median()),
                ours.ratioTo(floor)));
    }

    private void exits() throws IOException {
        if (lines.values("rom", "benchmark", "ExitBenchmark").isEmpty()) {
            return;
        }
        heading("Exits");
        text(
                "One exit of a guest that does nothing else: out of KVM_RUN, served by bus and device, in again. The floor is"
                        + " KVM_RUN in a loop, from Java too.");
        Plots.Figures figures = new Plots.Figures();
        List<List<String>> rows = new ArrayList<>();
        for (String rom : lines.values("rom", "benchmark", "ExitBenchmark")) {
            for (String flags : lines.values("flags", "benchmark", "ExitBenchmark")) {
                List<String> row = new ArrayList<>(List.of(exit(rom), compiler(flags)));
                List<Sample> samples = new ArrayList<>();
                for (String what : WHAT) {
                    Sample sample =
                            lines.nanos("benchmark", "ExitBenchmark", "rom", rom, "flags", flags, "contestant", what);
                    samples.add(sample);
                    figures.add(what, exit(rom) + ", " + compiler(flags), sample.median() / 1000);
                    row.add(Long.toString(Math.round(sample.median())));
                }
                row.add(samples.getFirst().ratioTo(samples.getLast()));
                rows.add(row);
            }
        }
        plot(
                "exits",
                "An exit's round trip",
                Plots.bars("", emulated ? "µs of the emulated host" : "µs", figures, true));
        Sample irqfd = lines.nanos("benchmark", "InterruptBenchmark", "contestant", "irqfd");
        Sample line = lines.nanos("benchmark", "InterruptBenchmark", "contestant", "line");
        if (!irqfd.isEmpty() && !line.isEmpty()) {
            rows.add(List.of(
                    "interrupt by irqfd, to the exit it causes; beside: by KVM_IRQ_LINE",
                    compiler(""),
                    Long.toString(Math.round(irqfd.median())),
                    Long.toString(Math.round(line.median())),
                    irqfd.ratioTo(line)));
        }
        table(List.of("", "compilers", "Holdover ns", "floor ns", "ratio"), rows);
    }

    private void state() {
        List<List<String>> rows = new ArrayList<>();
        for (String cpus : lines.values("cpus", "benchmark", "StateBenchmark")) {
            for (String what : List.of("encode", "check", "decode")) {
                Sample ours = lines.nanos("benchmark", "StateBenchmark", "cpus", cpus, "contestant", what);
                Sample floor = lines.nanos("benchmark", "StateBenchmark", "cpus", cpus, "contestant", what + "Floor");
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
                        Math.round(100 * Measurements.number(host, "busyShare")) + " %"));
            } else {
                rows.add(List.of(entry.getKey(), String.valueOf(entry.getValue())));
            }
        }
        table(List.of("", ""), rows);
    }

    void write(Path directory) throws IOException {
        body.setLength(0);
        markdown.setLength(0);
        if (emulated) {
            emulatedNote();
        } else {
            goalTable();
        }
        cold("ColdRestore", "Cold restore");
        cold("ColdStart", "Cold start");
        handOvers();
        restore();
        save();
        exits();
        state();
        hostTable();
        String title = emulated ? "Holdover: benchmarks in an emulated host" : "Holdover: benchmarks";
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
                .emulated { background: #fff8c5; border: 1px solid #d4a72c; border-radius: 6px; padding: .7rem 1rem; font-weight: 600; }
                td { overflow-wrap: anywhere; } th { color: #57606a; font-weight: 600; }
                </style></head><body>
                <h1>Holdover: benchmarks</h1>
                """.replace("Holdover: benchmarks", title) + body + "</body></html>\n";
        Files.writeString(directory.resolve("index.html"), page);
        Files.writeString(directory.resolve("results.md"), markdown.toString().stripLeading());
        for (Map.Entry<String, String> plot : plots.entrySet()) {
            Files.writeString(directory.resolve(plot.getKey() + ".svg"), plot.getValue());
        }
    }

    /** The goals, or of an emulated host the ratios, for a terminal. */
    String text() {
        StringBuilder text = new StringBuilder();
        if (emulated) {
            text.append(EMULATED_NOTE).append('\n');
            for (Ratio ratio : Ratio.all(lines)) {
                text.append(ratio.line()).append('\n');
            }
            return text.toString();
        }
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
