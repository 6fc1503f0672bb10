package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.memory.FdSets;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A device whose line is low where the interrupt controllers were saved with a high one: its next edge must arrive. */
@NeedsKvm
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LostEdgeTest {
    private static final int MOST_MILLIS = Patience.host().millis(20_000);
    private static final String READY = "echoing up to q\n";
    /** struct kvm_irqchip: the chip's state@8; of it kvm_pic_state: last_irr@0. COM1 is IRQ 4. */
    private static final int PIC_LAST_IRR = 8;

    private static final byte COM1 = 1 << 4;

    @TempDir
    Path directory;

    private static void awaitText(UnixSocket socket, String text) {
        StringBuilder seen = new StringBuilder();
        try (Arena arena = Arena.ofConfined();
                Epoll epoll = new Epoll()) {
            epoll.add(socket.fd(), Epoll.EPOLLIN, 0);
            MemorySegment buffer = arena.allocate(4096);
            while (!seen.toString().endsWith(text)) {
                assertThat(epoll.await(MOST_MILLIS)).as("more than: " + seen).isPositive();
                long n = socket.receive(buffer).bytes();
                assertThat(n).isPositive();
                byte[] bytes = buffer.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE);
                seen.append(new String(bytes, StandardCharsets.US_ASCII));
            }
        }
    }

    /** A client of the machine's serial port, which serves it: what the guest writes before is dropped. */
    private static UnixSocket connected(Machine machine, String path) throws Exception {
        UnixSocket client = UnixSocket.connect(UnixSocket.Kind.STREAM, path);
        Guest.await("the connection is accepted", () -> isAccepted(path));
        // It is served in the same turn of the port's loop, which this waits for.
        machine.devices.serial().holdClients();
        machine.devices.serial().resume();
        return client;
    }

    /** proc_pid_net(5), unix: the accepting side has the path, is connected (3), and has an inode only when it is accepted. */
    private static boolean isAccepted(String path) {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/net/unix"))) {
                String[] fields = line.trim().split(" +", -1);
                if (line.endsWith(" " + path) && fields[5].equals("03") && !fields[6].equals("0")) {
                    return true;
                }
            }
            return false;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void isDelivered() throws Exception {
        String serial = directory.resolve("serial").toString();
        String state = directory.resolve("state").toString();
        Guest guest = Guest.named("uart.elf", directory).ram("16M", null).serial("unix:" + serial);
        try (Machine machine = guest.machine();
                UnixSocket client = connected(machine, serial)) {
            machine.resume();
            awaitText(client, READY);
            machine.save(state, new SaveOptions(false, false));
        }
        try (FdSets fdsets = new FdSets();
                Incoming incoming = new Incoming(state, false)) {
            MemorySegment pic = incoming.vm().picMaster();
            byte lastIrr = pic.get(ValueLayout.JAVA_BYTE, PIC_LAST_IRR);
            pic.set(ValueLayout.JAVA_BYTE, PIC_LAST_IRR, (byte) (lastIrr | COM1));
            try (Machine machine = Machine.restore(incoming.config(), fdsets, incoming);
                    UnixSocket client = connected(machine, serial);
                    Arena arena = Arena.ofConfined()) {
                machine.resume();
                assertThat(client.trySend(arena.allocateFrom("a").asSlice(0, 1), List.of()))
                        .isEqualTo(1);
                awaitText(client, "a");
            }
        }
    }
}
