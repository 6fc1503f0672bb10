package dev.holdover.benchmarks;

import dev.holdover.boot.FlatFirmware;
import dev.holdover.kvm.VcpuExit;
import dev.holdover.linux.Fd;
import dev.holdover.machine.Incoming;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineBuilder;
import dev.holdover.machine.MachineConfig;
import dev.holdover.machine.SaveOptions;
import dev.holdover.machine.StartTimes;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.FileMark;
import dev.holdover.memory.RamConfig;
import dev.holdover.memory.RamIdentity;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;

/** A guest that was saved, to be taken up again and again: its RAM is as it was, for the guest changes none of it. */
final class SavedGuest implements AutoCloseable {
    private static final long HUGE_PAGE = 2 << 20;

    private final Scratch scratch = Scratch.inMemory();
    private final FdSets fdsets = new FdSets();
    private final RamConfig ram;
    private final String state;
    private final RamIdentity identity;
    private final FlatFirmware firmware = Floor.firmware(Rom.PORT_WRITES);
    private final Floor.Saved floor;

    /**
     * Boots a guest, saves it and ends it.
     *
     * @param touched whether all its RAM has pages
     */
    SavedGuest(RamKind kind, long size, boolean touched, int cpus) throws IOException {
        ram = kind.config(scratch.path(), fdsets, size);
        state = scratch.path().resolve("state").toString();
        boolean prefault = touched && kind != RamKind.ANONYMOUS;
        RamConfig first =
                new RamConfig(ram.backend(), size, ram.memPath(), ram.share(), ram.offset(), ram.thp(), prefault);
        MachineConfig config = config(first, Rom.PORT_WRITES.write(scratch.path()), cpus);
        try (Machine machine = new Machine(config, fdsets)) {
            Counter counter = new Counter();
            machine.ports().add(Rom.PORT, 1, counter);
            if (touched) {
                touch(machine);
            }
            machine.resume();
            counter.awaitFirst();
            machine.save(state, new SaveOptions(ram.share(), true));
        }
        identity = readIdentity();
        floor = saveFloor(kind, size, cpus);
    }

    /** Saves a small guest, and ends it. */
    static void save(Path state, Path directory, FdSets fdsets, int cpus) throws IOException {
        RamConfig ram = RamKind.FILE.config(directory, fdsets, 1 << 20);
        try (Machine machine = new Machine(config(ram, Rom.PORT_WRITES.write(directory), cpus), fdsets)) {
            machine.resume();
            machine.save(state.toString(), SaveOptions.IN_PLACE);
        }
    }

    /** A machine without devices but those that each has. */
    static MachineConfig config(RamConfig ram, Path rom, int cpus) {
        return MachineBuilder.firmware(rom).cpus(cpus).serial("null").config().withRam(ram);
    }

    private static void touch(Machine machine) {
        long size = machine.memory().size();
        long low = Math.min(size, 0xc0000000L);
        for (long at = HUGE_PAGE; at < low; at += HUGE_PAGE) {
            machine.memory().putLong(at, at);
        }
    }

    private RamIdentity readIdentity() {
        if (!ram.share()) {
            return null;
        }
        try (Fd fd = openRam()) {
            return mark(fd).read();
        }
    }

    private FileMark mark(Fd file) {
        return new FileMark(file, ram.offset() + ram.size());
    }

    private Fd openRam() {
        return FdSets.isFdSet(ram.memPath())
                ? fdsets.open(ram.memPath(), Fd.O_RDWR)
                : Fd.open(ram.memPath(), Fd.O_RDWR);
    }

    private Floor.Saved saveFloor(RamKind kind, long size, int cpus) {
        Path file = switch (kind) {
            case FILE -> Path.of(ram.memPath());
            case MEMFD ->
                Path.of("/proc/self/fd/"
                        + fdsets.query().getFirst().fds().getFirst().fd());
            case ANONYMOUS -> null;
        };
        try (Floor guest = new Floor(file, size, firmware, cpus)) {
            guest.runToExit();
            guest.settle();
            Floor.Saved saved = guest.room(file, firmware);
            guest.save(saved);
            return saved;
        }
    }

    /** Makes the RAM that of the state again: without it a state is taken up only once. */
    void rewind() {
        if (identity != null) {
            try (Fd fd = openRam()) {
                mark(fd).write(identity);
            }
        }
    }

    /** Restores the guest and lets it run to its first exit. */
    Machine restore(Parts parts) {
        Machine machine;
        try (Incoming incoming = new Incoming(state, false)) {
            parts.done("read");
            // Without the prefault that touched all pages before the save.
            machine = Machine.restore(incoming.config().withRam(ram), fdsets, incoming);
        }
        for (StartTimes.Part part : StartTimes.Part.values()) {
            parts.add(part.name().toLowerCase(Locale.ROOT), machine.startTimes().nanos(part));
        }
        Counter counter = new Counter();
        machine.ports().add(Rom.PORT, 1, counter);
        long start = System.nanoTime();
        machine.resume();
        long first = counter.awaitFirst();
        parts.add("run", first - start);
        parts.endAt(first);
        return machine;
    }

    /** The same by system calls alone. */
    Floor restoreFloor(Parts parts) {
        Floor guest = Floor.restore(floor, parts);
        VcpuExit exit = guest.runToExit();
        if (!(exit instanceof VcpuExit.Io io) || io.port() != Rom.PORT) {
            throw new IllegalStateException("not the exit that the guest makes: " + exit);
        }
        parts.done("run");
        return guest;
    }

    @Override
    public void close() {
        firmware.close();
        fdsets.close();
        scratch.close();
    }
}
