package dev.holdover.benchmarks;

import com.fasterxml.jackson.jr.ob.JSON;
import dev.holdover.kvm.Kvm;
import dev.holdover.linux.VmmException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.openjdk.jmh.runner.RunnerException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Runs the benchmarks in rounds, each beside its reference, and makes the page. */
@Command(
        name = "vmm bench",
        description = "Measures this VMM beside its references, and makes a page of it.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {
            "",
            "Results: index.html, which holds all its plots; each plot as SVG; results.md, its",
            "tables; lines.jsonl, one run a line; jmh.json, for JMH's own tools.",
            "",
            "Examples:",
            "  ./vmm bench --quick",
            "  ./vmm bench ColdRestore --qemu /opt/qemu/bin/qemu-system-x86_64",
            "  ./vmm bench Restore Save --rounds 5",
            "",
            "Every benchmark needs KVM. Without it, 'lab/run bench' runs them in an emulated",
            "host, where ratios mean something and times do not."
        })
public final class Bench implements Callable<Integer> {
    private static final List<String> BENCHMARKS = List.of(
            "ColdStart",
            "ColdRestore",
            "HandOver",
            "HeldHandOver",
            "RestoreBenchmark",
            "SaveBenchmark",
            "ExitBenchmark",
            "InterruptBenchmark",
            "StateBenchmark");

    @Parameters(
            paramLabel = "FILTER",
            description =
                    "Only benchmarks whose name has one of these in it: ColdStart, ColdRestore, HandOver, HeldHandOver, Restore,"
                            + " Save, Exit, Interrupt, State. Default: all.")
    private List<String> filters = new ArrayList<>();

    @Option(names = "--quick", description = "Few rounds, small guests: does it all work?")
    private boolean quick;

    @Option(names = "--rounds", paramLabel = "N", description = "Rounds of each JMH benchmark. Default: 3, quick: 1.")
    private Integer rounds;

    @Option(
            names = "--cold-rounds",
            paramLabel = "N",
            description = "Starts of each contestant in a cold benchmark, twice its hand-overs. Default: 25, quick: 5.")
    private Integer coldRounds;

    @Option(
            names = "--qemu",
            paramLabel = "BINARY",
            description =
                    "One more QEMU to measure beside; those in the PATH and of benchmarks/fetch-qemu are found. May be"
                            + " given several times.")
    private List<String> qemus = new ArrayList<>();

    @Option(
            names = "--vmm",
            paramLabel = "PATH",
            description = "One more Holdover to measure; one in dist/target is found. May be given several times.")
    private List<Path> vmms = new ArrayList<>();

    @Option(
            names = {"-o", "--output"},
            paramLabel = "DIR",
            description = "Where results go. Default: target/bench.")
    private Path output;

    @Option(
            names = "--patience",
            paramLabel = "SECONDS",
            description = "How long a cold start waits for an idle machine. Default: 1, quick: 0.")
    private Integer patience;

    @Option(names = "--report", description = "Measure nothing, make the page of the results in DIR again.")
    private boolean reportOnly;

    @Spec
    private CommandSpec spec;

    private final Path tree = Path.of(System.getProperty("dev.holdover.tree", "."));

    public static void main(String[] args) {
        // ProcessBuilder's own helper process would be timed with every start.
        System.setProperty("jdk.lang.Process.launchMechanism", "FORK");
        System.setProperty("java.awt.headless", "true");
        System.exit(commandLine().execute(args));
    }

    static CommandLine commandLine() {
        CommandLine bench = new CommandLine(new Bench());
        bench.setExecutionExceptionHandler((e, command, parsed) -> {
            System.err.println("vmm bench: " + (e instanceof VmmException ? e.getMessage() : e));
            return 1;
        });
        bench.setParameterExceptionHandler((e, line) -> {
            System.err.println("vmm bench: " + e.getMessage() + "; see ./vmm bench --help");
            return 2;
        });
        return bench;
    }

