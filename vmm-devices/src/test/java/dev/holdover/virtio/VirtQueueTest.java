package dev.holdover.virtio;

import static dev.holdover.virtio.DriverQueue.Buffer.in;
import static dev.holdover.virtio.DriverQueue.Buffer.out;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class VirtQueueTest {
    private static final int NEXT = 1;
    private static final int WRITE = 2;
    private static final int INDIRECT = 4;

    private final TestRam ram = new TestRam();

    @AfterEach
    void close() {
        ram.assertGuardsUntouched();
        ram.close();
    }

    private DriverQueue driver(int size, boolean eventIndex) {
        return new DriverQueue(ram, 0, size, eventIndex);
    }

    private VirtQueue device(DriverQueue driver, boolean indirect, boolean eventIndex) {
        VirtQueue queue = new VirtQueue(ram.memory, 0);
        queue.setSize(driver.size);
        queue.setDescriptors(driver.descriptors);
        queue.setAvailable(driver.available);
        queue.setUsed(driver.used);
        queue.enable();
        queue.start(indirect, eventIndex);
        return queue;
    }

    @Test
    void givesTheBuffersOfARequestInOrder() {
        DriverQueue driver = driver(8, false);
        VirtQueue queue = device(driver, true, false);
        long gpa = ram.allocate(4096);
        int direct = driver.add(out(gpa, 16), out(gpa + 100, 7), in(gpa + 200, 50));
        int indirect = driver.addIndirect(out(gpa, 3), in(gpa + 300, 1), in(gpa + 400, 2));
        driver.publish();

        DescriptorChain chain = queue.next();
        assertThat(chain.head()).isEqualTo(direct);
        assertThat(chain.readable.byteSize()).isEqualTo(23);
        assertThat(chain.readable.gpa(15)).isEqualTo(gpa + 15);
        assertThat(chain.readable.gpa(16)).isEqualTo(gpa + 100);
        assertThat(chain.writable.byteSize()).isEqualTo(50);
        assertThat(chain.writable.iovecs().get(ValueLayout.JAVA_LONG, 0))
                .isEqualTo(ram.memory.hostAddress(gpa + 200, 50));

        assertThat(queue.next().head()).isEqualTo(indirect);
        assertThat(chain.readable.byteSize()).isEqualTo(3);
        assertThat(chain.writable.gpa(1)).isEqualTo(gpa + 400);
        assertThat(queue.next()).isNull();
    }

    @Test
    void takesAnIndirectTableBehindDirectDescriptors() {
        DriverQueue driver = driver(4, false);
        VirtQueue queue = device(driver, true, false);
        long gpa = ram.allocate(64);
        long table = ram.allocate(16);
        driver.add(out(gpa, 5), out(gpa, 1));
        driver.setDescriptor(driver.descriptors, 1, table, 16, INDIRECT, 0);
        driver.setDescriptor(table, 0, gpa + 8, 9, WRITE, 0);
        driver.publish();
        DescriptorChain chain = queue.next();
        assertThat(chain.readable.byteSize()).isEqualTo(5);
        assertThat(chain.writable.byteSize()).isEqualTo(9);
    }

    @Test
    void takesAChainOfExactlyTheQueuesSizeButNotALoop() {
        DriverQueue driver = driver(4, false);
        VirtQueue queue = device(driver, false, false);
        long gpa = ram.allocate(64);
        driver.add(out(gpa, 1), out(gpa, 1), out(gpa, 1), out(gpa, 1));
        driver.publish();
        assertThat(queue.next().readable.count()).isEqualTo(4);

        queue.putBack(1);
        driver.setDescriptor(driver.descriptors, 3, gpa, 1, NEXT, 0);
        refused(queue, "chain of more than 4 descriptors");
    }

    @Test
    void takesA256EntryIndirectTableOfASmallQueueButNotALongerOne() {
        DriverQueue driver = driver(2, false);
        VirtQueue queue = device(driver, true, false);
        long gpa = ram.allocate(64);
        DriverQueue.Buffer[] buffers = new DriverQueue.Buffer[256];
        Arrays.fill(buffers, in(gpa, 64));
        driver.addIndirect(buffers);
        driver.publish();
        assertThat(queue.next().writable.count()).isEqualTo(256);

        DriverQueue.Buffer[] more = new DriverQueue.Buffer[257];
        Arrays.fill(more, in(gpa, 64));
        driver.addIndirect(more);
        driver.publish();
        refused(queue, "chain of more than 256 descriptors");
    }

    private static void refused(VirtQueue queue, String why) {
        assertThatThrownBy(queue::next)
                .isInstanceOf(MalformedRequestException.class)
                .hasMessageContaining(why);
    }

    @ParameterizedTest
    @CsvSource({
        // address, length, flags, next, why
        "0, 16, 0, 0, is not RAM",
        "0xfffff, 16, 0, 0, is not RAM",
        "0x2100000, 1, 0, 0, is not RAM",
        "0x20fffff, 2, 0, 0, is not RAM",
        "0xfffffffffffffff0, 32, 0, 0, is not RAM",
        "0x100000, 0xffffffff, 0, 0, is not RAM",
        "0x100000, 0, 0, 0, descriptor of 0 bytes",
        "0x100000, 16, 1, 8, descriptor 8 of 8",
        "0x100000, 16, 1, 0xffff, descriptor 65535 of 8",
        "0x100000, 16, 3, 2, readable descriptor behind a writable one",
        "0x100000, 0, 4, 0, indirect descriptor of 0 bytes",
        "0x100000, 24, 4, 0, indirect descriptor of 24 bytes",
        "0x100000, 16, 5, 0, flags 5",
        "0x20ffff8, 16, 4, 0, indirect descriptor table",
        "0x100000, 0xfffffff0, 4, 0, indirect descriptor table",
    })
    void refusesABadDescriptor(String address, String length, int flags, String next, String why) {
        DriverQueue driver = driver(8, false);
        VirtQueue queue = device(driver, true, false);
        driver.add(out(TestRam.BASE, 1));
        driver.setDescriptor(
                driver.descriptors,
                0,
                Long.parseUnsignedLong(address.replace("0x", ""), address.startsWith("0x") ? 16 : 10),
                Long.decode(length),
                flags,
                Integer.decode(next));
        driver.setDescriptor(driver.descriptors, 2, TestRam.BASE, 1, 0, 0);
        driver.publish();
        refused(queue, why);
    }

    @Test
    void refusesAHeadBehindTheTable() {
        DriverQueue driver = driver(8, false);
        VirtQueue queue = device(driver, true, false);
        driver.add(out(TestRam.BASE, 1));
        ram.memory.putShort(driver.available + 4, (short) 8);
        driver.publish();
        refused(queue, "descriptor 8 of 8");
    }

    @Test
    void refusesNestedAndUnnegotiatedIndirectTables() {
        DriverQueue driver = driver(8, false);
        long table = ram.allocate(32);
        driver.addIndirect(out(TestRam.BASE, 1));
        driver.publish();
        refused(device(driver, false, false), "indirect descriptor of 16 bytes");

        VirtQueue queue = device(driver, true, false);
        driver.setDescriptor(driver.descriptors, 0, table, 16, INDIRECT, 0);
        driver.setDescriptor(table, 0, table, 16, INDIRECT, 0);
        refused(queue, "indirect descriptor of 16 bytes");
    }

    @Test
    void refusesAChainOf4Gib() {
        DriverQueue driver = driver(2, false);
        VirtQueue queue = device(driver, true, false);
        DriverQueue.Buffer[] buffers = new DriverQueue.Buffer[128];
        Arrays.fill(buffers, in(TestRam.BASE, TestRam.SIZE));
        driver.addIndirect(Arrays.copyOf(buffers, 127));
        driver.publish();
        assertThat(queue.next().writable.byteSize()).isEqualTo(127 * TestRam.SIZE);
        driver.addIndirect(buffers);
        driver.publish();
        refused(queue, "chain of 4 GiB or more");
    }

    @ParameterizedTest
    @ValueSource(ints = {9, 255, 0x7fff, 0x8000, 0xffff})
    void refusesADriverIndexThatJumps(int index) {
        DriverQueue driver = driver(8, false);
        VirtQueue queue = device(driver, true, false);
        ram.memory.putShort(driver.available + 2, (short) index);
        refused(queue, "jumped from 0 to " + index);
    }

    @Test
    void countsRequestsNotYetAnsweredAgainstTheQueuesSize() {
        DriverQueue driver = driver(4, false);
        VirtQueue queue = device(driver, true, false);
        for (int i = 0; i < 4; i++) {
            driver.add(out(TestRam.BASE, 1));
        }
        driver.publish();
        for (int i = 0; i < 4; i++) {
            assertThat(queue.next()).isNotNull();
        }
        ram.memory.putShort(driver.available + 2, (short) 5);
        refused(queue, "jumped from 4 to 5");
        ram.memory.putShort(driver.available + 2, (short) 3);
        refused(queue, "jumped from 4 to 3");
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0, 0, 0",
        "3, 0, 0, 0",
        "512, 0, 0, 0",
        "-1, 0, 0, 0",
        "8, 8, 0, 0",
        "8, 0, 1, 0",
        "8, 0, 0, 2",
        "8, 0x2000000, 0, 0",
        "8, 0x1ffff90, 0, 0",
        "8, 0, 0x1fffff0, 0",
        "8, 0, 0, 0x1ffffc0",
        "8, -0x100000, 0, 0"
    })
    void refusesAQueueOfWrongSizeOrPlace(int size, String descriptors, String available, String used) {
        VirtQueue queue = new VirtQueue(ram.memory, 0);
        queue.setSize(size);
        queue.setDescriptors(TestRam.BASE + Long.decode(descriptors));
        queue.setAvailable(TestRam.BASE + Long.decode(available));
        queue.setUsed(TestRam.BASE + Long.decode(used));
        assertThatThrownBy(queue::enable).isInstanceOf(MalformedRequestException.class);
        assertThat(queue.isReady()).isFalse();
    }

    @Test
    void wantsAnInterruptUnlessTheFlagForbids() {
        DriverQueue driver = driver(4, false);
        VirtQueue queue = device(driver, true, false);
        assertThat(queue.wantsInterrupt()).isFalse();
        answerOne(driver, queue);
        assertThat(queue.wantsInterrupt()).isTrue();
        assertThat(queue.wantsInterrupt()).isFalse();
        driver.disableInterrupt();
        answerOne(driver, queue);
        assertThat(queue.wantsInterrupt()).isFalse();
    }

    @Test
    void wantsAnInterruptWhenTheUsedEventIsPassed() {
        DriverQueue driver = driver(4, true);
        VirtQueue queue = device(driver, true, true);
        // Once around the 16-bit index, and across its end.
        for (int i = 0; i < 65536 + 100; i++) {
            int event = switch (i % 3) {
                case 0 -> i; // this very one
                case 1 -> i + 1; // the one after it
                default -> i - 1; // one that is gone
            };
            driver.setUsedEvent(event);
            answerOne(driver, queue);
            assertThat(queue.wantsInterrupt()).as("request %d", i).isEqualTo(i % 3 == 0);
        }
        // Several at once: the event lies within them.
        int first = driver.lastUsed();
        driver.setUsedEvent(first + 1);
        for (int i = 0; i < 3; i++) {
            answerOne(driver, queue);
        }
        assertThat(queue.wantsInterrupt()).isTrue();
    }

    private void answerOne(DriverQueue driver, VirtQueue queue) {
        driver.add(out(TestRam.BASE, 1));
        driver.publish();
        queue.push(queue.next().head(), 0);
        queue.publish();
        assertThat(driver.take()).isNotNull();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void needsNoNotificationWhileItWorksAndOneWhenItWaits(boolean eventIndex) {
        DriverQueue driver = driver(8, eventIndex);
        VirtQueue queue = device(driver, true, eventIndex);
        assertThat(queue.next()).isNull();
        driver.add(out(TestRam.BASE, 1));
        assertThat(driver.publish()).as("it waits").isTrue();
        assertThat(queue.next()).isNotNull();
        driver.add(out(TestRam.BASE, 1));
        assertThat(driver.publish()).as("it works").isFalse();
        assertThat(queue.next()).isNotNull();
        assertThat(queue.next()).isNull();
        driver.add(out(TestRam.BASE, 1));
        assertThat(driver.publish()).as("it waits again").isTrue();
    }

    @Test
    void goesOnWithTheSameRequestsFromItsState() {
        DriverQueue driver = driver(8, false);
        VirtQueue queue = device(driver, true, false);
        for (int i = 0; i < 5; i++) {
            driver.add(out(TestRam.BASE + i, 1));
        }
        driver.publish();
        queue.push(queue.next().head(), 0);
        queue.publish();
        queue.next();
        queue.next();
        queue.putBack(2);
        VirtQueueState state = queue.state();
        assertThat(state)
                .isEqualTo(new VirtQueueState(8, true, driver.descriptors, driver.available, driver.used, 1, 1));

        VirtQueue restored = new VirtQueue(ram.memory, 0);
        restored.restore(state);
        restored.start(true, false);
        assertThat(restored.state()).isEqualTo(state);
        for (int i = 1; i < 5; i++) {
            assertThat(restored.next().readable.gpa(0)).isEqualTo(TestRam.BASE + i);
        }
        assertThat(restored.next()).isNull();
    }

    @Test
    void survivesRandomRingsAndStaysInRam() {
        Random random = new Random(20260101);
        int taken = 0;
        int refused = 0;
        for (int round = 0; round < 20_000; round++) {
            ram.freeAll();
            boolean eventIndex = random.nextBoolean();
            DriverQueue driver = driver(1 << random.nextInt(5), eventIndex);
            VirtQueue queue = device(driver, random.nextInt(4) != 0, eventIndex);
            long table = ram.allocate(16 * 16);
            RandomRing.fill(random, driver, table);
            try {
                for (DescriptorChain chain = queue.next(); chain != null; chain = queue.next()) {
                    taken++;
                    assertInRam(chain.readable);
                    assertInRam(chain.writable);
                    if (random.nextBoolean()) {
                        queue.push(chain.head(), 1);
                        queue.publish();
                        queue.wantsInterrupt();
                    }
                }
            } catch (MalformedRequestException e) {
                refused++;
            }
        }
        assertThat(taken).isGreaterThan(2_000);
        assertThat(refused).isGreaterThan(2_000);
    }

    private void assertInRam(GuestBuffers buffers) {
        long first = ram.memory.hostAddress(TestRam.BASE, 1);
        long sum = 0;
        for (int i = 0; i < buffers.count(); i++) {
            long base = buffers.iovecs().getAtIndex(ValueLayout.JAVA_LONG, 2L * i);
            long length = buffers.iovecs().getAtIndex(ValueLayout.JAVA_LONG, 2L * i + 1);
            assertThat(length).isPositive();
            assertThat(base).isBetween(first, first + TestRam.SIZE - length);
            sum += length;
        }
        assertThat(buffers.byteSize()).isEqualTo(sum);
    }
}
