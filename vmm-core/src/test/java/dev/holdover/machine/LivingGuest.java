package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.kvm.state.Regs;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.Uart16550State;
import dev.holdover.virtio.VirtQueueState;
import dev.holdover.virtio.VirtioPciState;
import dev.holdover.virtio.VirtioState;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Guests that go on for ever, and notice when something of them was lost; see src/test/guests. */
public enum LivingGuest {
    /** Real mode, every register. */
    COUNT("count.bin", 'S', 1),
    /** HLT, PIT, PICs. */
    IDLE("idle.elf", 'I', 1),
    /** CPL 3; general, SSE, AVX and debug registers, MSRs. */
    REGS("regs.elf", 'R', 1),
    /** PIT, LAPIC timer in all modes, a pending interrupt, TSC and kvmclock. */
    TIMERS("timers.elf", 'T', 1),
    /** REP OUTS, REP INS, bytes in the UART's FIFO. */
    STRINGS("strings.elf", '\n', 1),
    /** Two CPUs that interrupt each other. */
    PAIR("pair.elf", 'P', 2),
    /** A virtio disk with a request under way. */
    DISK("disk.elf", 'D', 1),
    /** The same on PCI, with MSI-X. */
    PCI_DISK("pcidisk.elf", 'D', 1);

    /** Guest-physical addresses of what they keep. */
    public static final long ROUNDS = 0x1000;

    public static final long NONCE = 0x1008;
    public static final long BROKEN = 0x1010;
    /** Of {@link #TIMERS}. */
    static final long KVMCLOCK = 0x1020;

    private static final int DISK_SIZE = 64 * 512;
    private static final int LETTERS = 26;

    private static final int STRING = 14;
    private static final int MP_STATE_HALTED = 3;
    private static final int LAPIC_IRR = 0x200;
    private static final int TIMER_VECTOR = 0x40;
    private static final int REP_INSB = 0x6cf3;
    private static final int REP_OUTSB = 0x6ef3;

    private final String file;
    private final char first;
    private final int cpus;

    LivingGuest(String file, char first, int cpus) {
        this.file = file;
        this.first = first;
        this.cpus = cpus;
    }

    private boolean hasDisk() {
        return this == DISK || this == PCI_DISK;
    }

    private static Path disk(Path directory) {
        return directory.resolve("disk");
    }

    /** Without a page of zeros: which pages a state samples depends on none that the guest writes meanwhile. */
    private static void writeDisk(Path directory) throws IOException {
        byte[] image = new byte[DISK_SIZE];
        Arrays.fill(image, (byte) 0xdd);
        Files.write(disk(directory), image);
    }

    /** In a directory with RAM in a file, COM1 in the file com1. */
    Guest guest(Path directory, Path ram) throws IOException {
        Guest guest = Guest.named(file, directory).cpus(cpus).ram("16M", ram == null ? null : "mem-path=" + ram);
        if (hasDisk()) {
            writeDisk(directory);
            guest.disk(disk(directory), false);
        }
        if (this == PCI_DISK) {
            guest.pci();
        }
        return guest;
    }

    /** The options of `vmm run` for the same. */
    public List<String> options(Path directory, Path ram) throws IOException {
        List<String> options = new ArrayList<>();
        String image = Guest.resource("/guests/" + file).toString();
        options.addAll(List.of(file.endsWith(".bin") ? "--bios" : "--kernel", image));
        options.addAll(List.of("--memory", "16M", "--ram", "mem-path=" + ram, "--cpus", Integer.toString(cpus)));
        options.addAll(List.of("--serial", "file:" + directory.resolve("com1")));
        if (this == PCI_DISK) {
            options.add("--pci");
        }
        if (hasDisk()) {
            writeDisk(directory);
            options.addAll(List.of("--disk", "path=" + disk(directory)));
        }
        return options;
    }

    /** Whether a state of it was saved in the moment that the guest is there for. */
    boolean isCaught(Incoming incoming, GuestMemory memory) {
        VcpuState vcpu = incoming.vcpu(0).state();
        return switch (this) {
            case COUNT, REGS -> true;
            case IDLE -> vcpu.mpState().get(ValueLayout.JAVA_INT, 0) == MP_STATE_HALTED;
            case TIMERS -> (vcpu.lapic().get(ValueLayout.JAVA_INT, LAPIC_IRR + 0x10 * (TIMER_VECTOR / 32)) & 1) != 0;
            case STRINGS -> isAmidString(vcpu.regs(), memory) && unreadBytes(incoming) > 0;
            case PAIR -> incoming.vcpu(1).state().mpState().get(ValueLayout.JAVA_INT, 0) == MP_STATE_HALTED;
            case DISK -> {
                VirtioState state = VirtioState.read(
                        incoming.state().section(VirtioState.MMIO_SECTION, 0).input());
                yield isUnderWay(state, memory);
            }
            case PCI_DISK -> {
                VirtioPciState state = VirtioPciState.read(
                        incoming.state().section(VirtioPciState.SECTION, 0).input());
                yield isUnderWay(state.registers(), memory);
            }
        };
    }

    private static boolean isAmidString(Regs regs, GuestMemory memory) {
        int instruction = memory.getInt(regs.get(Regs.RIP)) & 0xffff;
        long left = regs.get(Regs.RCX);
        return (instruction == REP_INSB || instruction == REP_OUTSB) && left > 0 && left < STRING;
    }

    private static int unreadBytes(Incoming incoming) {
        return Uart16550State.read(
                        incoming.state().section(Uart16550State.SECTION, 0).input())
                .received()
                .length;
    }

    /** Given to the device, and not yet come back. */
    private static boolean isUnderWay(VirtioState state, GuestMemory memory) {
        VirtQueueState queue = state.queues().getFirst();
        return queue.ready() && memory.getInt(queue.available()) >>> 16 != queue.nextUsed();
    }

    /** Fails unless all that it wrote to COM1 so far hangs together. */
    public void assertUnbroken(Path directory) throws IOException {
        String output = Files.readString(directory.resolve("com1"), StandardCharsets.ISO_8859_1);
        if (this == IDLE || this == REGS) {
            assertThat(output).matches(first + "\\.*");
            return;
        }
        int period = this == STRINGS ? LETTERS + 1 : LETTERS;
        int start = this == STRINGS ? 0 : 1;
        assertThat(this == STRINGS || output.charAt(0) == first)
                .as("begins with " + first)
                .isTrue();
        for (int i = start; i < output.length(); i++) {
            int place = (i - start) % period;
            char wanted = place == LETTERS ? '\n' : (char) ('a' + place);
            if (output.charAt(i) != wanted) {
                throw new AssertionError("COM1 is broken at " + i + ": ..."
                        + output.substring(Math.max(0, i - 60), Math.min(output.length(), i + 60)));
            }
        }
    }
}
