package dev.holdover.virtio;

import static dev.holdover.virtio.DriverQueue.Buffer.in;
import static dev.holdover.virtio.DriverQueue.Buffer.out;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TapTest {
    @Test
    void parsesWhatTheUserWrites() {
        assertThat(NetConfig.parse("tap=tap0,mac=52:54:00:12:34:Fe"))
                .isEqualTo(new NetConfig("tap0", new MacAddress(0x5254001234feL)));
        MacAddress derived = NetConfig.parse("tap=tap0").mac();
        assertThat(derived.octet(0)).as("locally administered, one device's").isEqualTo((byte) 2);
        assertThat(NetConfig.parse("tap=tap0").mac()).isEqualTo(derived);
        assertThat(NetConfig.parse("tap=tap1").mac()).isNotEqualTo(derived);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0123456789abcdef", "a b", "a/b", "a:b", "tap%d", ".", ".."})
    void refusesWhatIsNoInterfaceName(String name) {
        assertThatThrownBy(() -> NetConfig.parse("tap=" + name))
                .isInstanceOf(UsageException.class)
                .hasMessageStartingWith("--net tap=" + name + ": '" + name + "' is no interface name");
    }

    @ParameterizedTest
    @CsvSource({
        "52:54:00:12:34, is no MAC address",
        "52:54:00:12:34:5, is no MAC address",
        "52:54:00:12:34:5g, is no MAC address",
        "52-54-00-12-34-56, is no MAC address",
        "+1:54:00:12:34:56, is no MAC address",
        "01:00:5e:00:00:01, is no single device's",
        "00:00:00:00:00:00, is no single device's"
    })
    void refusesWhatIsNoMacAddress(String mac, String why) {
        assertThatThrownBy(() -> NetConfig.parse("tap=t,mac=" + mac))
                .isInstanceOf(UsageException.class)
                .hasMessageContaining(mac)
                .hasMessageContaining(why);
    }

    private static boolean ip(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("ip"));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .start()
                        .waitFor()
                == 0;
    }

    private static void assumeTaps() {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "/dev/net/tun is not there or not ours");
        try {
            Tap.open("hv-assume" + ProcessHandle.current().pid() % 1000).close();
        } catch (VmmException e) {
            assumeTrue(false, e.getMessage());
        }
    }

    @Test
    void saysWhatIsWrongWithAnInterface() {
        assumeTaps();
        String name = "hvx" + ProcessHandle.current().pid();
        try (Tap tap = Tap.open(name)) {
            assertThat(tap.hasOffloads()).isTrue();
            assertThatThrownBy(() -> Tap.open(name))
                    .isInstanceOf(VmmException.class)
                    .hasMessage("cannot use tap " + name + ": EBUSY (Device or resource busy);"
                            + " another program has it: stop that one or take another tap");
        }
        assertThatThrownBy(() -> Tap.open("lo")).hasMessageContaining("cannot use tap lo: EINVAL");
    }

    /** The host's own network stack at the other end: it asks for the guest's address, and counts what the guest sends. */
    @Test
    void talksToTheHost() throws Exception {
        assumeTaps();
        String name = "hvt" + ProcessHandle.current().pid();
        List<Throwable> failures = new ArrayList<>();
        TestRam ram = new TestRam();
        MacAddress mac = new MacAddress(0x025254001234L);
        Tap tap = Tap.open(name);
        VirtioNet device = new VirtioNet(tap, mac, failures::add);
        try (TestDriver driver = new TestDriver(ram, device)) {
            assumeTrue(
                    ip("addr", "add", "198.19.253.1/30", "dev", name) && ip("link", "set", name, "up"),
                    "no ip(8), or it may not configure interfaces");
            driver.begin(driver.offered() & 0xfffffff);
            DriverQueue rx = driver.queue(0, 256);
            DriverQueue tx = driver.queue(1, 256);
            driver.ready();
            long[] gpas = new long[256];
            for (int i = 0; i < 200; i++) {
                long gpa = ram.allocate(1536);
                gpas[rx.add(in(gpa, 1536))] = gpa;
            }
            driver.kick(rx);

            try (DatagramSocket socket = new DatagramSocket()) {
                byte[] guest = {(byte) 198, 19, (byte) 253, 2};
                socket.send(new DatagramPacket(new byte[1], 1, InetAddress.getByAddress(guest), 9));
            }
            byte[] arp = null;
            while (arp == null) { // the host says other things as well
                for (DriverQueue.Used used : driver.await(rx, 1)) {
                    byte[] frame = ram.memory.read(gpas[used.head()], (int) used.written());
                    assertThat(frame[10]).as("num_buffers").isEqualTo((byte) 1);
                    if (frame[12 + 12] == 8 && frame[12 + 13] == 6) {
                        arp = frame;
                    }
                }
            }
            assertThat(arp).as("who has 198.19.253.2, tell 198.19.253.1").hasSize(12 + 42);
            assertThat(Arrays.copyOfRange(arp, 12 + 28, 12 + 32)).isEqualTo(new byte[] {(byte) 198, 19, (byte) 253, 1});
            assertThat(Arrays.copyOfRange(arp, 12 + 38, 12 + 42)).isEqualTo(new byte[] {(byte) 198, 19, (byte) 253, 2});

            long reply = ram.allocate(64);
            ram.memory.write(reply, arpReply(arp, mac));
            tx.add(out(reply, 12), out(reply + 12, 42));
            driver.kick(tx);
            driver.await(tx, 1);
            assertThat(device.droppedOut()).isZero();
            assertThat(Path.of("/sys/class/net", name, "statistics/rx_bytes")).hasContent("42");

            assertThat(ip("link", "del", name)).isTrue();
            while (driver.mmio.read(0x106, 2) == 1) {
                driver.awaitInterrupt();
            }
        } finally {
            ram.assertGuardsUntouched();
            ram.close();
        }
        assertThat(failures).isEmpty();
    }

    /** The answer to an ARP request, behind an empty virtio-net header. */
    private static byte[] arpReply(byte[] request, MacAddress mac) {
        byte[] reply = new byte[12 + 42];
        System.arraycopy(request, 12, reply, 12, 42);
        System.arraycopy(request, 12 + 6, reply, 12, 6);
        reply[12 + 21] = 2;
        System.arraycopy(request, 12 + 22, reply, 12 + 32, 10);
        for (int i = 0; i < 6; i++) {
            reply[12 + 6 + i] = mac.octet(i);
            reply[12 + 22 + i] = mac.octet(i);
        }
        System.arraycopy(request, 12 + 38, reply, 12 + 28, 4);
        return reply;
    }
}
