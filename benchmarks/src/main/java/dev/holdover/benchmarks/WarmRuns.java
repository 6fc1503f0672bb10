package dev.holdover.benchmarks;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.results.format.ResultFormatType;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * JMH's runs, one contestant and one choice of parameters at a time, so that contestants take turns round by round: JMH by
 * itself would run all of one before the other.
 */
final class WarmRuns {
    /** As the launcher starts a VMM that stands by, which is to be warm. */
    static final List<String> FLAGS = List.of("-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xms32m", "-Xmx256m");

    /** What it adds for a VMM that is to start at once: a restore would be interpreted for thousands of rounds. */
    private static final String LATE_COMPILER = "-XX:CompileThresholdScaling=10";

    private static final String FAST_COMPILER_ONLY = "-XX:TieredStopAtLevel=1";

    /**
     * One contestant with one choice of parameters.
     *
     * @param flags of the JVM beside {@link #FLAGS}
     */
    record Run(String benchmark, String contestant, Map<String, String> parameters, List<String> flags) {
        @Override
        public String toString() {
            String text = benchmark + "." + contestant;
            for (Map.Entry<String, String> parameter : parameters.entrySet()) {
                text += " " + parameter.getKey() + "=" + parameter.getValue();
            }
            return flags.isEmpty() ? text : text + " " + String.join(" ", flags);
        }
    }

    private final Path directory;
    private final Lines lines;
    private final boolean quick;
    private final List<Object> results = new ArrayList<>();

    WarmRuns(Path directory, Lines lines, boolean quick) {
        this.directory = directory;
        this.lines = lines;
        this.quick = quick;
    }

    /** How long a run takes, about: a JVM and its guest, warm-up, measurement. */
    long expectedMillis(Run run) {
        boolean slow =
                run.benchmark().equals("RestoreBenchmark") && run.contestant().equals("holdover");
        return quick ? 4_000 : slow ? 36_000 : 14_000;
    }

    /** All runs of a round, contestants side by side. */
    List<Run> plan() throws IOException {
        List<Run> runs = new ArrayList<>();
        for (int mib : quick ? new int[] {256} : new int[] {256, 1024, 4096, 16384}) {
            for (boolean touched : new boolean[] {false, true}) {
                if (!touched || Host.availableMemory() > (mib + 2048L) << 20) {
                    restore(runs, mib, touched, 1, RamKind.FILE);
                }
            }
        }
        for (int cpus : quick ? new int[] {2} : new int[] {2, 3, 4}) {
            restore(runs, 256, false, cpus, RamKind.FILE);
        }
        restore(runs, 256, false, 1, RamKind.MEMFD);
        restore(runs, 256, false, 1, RamKind.ANONYMOUS);
        for (int mib : quick ? new int[] {256} : new int[] {256, 1024, 4096}) {
            save(runs, mib, 1, "memory");
        }
        save(runs, 256, 1, "disk");
        save(runs, 256, 4, "memory");
        for (Rom rom : new Rom[] {Rom.PORT_WRITES, Rom.MMIO_WRITES}) {
            for (List<String> flags : List.of(List.of(LATE_COMPILER), List.of(LATE_COMPILER, FAST_COMPILER_ONLY))) {
                pair(runs, "ExitBenchmark", Map.of("rom", rom.name()), flags);
            }
        }
        runs.add(new Run("InterruptBenchmark", "irqfd", Map.of(), List.of()));
        runs.add(new Run("InterruptBenchmark", "line", Map.of(), List.of()));
        for (String cpus : new String[] {"1", "4"}) {
            for (String what : new String[] {"encode", "check", "decode"}) {
                runs.add(new Run("StateBenchmark", what, Map.of("cpus", cpus), List.of()));
                runs.add(new Run("StateBenchmark", what + "Floor", Map.of("cpus", cpus), List.of()));
            }
        }
        return runs;
    }

    private static void restore(List<Run> runs, int mib, boolean touched, int cpus, RamKind ram) {
        Map<String, String> parameters = new LinkedHashMap<>();
        parameters.put("mib", Integer.toString(mib));
        parameters.put("touched", Boolean.toString(touched));
        parameters.put("cpus", Integer.toString(cpus));
        parameters.put("ram", ram.name());
        pair(runs, "RestoreBenchmark", parameters, List.of());
    }

    private static void save(List<Run> runs, int mib, int cpus, String store) {
        Map<String, String> parameters = new LinkedHashMap<>();
        parameters.put("mib", Integer.toString(mib));
        parameters.put("cpus", Integer.toString(cpus));
        parameters.put("store", store);
        pair(runs, "SaveBenchmark", parameters, List.of());
    }

    private static void pair(List<Run> runs, String benchmark, Map<String, String> parameters, List<String> flags) {
        runs.add(new Run(benchmark, "holdover", parameters, flags));
        runs.add(new Run(benchmark, "floor", parameters, flags));
    }

    /** Forks a JVM for it. */
    void run(Run run, int round) throws IOException, RunnerException {
        Path result = directory.resolve("run.json");
        List<String> flags = new ArrayList<>(FLAGS);
        flags.addAll(run.flags());
        flags.add("--enable-native-access=ALL-UNNAMED");
        for (String exported : List.of("foreign.abi", "foreign.abi.x64", "access", "loader")) {
            flags.add("--add-exports=java.base/jdk.internal." + exported + "=ALL-UNNAMED");
        }
        flags.add("--sun-misc-unsafe-memory-access=allow");
        flags.add("-D" + Lines.FILE + "=" + directory.resolve("lines.jsonl"));
        flags.add("-D" + Lines.ROUND + "=" + round);
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include("\\." + run.benchmark() + "\\." + run.contestant() + "$")
                .forks(1)
                .jvmArgs(flags.toArray(new String[0]))
                .verbosity(VerboseMode.SILENT)
                .shouldFailOnError(true)
                .resultFormat(ResultFormatType.JSON)
                .result(result.toString());
        for (Map.Entry<String, String> parameter : run.parameters().entrySet()) {
            options.param(parameter.getKey(), parameter.getValue());
        }
        if (quick) {
            options.warmupIterations(1).warmupTime(TimeValue.seconds(1));
            options.measurementIterations(1).measurementTime(TimeValue.seconds(1));
        }
        for (RunResult done : new Runner(options.build()).run()) {
            add(run, round, done.getPrimaryResult());
        }
        results.addAll(JSON.std.listFrom(Files.readString(result)));
        Files.delete(result);
    }

    /** A line for a figure of JMH's; of benchmarks whose every run has a line, that line says more. */
    private void add(Run run, int round, Result<?> figure) {
        if (run.benchmark().equals("RestoreBenchmark") || run.benchmark().equals("SaveBenchmark")) {
            return;
        }
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("benchmark", run.benchmark());
        line.put("contestant", run.contestant());
        line.put("round", round);
        line.putAll(run.parameters());
        line.put("flags", String.join(" ", run.flags()));
        line.put("nanos", figure.getScore());
        lines.add(line);
        lines.flush();
    }

    /** All figures as JMH writes them, for its own tools. */
    void writeJson() throws IOException {
        Files.writeString(directory.resolve("jmh.json"), JSON.std.asString(results));
    }
}
