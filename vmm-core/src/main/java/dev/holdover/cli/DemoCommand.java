package dev.holdover.cli;

import dev.holdover.kvm.KvmUnavailable;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import dev.holdover.machine.HandOverReport;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineBuilder;
import dev.holdover.machine.MachineConfig;
import dev.holdover.machine.Rehearsal;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.GuestMemory;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "demo",
        description = {
            "Boots a built-in guest that counts in its RAM, and hands it over to a second VMM",
            "process while it counts. The guest goes on there: the same RAM, registers and",
            "time. Where there is no usable /dev/kvm, it says why and goes on in an emulated",
            "host, which it sets up at the first use: minutes, and 100 to 200 MB to download.",
            ""
        },
        sortOptions = false,
        customSynopsis = "./vmm demo [OPTION]...",
        footer = {
            "",
            "Exit codes: 0 the guest was handed over and went on; 1 it was not, or there is",
            "neither KVM nor an emulated host; 2 bad usage."
        })
final class DemoCommand implements Callable<Integer> {
    private static final String NO_EMULATED_HOST =
            "this distribution has no emulated host; a source tree of Holdover has one";

    @Mixin
    HelpOption help;

    @Option(names = "--emulated", description = "Shows it in an emulated host, even if there is KVM.")
    private boolean emulated;

    @Option(names = "--no-emulation", description = "Without KVM says why and stops.")
    private boolean noEmulation;

    @Option(
            names = "--host-kernel",
            paramLabel = "FILE",
            description = "The emulated host's kernel, where none can be had from the distribution's packages (apt).")
    private String hostKernel;

    private final Runnable requireKvm;
    private final EmulatedHost emulatedHost;

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

    DemoCommand() {
        this(Machine::requireKvm, EmulatedHost.ofProcess());
    }

    /**
     * In a host of a test's.
     *
     * @param requireKvm throws KvmUnavailable if guests cannot run
     */
    DemoCommand(Runnable requireKvm, EmulatedHost emulatedHost) {
        this.requireKvm = requireKvm;
        this.emulatedHost = emulatedHost;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        checkOptions();
        if (emulated) {
            if (!emulatedHost.canStart()) {
                throw new VmmException(
                        emulatedHost.inside()
                                ? "this host is an emulated one: leave --emulated out"
                                : NO_EMULATED_HOST);
            }
            return ExitCode.UNAVAILABLE;
        }
        try {
            requireKvm.run();
        } catch (KvmUnavailable e) {
            return withoutKvm(e);
        }
        if (hostKernel != null) {
            System.err.println("vmm demo: --host-kernel is not used: this host has KVM; give --emulated, too");
        }
        return show();
    }

    private void checkOptions() {
        if (noEmulation && (emulated || hostKernel != null)) {
            throw new UsageException("--no-emulation and " + (emulated ? "--emulated" : "--host-kernel")
                    + " exclude each other: give one of them");
        }
        if (hostKernel == null) {
            return;
        }
        Path kernel = Path.of(NotEmpty.value("--host-kernel", hostKernel));
        if (!Files.isRegularFile(kernel) || !Files.isReadable(kernel)) {
            throw new UsageException("--host-kernel " + hostKernel
                    + (Files.exists(kernel) ? " is no file that can be read" : " does not exist (ENOENT)")
                    + ": name a kernel image, for example /boot/vmlinuz-VERSION");
        }
    }

    /** Says why there is no KVM, and where the demo goes on. */
    private int withoutKvm(KvmUnavailable why) {
        if (noEmulation || emulatedHost.inside()) {
            throw new VmmException(why.getMessage(), why);
        }
        if (!emulatedHost.canStart()) {
            throw new VmmException(why.getMessage() + "; " + NO_EMULATED_HOST, why);
        }
        System.err.println("vmm demo: " + why.getMessage());
        System.err.println("vmm demo: it goes on in an emulated host (--no-emulation stops here instead)");
        return ExitCode.UNAVAILABLE;
    }

    private int show() throws IOException, InterruptedException {
        // The guest takes no input: the terminal stays as it is, so that Ctrl-C ends the demo.
        try (Fd nothing = Fd.open("/dev/null", Fd.O_RDONLY)) {
            nothing.duplicateTo(0);
        }
        say("a second VMM process is started, to stand by");
        try (DemoStandby standby = DemoStandby.start()) {
            handOverTo(standby);
        }
        if (emulatedHost.inside()) {
            System.out.println();
            say("this host is emulated: the times above mean nothing");
        }
        return ExitCode.OK;
    }

    private static void handOverTo(DemoStandby standby) throws IOException, InterruptedException {
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
            HandOverReport report = machine.handOver(standby.socket().toString(), null);
            long countThen = Integer.toUnsignedLong(memory.getInt(COUNT));
            memory.putInt(LINES_LEFT, LINES_AFTER);
            standby.awaitPowerOff(Patience.host().seconds(PATIENCE_SECONDS));
            // The other VMM has ended, the RAM is still ours, too.
            if (memory.getLong(NONCE) != nonce) {
                throw new VmmException("the demo's guest was booted anew, it did not go on");
            }
            print(report, machine, countThen, nonce);
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
