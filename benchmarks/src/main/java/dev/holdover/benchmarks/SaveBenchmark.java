package dev.holdover.benchmarks;

import dev.holdover.boot.FlatFirmware;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileNames;
import dev.holdover.machine.Machine;
import dev.holdover.machine.SaveOptions;
import dev.holdover.machine.SaveReport;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.RamConfig;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
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

/** From a running guest to a state that is durable; its part {@code stopped} is how long the guest stood still for it. */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 3)
@Measurement(iterations = 1, time = 3)
public class SaveBenchmark {
    /** Guest RAM. */
    @Param("256")
    public int mib;

    /** How many vCPUs. */
    @Param("1")
    public int cpus;

    /** Where the state goes: memory or disk. */
    @Param({"memory", "disk"})
    public String store;

    private Scratch scratch;
    private Scratch ramScratch;
    private FdSets fdsets;
    private Machine machine;
    private Counter counter;
    private Path state;
    private FlatFirmware firmware;
    private Floor floor;
    private Floor.Saved saved;
    private MemorySegment bytes;

    /** Boots a guest for each contestant. */
    @Setup(Level.Trial)
    public void boot() throws IOException {
        scratch = store.equals("disk") ? Scratch.onDisk() : Scratch.inMemory();
        ramScratch = Scratch.inMemory();
        fdsets = new FdSets();
        long size = (long) mib << 20;
        RamConfig ram = RamKind.FILE.config(ramScratch.path(), fdsets, size);
        machine = new Machine(SavedGuest.config(ram, Rom.PORT_WRITES.write(ramScratch.path()), cpus), fdsets);
        counter = new Counter();
        machine.ports().add(Rom.PORT, 1, counter);
        state = scratch.path().resolve("state");
        machine.resume();
        machine.save(state.toString(), SaveOptions.IN_PLACE);
        bytes = Arena.ofAuto().allocate(Files.size(state), 8);
        firmware = Floor.firmware(Rom.PORT_WRITES);
        floor = new Floor(null, size, firmware, cpus);
        floor.runToExit();
        floor.settle();
        saved = floor.room(null, firmware);
    }

    /** The guest runs. */
    @Setup(Level.Invocation)
    public void resume() {
        machine.resume();
        counter.awaitCount(counter.count() + 2);
    }

    /** The machine. */
    @Benchmark
    public void holdover(ForkLines lines) {
        Parts parts = new Parts();
        SaveReport report = machine.save(state.toString(), SaveOptions.IN_PLACE);
        parts.add("before", report.totalNanos() - report.stoppedNanos());
        parts.add("stopped", report.stoppedNanos());
        lines.add(report.totalNanos(), parts.nanos());
    }

    /** Its system calls on a guest that is paused already: reads all state, writes as many bytes, syncs, renames. */
    @Benchmark
    public void floor(ForkLines lines) {
        Parts parts = new Parts();
        long start = System.nanoTime();
        String beside = state + ".floor";
        try (Fd directory = Fd.open(scratch.path().toString(), Fd.O_RDONLY | Fd.O_DIRECTORY);
                Fd fd = Fd.open(beside, Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL, 0600)) {
            fd.tryAllocate(0, 0, bytes.byteSize());
            parts.done("before");
            floor.save(saved);
            fd.writeFully(bytes, 0);
            fd.sync();
            FileNames.rename(beside, state + ".floored");
            directory.sync();
            parts.done("stopped");
        }
        lines.add(System.nanoTime() - start, parts.nanos());
    }

    /** Ends the guests. */
    @TearDown(Level.Trial)
    public void end() {
        machine.close();
        floor.close();
        firmware.close();
        fdsets.close();
        scratch.close();
        ramScratch.close();
    }
}
