package dev.holdover.cli;

import dev.holdover.device.SerialConfig;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import dev.holdover.machine.BootSource;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineConfig;
import dev.holdover.machine.MachineEnd;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.GuestMemory;
import dev.holdover.memory.RamConfig;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "demo",
        description = {
            "Boots a built-in guest that counts in its RAM, says so on its serial port and switches itself off.",
            "Needs nothing but /dev/kvm."
        })
final class DemoCommand implements Callable<Integer> {
    @Mixin
    HelpOption help;

    private static final long RAM_SIZE = 16L << 20;
    // Where the guest keeps its count and its boot nonce; see demo.S.
    private static final long COUNT = 0x1000;
    private static final long NONCE = 0x1008;

    @Override
    public Integer call() throws IOException, InterruptedException {
        long start = System.nanoTime();
        try (FdSets none = new FdSets();
                Fd image = image()) {
            MachineConfig config = new MachineConfig(
                    "demo",
                    RamConfig.memfd(RAM_SIZE),
                    1,
                    new BootSource.Firmware(Path.of("/proc/self/fd/" + image.number())),
                    SerialConfig.parse("stdio"),
                    null,
                    List.of(),
                    List.of(),
                    false,
                    -1,
                    false);
            MachineEnd end;
            long running;
            long count;
            long nonce;
            try (Machine machine = new Machine(config, none)) {
                System.out.println("demo: a guest with " + (RAM_SIZE >> 20) + " MiB of RAM in a memfd is made after "
                        + millis(start) + " ms; its own words follow");
                running = System.nanoTime();
                machine.resume();
                end = machine.await();
                GuestMemory memory = machine.memory();
                count = Integer.toUnsignedLong(memory.getInt(COUNT));
                nonce = memory.getLong(NONCE);
            }
            if (!(end instanceof MachineEnd.PoweredOff)) {
                throw new VmmException("the demo's guest did not switch itself off: " + end);
            }
            System.out.println("demo: it switched itself off after " + millis(running)
                    + " ms; in its RAM stand the count " + count + " and its boot nonce 0x"
                    + Long.toHexString(nonce));
            return ExitCode.OK;
        }
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

    private static long millis(long since) {
        return (System.nanoTime() - since) / 1_000_000;
    }
}
