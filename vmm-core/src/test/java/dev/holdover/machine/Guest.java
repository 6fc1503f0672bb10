package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.boot.BootConfig;
import dev.holdover.linux.Patience;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.RamConfig;
import dev.holdover.platform.MemoryMap;
import dev.holdover.serial.SerialConfig;
import dev.holdover.virtio.ConsoleConfig;
import dev.holdover.virtio.DiskConfig;
import dev.holdover.virtio.NetConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/** A guest of src/test/guests, or one made by a test, and the machine that it is to run in: COM1 goes to a file. */
final class Guest {
    /** Where the guests that live on count, and where they keep the TSC of their start. */
    static final long COUNT = 0x1000;

    static final long NONCE = 0x1008;

    private static final long DEADLINE_NANOS = Patience.host().nanos(20_000);

    private final Path directory;
    private final Path image;
    private final boolean firmware;
    private final List<DiskConfig> disks = new ArrayList<>();
    private final List<NetConfig> nets = new ArrayList<>();
    private RamConfig ram = RamConfig.memfd(32 << 20);
    private int cpus = 1;
    private Path initrd;
    private String commandLine = "";
    private SerialConfig serial;
    private ConsoleConfig console;
    private boolean rng;
    private boolean pci;
    private boolean rebootOnReset;

    /** How a guest ended, and all that it wrote to COM1. */
    record Outcome(MachineEnd end, String output) {}

    private Guest(Path directory, Path image, boolean firmware) {
        this.directory = directory;
        this.image = image;
        this.firmware = firmware;
        this.serial = SerialConfig.parse("file:" + directory.resolve("com1"));
    }

    /** A guest of the table in src/test/guests: {@code .bin} is firmware, {@code .elf} a kernel. */
    static Guest named(String file, Path directory) {
        return new Guest(directory, resource("/guests/" + file), file.endsWith(".bin"));
    }

    static Guest firmware(Path image, Path directory) {
        return new Guest(directory, image, true);
    }

    static Path resource(String name) {
        try {
            return Path.of(Guest.class.getResource(name).toURI());
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    /** Whether KVM of this host runs guest kernel code an instruction at a time: as PVM, without the processor's help. */
    static boolean isEmulated() throws IOException {
        return Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
                .filter(line -> line.startsWith("flags"))
                .noneMatch(line -> line.matches(".* (svm|vmx)( .*)?"));
    }

    Guest ram(String size, String options) {
        ram = RamConfig.parse(size, options);
        return this;
    }

    Guest cpus(int number) {
        cpus = number;
        return this;
    }

    Guest append(String text) {
        commandLine = text;
        return this;
    }

    Guest initrd(String content) throws IOException {
        initrd = Files.writeString(directory.resolve("env"), content);
        return this;
    }

    Guest serial(String where) {
        serial = SerialConfig.parse(where);
        return this;
    }

    Guest console(Path file) {
        console = ConsoleConfig.parse("file:" + file);
        return this;
    }

    Guest disk(Path file, boolean readOnly) {
        disks.add(new DiskConfig(file.toString(), readOnly));
        return this;
    }

    Guest net(String tap) {
        nets.add(NetConfig.parse("tap=" + tap));
        return this;
    }

    Guest pci() {
        pci = true;
        return this;
    }

    Guest rng() {
        rng = true;
        return this;
    }

    Guest rebootOnReset() {
        rebootOnReset = true;
        return this;
    }

    /** The machine, parked. */
    Machine machine() {
        BootSource boot = firmware
                ? new BootSource.Firmware(image)
                : new BootSource.KernelImage(new BootConfig(image, initrd, commandLine));
        MachineConfig config = new MachineConfig(
                "",
                ram,
                cpus,
                boot,
                serial,
                console,
                disks,
                nets,
                rng,
                pci,
                List.of(),
                MemoryMap.PORT_DEBUG_EXIT,
                rebootOnReset);
        try (FdSets none = new FdSets()) {
            return new Machine(config, none);
        }
    }

    /** Runs it to its end. */
    Outcome run() throws Exception {
        MachineEnd end;
        try (Machine machine = machine()) {
            machine.resume();
            end = machine.await();
        }
        return new Outcome(end, output());
    }

    /** What it has written to COM1 so far; all of it once the machine is closed. */
    String output() throws IOException {
        return Files.readString(directory.resolve("com1"), StandardCharsets.ISO_8859_1);
    }

    /** Waits for what another thread brings about, a vCPU's say. */
    static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long start = System.nanoTime();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime() - start).as(what).isLessThan(DEADLINE_NANOS);
            Thread.sleep(1);
        }
    }

    /** Waits until what it has written to COM1 is such. */
    void awaitOutput(String pattern) throws InterruptedException {
        await("the guest writes " + pattern, () -> {
            try {
                return output().matches(pattern);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    /** Waits until its count has changed. */
    static void awaitCount(Machine machine) throws InterruptedException {
        int before = machine.memory().getInt(COUNT);
        await("the guest counts", () -> machine.memory().getInt(COUNT) != before);
    }
}
