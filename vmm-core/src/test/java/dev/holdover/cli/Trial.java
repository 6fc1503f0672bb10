package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.machine.LivingGuest;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/**
 * One experiment of the campaign: a guest with a disk, one operation on it, one fault at a random instant of it.
 *
 * <p>The guest tells of itself by the letters that it writes: in turn if it ran once at each time and went back never. Its
 * disk's sectors hold the numbers of the rounds in which it wrote them, and a part of its RAM that it never touches a
 * pattern. {@link #verify} compares all three.
 */
abstract class Trial {
    /** How an experiment ended. */
    enum Outcome {
        /** The process that had the guest runs it still, or paused it and holds its state. */
        STAYED,
        /** Another process runs it. */
        MOVED,
        /** No process had it, and one state could be restored: once, and not twice. */
        RESTORED,
        /** It ended with the process that ran it, which the fault was to end. Nothing of it can be restored. */
        ENDED
    }

    private static final int SECTOR = 512;
    private static final int SECTORS = 64;
    private static final int UNWRITTEN = 0xdddddddd;
    private static final int RAM_SIZE = 16 << 20;
    private static final int PATTERN = 12 << 20;
    private static final int PATTERN_SIZE = 64 << 10;
    private static final int QUIET_MILLIS = Patience.host().millis(3_000);

    final Path dir;
    final Random random;
    final Vmms vmms;
    final List<Process> started = new ArrayList<>();
    private final Path ram;
    private final long patternSeed;
    private MappedByteBuffer memory;
    private long nonce;
    private int files;

    Trial(Path dir, long seed) throws IOException {
        this.dir = dir;
        this.random = new Random(seed);
        this.vmms = new Vmms(dir);
        this.patternSeed = random.nextLong();
        this.ram = Files.createTempFile(Path.of("/dev/shm"), "holdover-campaign", ".ram");
    }

    /** Does the operation; at a random instant the fault is met. With null there is none. */
    abstract Outcome run(Victim victim, Fault fault) throws Exception;

    /** Starts a VMM or luod; what it says goes to a file of its own. */
    final Process start(String... arguments) throws IOException {
        Process process = vmms.start("errors" + files++, arguments);
        started.add(process);
        return process;
    }

    /** What the n-th process that was started has said. */
    final String said(Process process) throws IOException {
        return vmms.said("errors" + started.indexOf(process));
    }

    final Path control(String name) {
        return dir.resolve(name);
    }

    /** Boots the guest with its RAM in a file, and waits until it writes. */
    final Process boot(String... more) throws Exception {
        List<String> options = LivingGuest.DISK.options(dir, ram);
        options.addFirst("run");
        options.addAll(List.of("--control", control("control").toString()));
        options.addAll(List.of(more));
        try (RandomAccessFile file = new RandomAccessFile(ram.toFile(), "rw")) {
            file.setLength(RAM_SIZE);
            memory = file.getChannel().map(FileChannel.MapMode.READ_WRITE, 0, RAM_SIZE);
            memory.order(ByteOrder.LITTLE_ENDIAN);
        }
        Process vmm = start(options.toArray(new String[0]));
        awaitLetters(vmm);
        memory.put(PATTERN, pattern());
        nonce = memory.getLong((int) LivingGuest.NONCE);
        return vmm;
    }

    /** The same with RAM in a memfd, as a live update needs it. */
    final Process bootInMemfd(String... more) throws Exception {
        List<String> options = LivingGuest.DISK.options(dir, ram);
        int at = options.indexOf("--ram");
        options.remove(at);
        options.remove(at);
        options.addFirst("run");
        options.addAll(List.of("--control", control("control").toString()));
        options.addAll(List.of(more));
        Process vmm = start(options.toArray(new String[0]));
        awaitLetters(vmm);
        return vmm;
    }

    private byte[] pattern() {
        byte[] bytes = new byte[PATTERN_SIZE];
        new Random(patternSeed).nextBytes(bytes);
        return bytes;
    }

    /** Connects to a VMM's control socket as soon as it listens. */
    final ControlClient connect(Process vmm, String name) throws Exception {
        ControlClient[] client = new ControlClient[1];
        Vmms.await("a connection to " + name, () -> {
            try {
                client[0] = ControlClient.connect(control(name));
                return true;
            } catch (IOException e) {
                assertThat(vmm.isAlive()).as("it listens; %s", said(vmm)).isTrue();
                return false;
            }
        });
        return client[0];
    }

