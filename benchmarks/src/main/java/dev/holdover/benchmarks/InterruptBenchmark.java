package dev.holdover.benchmarks;

import dev.holdover.boot.FlatFirmware;
import dev.holdover.linux.EventFd;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * An interrupt's way: from a signal on an irqfd, over the guest's handler and its port write, to the exit. There is no
 * reference below it: these are KVM's calls alone. {@link #line} is the same by KVM_IRQ_LINE, as the serial port does.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class InterruptBenchmark {
    private static final long RAM = 512 << 10;

    private final EventFd signal = new EventFd();
    private FlatFirmware firmware;
    private Floor guest;

    /** Boots the guest, which says that it is ready. */
    @Setup(Level.Trial)
    public void boot() {
        firmware = Floor.firmware(Rom.INTERRUPTS);
        guest = new Floor(null, RAM, firmware, 1);
        guest.vm().bindInterrupt(signal, Rom.IRQ);
        guest.runToExit();
    }

    /** An edge by irqfd. */
    @Benchmark
    public void irqfd() {
        signal.signal();
        guest.runToExit();
    }

    /** An edge by two ioctls. */
    @Benchmark
    public void line() {
        guest.vm().setInterruptLine(Rom.IRQ, true);
        guest.vm().setInterruptLine(Rom.IRQ, false);
        guest.runToExit();
    }

    /** Ends the guest. */
    @TearDown(Level.Trial)
    public void end() {
        guest.close();
        signal.close();
        firmware.close();
    }
}
