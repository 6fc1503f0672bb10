package dev.holdover.benchmarks;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** From a state file and RAM that are there to the first exit of the restored guest, in a process that is warm. */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 3)
@Measurement(iterations = 1, time = 3)
public class RestoreBenchmark {
    /** Guest RAM. */
    @Param("256")
    public int mib;

    /** Whether all of it has pages. */
    @Param("false")
    public boolean touched;

    /** How many vCPUs. */
    @Param("1")
    public int cpus;

    /** Where it is. */
    @Param("FILE")
    public RamKind ram;

    private SavedGuest guest;
    private AutoCloseable restored;

    /** Saves the guest. */
    @Setup(Level.Trial)
    public void save() throws IOException {
        guest = new SavedGuest(ram, (long) mib << 20, touched, cpus);
    }

    /** Makes RAM and state fit again. */
    @Setup(Level.Invocation)
    public void rewind() {
        guest.rewind();
    }

    /** The machine. It takes a thousand restores until none gets faster, and the end of each 20 ms. */
    @Benchmark
    @Warmup(iterations = 5, time = 6)
    public void holdover(ForkLines lines) {
        Parts parts = new Parts();
        restored = guest.restore(parts);
        lines.add(parts.total(), parts.nanos());
    }

    /** Its system calls. */
    @Benchmark
    public void floor(ForkLines lines) {
        Parts parts = new Parts();
        restored = guest.restoreFloor(parts);
        lines.add(parts.total(), parts.nanos());
    }

    /** Ends the restored guest. */
    @TearDown(Level.Invocation)
    public void end() throws Exception {
        restored.close();
    }

    /** Removes the saved one. */
    @TearDown(Level.Trial)
    public void remove() {
        guest.close();
    }
}