    final long letters() throws IOException {
        Path com1 = dir.resolve("com1");
        return Files.exists(com1) ? Files.size(com1) : 0;
    }

    /** Waits until the guest has written some letters more than now; the process must not end before. */
    final void awaitLetters(Process vmm) throws Exception {
        assertThat(awaitLettersOrEnd(vmm)).as("the guest runs; %s", said(vmm)).isTrue();
    }

    /** The same; false if the process ended before. */
    final boolean awaitLettersOrEnd(Process vmm) throws Exception {
        long before = letters();
        Vmms.await("the guest writes", () -> letters() > before + 3 || !vmm.isAlive());
        return letters() > before + 3;
    }

    /** Whether the guest writes within some seconds. False is no proof that it will not. */
    final boolean writes() throws Exception {
        long before = letters();
        long start = System.nanoTime();
        while (letters() <= before + 3) {
            if (System.nanoTime() - start > QUIET_MILLIS * 1_000_000L) {
                return false;
            }
            TimeUnit.MILLISECONDS.sleep(2);
        }
        return true;
    }

    /** Lets a random part of a span pass; more often than not one of its first quarter, where most of an operation is. */
    final void letPass(long nanos) throws InterruptedException {
        TimeUnit.NANOSECONDS.sleep(random.nextLong(Math.max(1, random.nextBoolean() ? nanos : nanos / 4)));
    }

    /** Whether no VMM of this trial lives. */
    final boolean allHaveEnded() {
        return started.stream().noneMatch(Process::isAlive);
    }

    final void end(Process process) throws InterruptedException {
        process.destroyForcibly();
        Vmms.exitCode(process);
    }

    /** The guest does not run: what it left is whole. The letters were in turn all the time. */
    final void verify() throws IOException {
        LivingGuest.DISK.assertUnbroken(dir);
        byte[] disk = Files.readAllBytes(dir.resolve("disk"));
        ByteBuffer words = ByteBuffer.wrap(disk).order(ByteOrder.LITTLE_ENDIAN);
        int newest = Integer.MIN_VALUE;
        int oldest = Integer.MAX_VALUE;
        for (int sector = 0; sector < SECTORS; sector++) {
            int round = words.getInt(sector * SECTOR);
            for (int at = 0; at < SECTOR; at += 4) {
                assertThat(words.getInt(sector * SECTOR + at))
                        .as("word %d of sector %d", at / 4, sector)
                        .isEqualTo(round);
            }
            if (round != UNWRITTEN) {
                assertThat(round & (SECTORS - 1))
                        .as("sector of round %d", round)
                        .isEqualTo(sector);
                newest = Math.max(newest, round);
                oldest = Math.min(oldest, round);
            }
        }
        if (newest >= 0) {
            assertThat(newest - oldest).as("rounds on the disk").isLessThan(SECTORS);
        }
        if (memory != null) {
            byte[] found = new byte[PATTERN_SIZE];
            memory.get(PATTERN, found);
            assertThat(found).as("the pattern in RAM").isEqualTo(pattern());
            assertThat(memory.getLong((int) LivingGuest.NONCE))
                    .as("the boot nonce")
                    .isEqualTo(nonce);
            assertThat(memory.getInt((int) LivingGuest.BROKEN))
                    .as("what the guest found broken")
                    .isZero();
            int rounds = memory.getInt((int) LivingGuest.ROUNDS);
            assertThat(newest < 0 ? rounds : newest)
                    .as("the newest round on the disk, of %d in RAM", rounds)
                    .isBetween(rounds - 1, rounds);
        }
    }

    /** What all processes have said, for the report of a failure. */
    final String log() throws IOException {
        StringBuilder log = new StringBuilder();
        for (int i = 0; i < started.size(); i++) {
            log.append("--- ")
                    .append(i)
                    .append(": ")
                    .append(started.get(i))
                    .append('\n')
                    .append(vmms.said("errors" + i));
        }
        return log.toString();
    }

    final String tail(String file) throws IOException {
        Path path = dir.resolve(file);
        String text = Files.exists(path) ? Files.readString(path, StandardCharsets.ISO_8859_1) : "";
        return text.substring(Math.max(0, text.length() - 80));
    }

    /** Ends all processes, and removes what they would leave. */
    void endAll() throws IOException, InterruptedException {
        vmms.endAll();
        Files.deleteIfExists(ram);
    }
}
