package dev.holdover.benchmarks;

import java.util.LinkedHashMap;
import java.util.Map;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.runner.IterationType;

/** A line for each measured run of a benchmark: what it was, and its parts. */
@State(Scope.Thread)
public class ForkLines {
    private final Lines lines = Lines.ofFork();
    private boolean measured;
    private Map<String, Object> kind;

    /** Notes which benchmark this is. */
    @Setup(Level.Iteration)
    public void begin(BenchmarkParams benchmark, IterationParams iteration) {
        measured = iteration.getType() == IterationType.MEASUREMENT;
        kind = new LinkedHashMap<>();
        String name = benchmark.getBenchmark();
        int method = name.lastIndexOf('.');
        kind.put("benchmark", name.substring(name.lastIndexOf('.', method - 1) + 1, method));
        kind.put("contestant", name.substring(method + 1));
        kind.put("round", Integer.getInteger(Lines.ROUND, 0));
        for (String key : benchmark.getParamsKeys()) {
            kind.put(key, benchmark.getParam(key));
        }
    }

    void add(long total, Map<String, Long> parts) {
        if (measured && lines != null) {
            Map<String, Object> line = new LinkedHashMap<>(kind);
            line.put("nanos", total);
            line.put("parts", parts);
            lines.add(line);
        }
    }

    /** Writes what was kept. */
    @TearDown(Level.Iteration)
    public void end() {
        if (lines != null) {
            lines.flush();
        }
    }
}
