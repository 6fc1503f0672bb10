package dev.holdover.benchmarks;

import dev.holdover.boot.FlatFirmware;
import dev.holdover.kvm.VcpuExit;
import dev.holdover.machine.Machine;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.RamConfig;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** One exit of a guest that does nothing else: out of KVM_RUN, served, in again. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 1)
public class ExitBenchmark {
    private static final int EXITS = 10_000;
    private static final long RAM = 512 << 10;

    /** What the guest accesses. */
    @Param({"PORT_WRITES", "MMIO_WRITES"})
    public Rom rom;

    private Scratch scratch;
    private Machine machine;
    private Counter counter;
    private FlatFirmware firmware;
    private Floor floor;
    private long sum;

    /** Boots a guest for each contestant; neither runs yet. */
    @Setup(Level.Trial)
    public void boot() throws IOException {
        scratch = Scratch.inMemory();
        counter = new Counter();
        try (FdSets none = new FdSets()) {
            machine = new Machine(SavedGuest.config(RamConfig.memfd(RAM), rom.write(scratch.path()), 1), none);
        }
        machine.ports().add(Rom.PORT, 1, counter);
        machine.mmio().add(Rom.MMIO, 1, counter);
        firmware = Floor.firmware(rom);
        floor = new Floor(null, RAM, firmware, 1);
    }

    /** The machine: its vCPU's thread, bus and device; this thread sleeps meanwhile. */
    @Benchmark
    @OperationsPerInvocation(EXITS)
    public void holdover() throws InterruptedException {
        long until = counter.count() + EXITS;
        machine.resume();
        while (counter.count() < until) {
            // Sleeping too long would count further exits as none; a spin would take the other CPU from somebody.
            Thread.onSpinWait();
        }
    }

    /** KVM_RUN and a look at what the exit is, in a loop. */
    @Benchmark
    @OperationsPerInvocation(EXITS)
    public long floor() {
        for (int i = 0; i < EXITS; i++) {
            VcpuExit exit = floor.runToExit();
            if (exit instanceof VcpuExit.Io io) {
                sum += io.get(0);
            } else if (exit instanceof VcpuExit.Mmio mmio) {
                sum += mmio.get();
            }
        }
        return sum;
    }

    /** Ends the guests. */
    @TearDown(Level.Trial)
    public void end() {
        machine.close();
        floor.close();
        firmware.close();
        scratch.close();
    }
}