    @Override
    public Integer call() throws Exception {
        Path directory = output == null ? tree.resolve("target/bench") : output;
        Path file = directory.resolve("lines.jsonl");
        Path hostFile = directory.resolve("host.json");
        if (!reportOnly) {
            requireBenchmarks();
            requireKvm();
            Files.createDirectories(directory);
            // Those of an earlier run would be taken for this one's if it fails.
            for (String earlier : List.of("lines.jsonl", "host.json", "index.html", "results.md")) {
                Files.deleteIfExists(directory.resolve(earlier));
            }
            Lines lines = new Lines(file);
            Map<String, Object> host = measure(directory, lines);
            if (lines.read().isEmpty()) {
                throw new VmmException("every run was left out, so there are no results; the reasons are above");
            }
            Files.writeString(hostFile, JSON.std.asString(host));
        }
        List<Map<String, Object>> results = new Lines(file).read();
        if (results.isEmpty() || !Files.exists(hostFile)) {
            throw new VmmException("no results in " + directory + ": run it without --report first");
        }
        Report report = new Report(results, JSON.std.mapFrom(Files.readString(hostFile)));
        report.write(directory);
        System.out.print(report.text());
        System.out.println(directory.resolve("index.html"));
        return 0;
    }

    /** Refuses a filter that selects nothing. */
    private void requireBenchmarks() {
        for (String filter : filters) {
            if (BENCHMARKS.stream().noneMatch(name -> selects(filter, name))) {
                throw new ParameterException(spec.commandLine(), "no benchmark has '" + filter + "' in its name");
            }
        }
    }

    /** All benchmarks run guests, and references are measured under the same KVM. */
    private static void requireKvm() {
        try {
            Kvm.open().close();
        } catch (VmmException e) {
            String elsewhere = Host.isEmulated() ? "" : "; lab/run bench measures in an emulated host, ratios only";
            throw new VmmException(e.getMessage() + elsewhere, e);
        }
    }

    private boolean wanted(String name) {
        return filters.isEmpty() || filters.stream().anyMatch(filter -> selects(filter, name));
    }

    private static boolean selects(String filter, String name) {
        boolean another = (filter.equalsIgnoreCase("restore") && name.startsWith("Cold"))
                || (filter.equalsIgnoreCase("handover") && name.startsWith("Held"));
        return !another && name.toLowerCase(Locale.ROOT).contains(filter.toLowerCase(Locale.ROOT));
    }

    private Map<String, Object> measure(Path directory, Lines lines) throws Exception {
        int warmRounds = rounds != null ? rounds : quick ? 1 : 3;
        int starts = coldRounds != null ? coldRounds : quick ? 5 : 25;
        int[] sizes = quick ? new int[] {256} : new int[] {256, 1024, 4096};
        Idle idle = new Idle(patience != null ? patience : quick ? 0 : 1);
        WarmRuns warm = new WarmRuns(directory, lines, quick);
        List<WarmRuns.Run> runs = new ArrayList<>();
        for (WarmRuns.Run run : warm.plan()) {
            if (wanted(run.benchmark())) {
                runs.add(run);
            }
        }
        boolean boots = wanted("ColdStart");
        boolean restores = wanted("ColdRestore");
        boolean handOvers = wanted("HandOver");
        boolean replacements = wanted("HeldHandOver");

        Map<String, Object> host = Host.describe();
        host.put("jvmFlags", String.join(" ", WarmRuns.FLAGS));
        try (Scratch scratch = Scratch.onDisk()) {
            List<Contestant> contestants =
                    boots || restores || handOvers || replacements ? contestants(scratch.path()) : List.of();
            Map<String, String> details = new LinkedHashMap<>();
            for (Contestant contestant : contestants) {
                details.put(contestant.name(), contestant.detail());
            }
            host.put("contestants", details);
            int pairsOfEach = Math.max(1, starts / 2);
            long cold = ((boots ? starts : 0) + (restores ? starts : 0)) * ColdStarts.EXPECTED_MILLIS
                    + (handOvers ? pairsOfEach : 0) * HandOvers.Way.STANDBY.expectedMillis()
                    + (replacements ? pairsOfEach : 0) * HandOvers.Way.REPLACED.expectedMillis();
            long warmRound = 0;
            for (WarmRuns.Run run : runs) {
                warmRound += warm.expectedMillis(run);
            }
            Progress progress = new Progress(cold * sizes.length * contestants.size() + warmRound * warmRounds);
            if (cold > 0) {
                try (ColdStarts starter = new ColdStarts(contestants, lines, idle)) {
                    HandOvers pairs = new HandOvers(contestants, lines, idle);
                    for (int mib : sizes) {
                        if (handOvers) {
                            pairs.run(HandOvers.Way.STANDBY, mib, pairsOfEach, progress);
                        }
                        if (replacements) {
                            pairs.run(HandOvers.Way.REPLACED, mib, pairsOfEach, progress);
                        }
                        if (boots) {
                            starter.boot(mib, starts, progress);
                        }
                        if (restores) {
                            starter.restore(mib, starts, progress);
                        }
                    }
                }
            }
            for (int round = 0; round < warmRounds; round++) {
                for (WarmRuns.Run run : runs) {
                    progress.step(run + ", round " + (round + 1), warm.expectedMillis(run));
                    try {
                        warm.run(run, round);
                    } catch (RunnerException e) {
                        progress.leftOut(run + ": " + cause(e));
                    }
                }
            }
            warm.writeJson();
            progress.end();
            host.put("runs left out", progress.failures());
        }
        host.put("busyShare", idle.busyShare());
        return host;
    }

