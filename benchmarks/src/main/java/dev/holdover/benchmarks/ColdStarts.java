package dev.holdover.benchmarks;

import dev.holdover.linux.Patience;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Whole processes, from their spawn to the first byte that the guest writes: booted, and taken up from a saved state with
 * RAM in a file. The contestants take turns, so that what else the machine does meets all of them alike. Every run is
 * checked: a booted guest says {@code S} first, a restored one goes on with a letter of its alphabet, for which RAM and
 * registers have to agree.
 */
final class ColdStarts implements AutoCloseable {
    /** A run, with the wait for an idle machine, about. */
    static final long EXPECTED_MILLIS = 200;

    private static final String IDENTITY = "holdover.ram";
    /** What of its RAM the guest changes lies in here. */
    private static final int CHANGED = 1 << 16;

    private static final long DEADLINE_SECONDS = Patience.host().seconds(20);

    private final List<Contestant> contestants;
    private final Lines lines;
    private final Idle idle;
    private final Scratch scratch = Scratch.inMemory();
    private final ScheduledExecutorService watchdog = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "watchdog");
        thread.setDaemon(true);
        return thread;
    });

    ColdStarts(List<Contestant> contestants, Lines lines, Idle idle) throws IOException {
        this.contestants = contestants;
        this.lines = lines;
        this.idle = idle;
    }

    /**
     * A contestant's saved guest: RAM and state, and how the RAM was when it was saved.
     *
     * @param behind what lies in the file behind the guest's RAM: a mark, where the file system keeps no attributes
     */
    private record Prepared(
            Path ram, Path state, ByteBuffer memory, long size, ByteBuffer behind, ByteBuffer identity) {
        /** Makes the RAM that of the state again. */
        void rewind() throws IOException {
            try (FileChannel file = FileChannel.open(ram, StandardOpenOption.WRITE)) {
                file.write(memory.duplicate(), 0);
                file.write(behind.duplicate(), size);
            }
            if (identity != null) {
                attributes(ram).write(IDENTITY, identity.duplicate());
            }
        }
    }

    private static UserDefinedFileAttributeView attributes(Path file) {
        return Files.getFileAttributeView(file, UserDefinedFileAttributeView.class);
    }

    /** Boots each contestant's guest as often as there are rounds. */
    void boot(int mib, int rounds, Progress progress) throws IOException, InterruptedException {
        for (int round = 0; round < rounds; round++) {
            for (Contestant contestant : contestants) {
                progress.step(
                        "ColdStart " + mib + " MiB, round " + (round + 1) + ": " + contestant.name(), EXPECTED_MILLIS);
                Path ram = scratch.path().resolve("ram");
                idle.await();
                try {
                    long start = System.nanoTime();
                    Contestant.Started guest = contestant.boot(ram, mib);
                    finish("ColdStart", contestant, mib, round, guest, start, true);
                } catch (IOException e) {
                    progress.leftOut(e.getMessage());
                }
                Files.deleteIfExists(ram);
            }
        }
    }

    /** Saves each contestant's guest, then restores it as often as there are rounds. */
    void restore(int mib, int rounds, Progress progress) throws IOException, InterruptedException {
        Map<Contestant, Prepared> saved = new LinkedHashMap<>();
        for (Contestant contestant : contestants) {
            try {
                saved.put(contestant, prepare(contestant, mib));
            } catch (IOException e) {
                progress.leftOut(e.getMessage());
            }
        }
        for (int round = 0; round < rounds; round++) {
            for (Contestant contestant : saved.keySet()) {
                progress.step(
                        "ColdRestore " + mib + " MiB, round " + (round + 1) + ": " + contestant.name(),
                        EXPECTED_MILLIS);
                Prepared guest = saved.get(contestant);
                guest.rewind();
                idle.await();
                try {
                    long start = System.nanoTime();
                    Contestant.Started restored = contestant.restore(guest.ram(), mib, guest.state());
                    finish("ColdRestore", contestant, mib, round, restored, start, false);
                } catch (IOException e) {
                    progress.leftOut(e.getMessage());
                }
            }
        }
        for (Prepared guest : saved.values()) {
            Files.delete(guest.ram());
            Files.delete(guest.state());
        }
    }

    private Prepared prepare(Contestant contestant, int mib) throws IOException, InterruptedException {
        String name = contestant.name().replace(' ', '-').replace('/', '-');
        Path ram = scratch.path().resolve(name + ".ram");
        Path state = scratch.path().resolve(name + ".state");
        contestant.save(ram, mib, state);
        byte[] memory;
        try (InputStream file = Files.newInputStream(ram)) {
            memory = file.readNBytes(CHANGED);
        }
        long size = (long) mib << 20;
        byte[] behind;
        try (InputStream file = Files.newInputStream(ram)) {
            file.skipNBytes(size);
            behind = file.readAllBytes();
        }
        ByteBuffer identity = null;
        UserDefinedFileAttributeView attributes = attributes(ram);
        if (attributes.list().contains(IDENTITY)) {
            identity = ByteBuffer.allocate(attributes.size(IDENTITY));
            attributes.read(IDENTITY, identity);
            identity.flip();
        }
        return new Prepared(ram, state, ByteBuffer.wrap(memory), size, ByteBuffer.wrap(behind), identity);
    }

    private void finish(
            String benchmark,
            Contestant contestant,
            int mib,
            int round,
            Contestant.Started guest,
            long start,
            boolean booted)
            throws IOException, InterruptedException {
        Process process = guest.process();
        Future<?> deadline = watchdog.schedule(process::destroyForcibly, DEADLINE_SECONDS, TimeUnit.SECONDS);
        try {
            int first = guest.serial().read();
            long nanos = System.nanoTime() - start;
            if (booted ? first != 'S' : first < 'a' || first > 'z') {
                throw new IOException(contestant.name() + ", " + benchmark + ": its guest's first byte is " + first);
            }
            ProcessUse use = ProcessUse.of(process.pid());
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("benchmark", benchmark);
            line.put("contestant", contestant.name());
            line.put("round", round);
            line.put("mib", mib);
            line.put("nanos", nanos);
            line.put("cpuNanos", use.cpuNanos());
            line.put("anonKib", use.anonKib());
            line.put("fileKib", use.fileKib());
            line.put("shmemKib", use.shmemKib());
            lines.add(line);
        } finally {
            deadline.cancel(false);
            process.destroyForcibly().waitFor();
            lines.flush();
        }
    }

    @Override
    public void close() {
        watchdog.shutdownNow();
        scratch.close();
    }
}
