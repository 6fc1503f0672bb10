package dev.holdover.benchmarks;

import dev.holdover.machine.Incoming;
import dev.holdover.memory.FdSets;
import dev.holdover.vmstate.SectionEntry;
import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateFile;
import dev.holdover.vmstate.StateImage;
import dev.holdover.vmstate.StateLayout;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
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

/** A state's way into bytes and back. The references: a copy and a CRC32C of as many bytes, and reading such a file. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class StateBenchmark {
    /** How many vCPUs. */
    @Param({"1", "4"})
    public int cpus;

    private final CRC32C crc = new CRC32C();
    private Scratch scratch;
    private Path file;
    private MemorySegment bytes;
    private MemorySegment copy;
    private StateImage image;
    private MemorySegment[] sections;

    /** Makes a state with the sections of a real one. */
    @Setup(Level.Trial)
    public void save() throws IOException {
        scratch = Scratch.inMemory();
        file = scratch.path().resolve("state");
        try (FdSets fdsets = new FdSets()) {
            SavedGuest.save(file, scratch.path(), fdsets, cpus);
        }
        byte[] content = Files.readAllBytes(file);
        bytes = Arena.ofAuto().allocate(content.length, 8);
        MemorySegment.copy(content, 0, bytes, ValueLayout.JAVA_BYTE, 0, content.length);
        copy = Arena.ofAuto().allocate(content.length, 8);
        StateFile state = StateFile.parse(bytes);
        StateLayout layout = new StateLayout("benchmark", 1, Arena.ofAuto().allocate(256));
        List<SectionEntry> entries = state.header().sections();
        sections = new MemorySegment[entries.size()];
        for (int i = 0; i < sections.length; i++) {
            SectionEntry entry = entries.get(i);
            SectionType type = new SectionType(entry.name(), entry.version());
            sections[i] = state.section(type, entry.instance()).bytes();
            layout.section(type, entry.instance(), sections[i].byteSize());
        }
        image = layout.build();
    }

    /** Fills the sections in place and seals them. */
    @Benchmark
    public void encode() {
        for (int i = 0; i < sections.length; i++) {
            image.output(i).bytes(sections[i]);
        }
        image.seal();
    }

    /** What nobody can encode without. */
    @Benchmark
    public long encodeFloor() {
        MemorySegment.copy(bytes, 0, copy, 0, bytes.byteSize());
        return checksum(copy);
    }

    /** Is it whole? */
    @Benchmark
    public StateFile check() {
        return StateFile.parse(bytes);
    }

    /** What nobody can check without. */
    @Benchmark
    public long checkFloor() {
        return checksum(bytes);
    }

    /** From a file to a machine's configuration and structs for KVM: opened, read, checked, parsed. */
    @Benchmark
    public void decode() {
        new Incoming(file.toString(), false).close();
    }

    /** What nobody can decode without: opened, read, checked. */
    @Benchmark
    public long decodeFloor() throws IOException {
        byte[] content = Files.readAllBytes(file);
        MemorySegment.copy(content, 0, copy, ValueLayout.JAVA_BYTE, 0, content.length);
        return checksum(copy);
    }

    private long checksum(MemorySegment segment) {
        crc.reset();
        crc.update(segment.asByteBuffer());
        return crc.getValue();
    }

    /** Removes the state. */
    @TearDown(Level.Trial)
    public void remove() {
        scratch.close();
    }
}