    /** What JMH wraps, as one line. */
    private static String cause(Throwable e) {
        Throwable cause = e;
        while (cause.getCause() != null || cause.getSuppressed().length > 0) {
            // What a forked JVM has thrown JMH keeps as suppressed.
            cause = cause.getCause() != null ? cause.getCause() : cause.getSuppressed()[0];
        }
        return String.valueOf(cause.getMessage()).strip().replace('\n', ' ');
    }

    private List<Contestant> contestants(Path directory) throws IOException, InterruptedException {
        Path rom = directory.resolve("count.bin");
        try (InputStream image = Bench.class.getResourceAsStream("/guests/count.bin")) {
            Files.copy(image, rom, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        List<Contestant> contestants = new ArrayList<>();
        Path launcher = tree.resolve("vmm").toAbsolutePath();
        if (Files.isExecutable(launcher)) {
            contestants.add(new Holdover("Holdover", List.of(launcher.toString()), rom));
        }
        for (Path image : matches(tree.resolve("dist/target"), "holdover-*/bin/vmm")) {
            contestants.add(new Holdover(
                    "Holdover image", List.of(image.toAbsolutePath().toString()), rom));
        }
        for (Path vmm : vmms) {
            contestants.add(new Holdover("Holdover " + vmm, List.of(vmm.toString()), rom));
        }
        List<String> binaries = new ArrayList<>(List.of("qemu-system-x86_64", "qemu-system-x86_64-microvm"));
        for (Path binary : matches(cache(), "qemu-*/usr/bin/qemu-system-x86_64{,-microvm}")) {
            binaries.add(binary.toString());
        }
        binaries.addAll(qemus);
        for (String binary : binaries) {
            Qemu qemu = Qemu.find(binary, rom, directory);
            if (qemu != null) {
                contestants.add(qemu);
            } else if (qemus.contains(binary)) {
                throw new IOException("--qemu " + binary + ": no QEMU");
            }
        }
        return contestants;
    }

    /** Where fetch-qemu puts what it fetches. */
    private static Path cache() {
        String named = System.getenv("HOLDOVER_CACHE");
        return named == null ? Path.of(System.getProperty("user.home"), ".cache/holdover") : Path.of(named);
    }

    /** Executable files below a directory that may not be there, in order. */
    private static List<Path> matches(Path directory, String glob) throws IOException {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        PathMatcher matcher = directory.getFileSystem().getPathMatcher("glob:" + glob);
        try (Stream<Path> files =
                Files.find(directory, 4, (path, attributes) -> matcher.matches(directory.relativize(path)))) {
            return files.filter(Files::isExecutable).sorted().toList();
        }
    }
}
