package dev.holdover.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class BusTest {
    /** Answers each read with its own number in every byte, and notes accesses. */
    private static final class Probe implements BusDevice {
        private final int number;
        private final List<String> accesses = new ArrayList<>();

        Probe(int number) {
            this.number = number;
        }

        @Override
        public long read(long offset, int width) {
            accesses.add("read " + offset + "/" + width);
            return 0x0101010101010101L * number;
        }

        @Override
        public void write(long offset, int width, long value) {
            accesses.add("write " + offset + "/" + width + "=" + Long.toHexString(value));
        }
    }

    private final Bus bus = new Bus();

    @Test
    void letsDevicesComeAndGo() {
        Probe first = new Probe(1);
        Probe second = new Probe(2);
        bus.add(0x100, 0x10, first);
        assertThat(bus.tryAdd(0x10f, 2, second)).isFalse();
        assertThat(bus.tryAdd(0xff, 2, second)).isFalse();
        assertThat(bus.tryAdd(0x110, 0x10, second)).isTrue();
        assertThat(bus.read(0x10f, 1)).isEqualTo(1);
        bus.remove(0x100);
        assertThat(bus.read(0x10f, 1)).isEqualTo(0xff);
        assertThat(bus.read(0x110, 1)).isEqualTo(2);
        assertThat(bus.tryAdd(0x100, 0x10, second)).isTrue();
        assertThat(bus.read(0x10f, 1)).isEqualTo(2);
        assertThatThrownBy(() -> bus.remove(0x101)).isInstanceOf(IllegalArgumentException.class);
    }

    /** As vCPUs do that run while another moves a device. */
    @Test
    void isReadWhileItChanges() throws Exception {
        bus.add(0x1000, 0x10, new Probe(1));
        AtomicBoolean done = new AtomicBoolean();
        AtomicReference<String> wrong = new AtomicReference<>();
        Thread reader = new Thread(() -> {
            while (!done.get()) {
                long steady = bus.read(0x1000, 1);
                long moving = bus.read(0x2000, 1);
                if (steady != 1 || (moving != 2 && moving != 0xff)) {
                    wrong.set(steady + " and " + moving);
                }
            }
        });
        reader.start();
        BusDevice moving = new Probe(2);
        for (int i = 0; i < 10_000; i++) {
            bus.add(0x2000, 0x10, moving);
            bus.add(0x0, 0x10, moving);
            bus.remove(0x2000);
            bus.remove(0x0);
        }
        done.set(true);
        reader.join();
        assertThat(wrong).hasNullValue();
    }

    @Test
    void findsEachDeviceAtEveryAddressItHasAndNowhereElse() {
        Random random = new Random(1);
        int[] owner = new int[1000];
        for (int n = 1; n <= 40; n++) {
            int base = random.nextInt(980);
            int size = 1 + random.nextInt(20);
            boolean free = true;
            for (int i = base; i < base + size; i++) {
                free &= owner[i] == 0;
            }
            Probe probe = new Probe(n);
            if (!free) {
                assertThatThrownBy(() -> bus.add(base, size, probe)).isInstanceOf(IllegalArgumentException.class);
                continue;
            }
            bus.add(base, size, probe);
            for (int i = base; i < base + size; i++) {
                owner[i] = n;
            }
        }
        for (int i = 0; i < owner.length; i++) {
            assertThat(bus.read(i, 1)).as("address %d", i).isEqualTo(owner[i] == 0 ? 0xff : owner[i]);
        }
    }

    @Test
    void anAccessIsTheDevicesWhereItStartsAndIsCutToItsWidth() {
        Probe probe = new Probe(7);
        bus.add(0x100, 4, probe);
        assertThat(bus.read(0x102, 4)).isEqualTo(0x07070707L);
        assertThat(bus.read(0x103, 8)).isEqualTo(0x0707070707070707L);
        bus.write(0x101, 2, 0x123456789abcdefL);
        assertThat(probe.accesses).containsExactly("read 2/4", "read 3/8", "write 1/2=cdef");
        assertThat(bus.unknownReads()).isZero();
    }

    @Test
    void anAccessThatAPageBoundaryCutGoesByteByByte() {
        Probe probe = new Probe(7);
        bus.add(0x100, 2, probe);
        bus.write(0xff, 3, 0xccbbaa);
        assertThat(probe.accesses).containsExactly("write 0/1=bb", "write 1/1=cc");
        assertThat(bus.read(0xff, 3)).isEqualTo(0x0707ffL);
    }

    @Test
    void withoutADeviceReadsAreAllOnesAndBothAreCounted() {
        assertThat(bus.read(0xcf8, 4)).isEqualTo(0xffffffffL);
        assertThat(bus.read(0xcf8, 8)).isEqualTo(-1L);
        assertThat(bus.read(0xcfc, 2)).isEqualTo(0xffffL);
        bus.write(-1L, 1, 5);
        assertThat(bus.unknownReads()).isEqualTo(3);
        assertThat(bus.unknownWrites()).isEqualTo(1);
        assertThat(bus.unknownAddresses()).containsExactly(0xcf8, 0xcfc, -1);
        for (int i = 0; i < 1000; i++) {
            bus.read(i, 1);
        }
        assertThat(bus.unknownAddresses()).hasSize(Bus.MAX_UNKNOWN_ADDRESSES).startsWith(0xcf8, 0xcfc, -1, 0, 1);
    }

    @Test
    void refusesRangesThatAreNone() {
        Probe probe = new Probe(1);
        bus.add(Long.MAX_VALUE - 1, 1, probe);
        assertThatThrownBy(() -> bus.add(0, 0, probe)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> bus.add(-8, 4, probe)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> bus.add(Long.MAX_VALUE - 1, 4, probe)).isInstanceOf(IllegalArgumentException.class);
        bus.add(0x3f8, 8, probe);
        assertThatThrownBy(() -> bus.add(0x3f0, 9, probe))
                .hasMessage("Probe at 0x3f0-0x3f8 overlaps Probe at 0x3f8-0x3ff");
    }

    @Test
    void anIsaDeviceGetsAWideAccessAsBytes() {
        int[] ports = new int[2];
        bus.add(0x70, 2, new IsaDevice(2) {
            @Override
            int in(int offset) {
                return ports[offset];
            }

            @Override
            void out(int offset, int value) {
                ports[offset] = value;
            }
        });
        bus.write(0x70, 4, 0xddccbbaaL);
        assertThat(ports).containsExactly(0xaa, 0xbb);
        assertThat(bus.read(0x70, 4)).isEqualTo(0xffffbbaaL);
        assertThat(bus.read(0x71, 2)).isEqualTo(0xffbbL);
    }
}
