package dev.holdover.cli;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.VmmException;
import dev.holdover.machine.HandOverReport;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineBuilder;
import dev.holdover.machine.MachineConfig;
import dev.holdover.machine.Rehearsal;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.GuestMemory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "demo",
        description = {
            "Boots a built-in guest that counts in its RAM, and hands it over to a second VMM",
            "process while it counts. The guest goes on there: the same RAM, registers and",
            "time. Needs nothing but /dev/kvm."
        })
final class DemoCommand implements Callable<Integer> {
    @Mixin
    HelpOption help;

    // What the guest keeps in RAM; see demo.S.
    private static final long COUNT = 0x1000;
    private static final long LINES_LEFT = 0x1004;
    private static final long NONCE = 0x1008;
    private static final long LONGEST_GAP = 0x1014;
    private static final long LINES = 0x1010;
    /**
     * More than it will write, one each 50 ms, however long a slow host takes for the hand-over: how many it writes in the
     * other VMM is set when it is there.
     */
    static final int MANY = 1_000_000;

    static final int LINES_BEFORE = 3;
    private static final int LINES_AFTER = 4;
    private static final int REHEARSALS = 10;

    private static final int PATIENCE_SECONDS = 60;

    @Override
    public Integer call() throws IOException, InterruptedException {
        Path dir = Files.createTempDirectory("holdover-demo");
        Path socket = dir.resolve("standby");
        Process standby = null;
        try {
            say("a second VMM process is started, to stand by");
            standby = startStandby(socket);
            return run(standby, socket);
        } finally {
            if (standby != null) {
                standby.destroy();
                standby.waitFor();
            }
            Files.deleteIfExists(socket);
            Files.deleteIfExists(dir);
        }
    }

    private static int run(Process standby, Path socket) throws IOException, InterruptedException {
        try (FdSets none = new FdSets();
                Fd image = image();
                Machine machine = new Machine(config(image), none)) {
            Rehearsal.upTo(REHEARSALS, Rehearsal.Side.OUTGOING);
            say("a guest with 1 GiB of RAM in a memfd boots in this one (pid "
                    + ProcessHandle.current().pid() + "); its own words follow");
            GuestMemory memory = machine.memory();
            memory.putInt(LINES, MANY);
            machine.resume();
            long nonce = awaitLines(memory);
            say("now it is handed over to the other process (pid " + standby.pid() + ")");
            HandOverReport report = machine.handOver(socket.toString(), null);
            long countThen = Integer.toUnsignedLong(memory.getInt(COUNT));
            memory.putInt(LINES_LEFT, LINES_AFTER);
            if (!standby.waitFor(Patience.host().seconds(PATIENCE_SECONDS), TimeUnit.SECONDS)
                    || standby.exitValue() != 0) {
                throw new VmmException("the demo's guest did not switch itself off in the other VMM");
            }
            // The other VMM has ended, the RAM is still ours, too.
            if (memory.getLong(NONCE) != nonce) {
                throw new VmmException("the demo's guest was booted anew, it did not go on");
            }
            print(report, machine, countThen, nonce);
            return ExitCode.OK;
        }
    }

    private static void print(HandOverReport report, Machine machine, long countThen, long nonce) {
        GuestMemory memory = machine.memory();
        long gap = Integer.toUnsignedLong(memory.getInt(LONGEST_GAP));
        System.out.println();
        if (machine.tscKhz() > 0) {
            System.out.println(
                    "the guest saw itself stand still  " + millis(gap * 1_000_000 / machine.tscKhz()) + " ms at most");
        } else {
            System.out.println("the guest saw itself stand still for " + gap + " cycles of its TSC at most");
        }
        System.out.println("from the order to its first exit  " + millis(report.blackoutNanos()) + " ms");
        System.out.println("  stopped, devices at rest        " + millis(report.pauseNanos()));
        System.out.println(
                "  state taken (" + report.stateBytes() / 1024 + " KiB)            " + millis(report.saveNanos()));
        System.out.println("  state received                  " + millis(report.sendNanos()));
        System.out.println("  state given to the other's KVM  " + millis(report.applyNanos()));
        System.out.println("  first exit there                " + millis(report.enterNanos())
                + "   (while it counts it has no reason for one)");
        System.out.println("its count in RAM                  " + countThen + " then, "
                + Integer.toUnsignedLong(memory.getInt(COUNT)) + " at its end");
        System.out.println("its boot nonce                    0x" + Long.toHexString(nonce) + " then as now");
    }

    /** With three decimals, right-aligned. */
    private static String millis(long nanos) {
        long micros = nanos / 1000;
        String fraction = Long.toString(1000 + micros % 1000).substring(1);
        String text = micros / 1000 + "." + fraction;
        return " ".repeat(Math.max(0, 8 - text.length())) + text;
    }

    private static void say(String what) {
        System.out.println("demo: " + what);
    }

    private static long awaitLines(GuestMemory memory) throws InterruptedException {
        long most = TimeUnit.SECONDS.toNanos(Patience.host().seconds(PATIENCE_SECONDS));
        long start = System.nanoTime();
        while (!hasCounted(memory.getInt(LINES_LEFT))) {
            if (System.nanoTime() - start > most) {
                throw new VmmException("the demo's guest does not count");
            }
            TimeUnit.MILLISECONDS.sleep(1);
        }
        return memory.getLong(NONCE);
    }

    /** Whether it has written its first lines, or more: a slow host may miss a line. Zero until it has begun. */
    static boolean hasCounted(int linesLeft) {
        return linesLeft != 0 && linesLeft <= MANY - LINES_BEFORE;
    }

    /** This program again, with another command; waits until it is ready. */
    private static Process startStandby(Path socket) throws IOException {
        List<String> command = new ArrayList<>();
        String self = Files.readString(Path.of("/proc/self/cmdline"), StandardCharsets.UTF_8);
        for (String word : self.split("\0", -1)) {
            if (word.equals("demo")) {
                break;
            }
            // What takes notes of this process would be written over by the other.
            if (!word.startsWith("-XX:DumpLoadedClassList") && !word.startsWith("-XX:AOTCacheOutput")) {
                command.add(word);
            }
        }
        command.addAll(List.of("standby", "--listen", socket.toString()));
        Process standby = new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        BufferedReader errors = standby.errorReader(StandardCharsets.UTF_8);
        String said = null;
        String line = errors.readLine();
        while (line != null && !line.contains("ready")) { // the JVM may have its say first, as on JDK_JAVA_OPTIONS
            said = line;
            line = errors.readLine();
        }
        if (line == null) {
            standby.destroy();
            throw new VmmException("the second VMM process does not start: " + said);
        }
        Thread passOn = new Thread("standby's messages") {
            @Override
            public void run() {
                errors.lines().forEach(System.err::println);
            }
        };
        passOn.setDaemon(true);
        passOn.start();
        return standby;
    }

    private static MachineConfig config(Fd image) {
        return MachineBuilder.firmware(Path.of("/proc/self/fd/" + image.number()))
                .name("demo")
                .memory("1G")
                .config();
    }

    /** The guest's bytes in a memfd: a file would be left behind by a signal. */
    private static Fd image() throws IOException {
        byte[] bytes;
        try (InputStream resource = DemoCommand.class.getResourceAsStream("demo.bin")) {
            bytes = resource.readAllBytes();
        }
        Fd image = Memfd.create("demo.bin", bytes.length);
        try (Arena arena = Arena.ofConfined()) {
            image.writeFully(arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes), 0);
        }
        return image;
    }
}
