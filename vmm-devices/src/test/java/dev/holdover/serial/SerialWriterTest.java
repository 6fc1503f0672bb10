package dev.holdover.serial;

import static dev.holdover.serial.HostSide.ascii;
import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import java.util.Random;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class SerialWriterTest {
    private final UnixSocket[] pipe = UnixSocket.pair(UnixSocket.Kind.STREAM);
    private final SerialWriter holding = new SerialWriter("test", SerialWriter.WhenFull.HOLD);
    private final SerialWriter dropping = new SerialWriter("test", SerialWriter.WhenFull.DROP);

    @AfterEach
    void close() {
        pipe[1].close(); // or closing would wait for a reader
        holding.close();
        dropping.close();
        pipe[0].close();
    }

    @Test
    void writesEachByteWithoutBeingAsked() {
        holding.attach(pipe[0].fd());
        for (byte b : ascii("login: ")) {
            holding.write(b);
            assertThat(HostSide.read(pipe[1].fd(), 1)).containsExactly(b);
        }
    }

    @Test
    void holdsTheGuestAndLosesNothingToASlowReader() throws InterruptedException {
        holding.attach(pipe[0].fd());
        Semaphore readyAgain = new Semaphore(0);
        holding.onReady(readyAgain::release);
        byte[] sent = new byte[2_000_000];
        new Random(5).nextBytes(sent);
        Thread guest = new Thread(() -> {
            for (byte b : sent) {
                if (!holding.ready()) {
                    readyAgain.acquireUninterruptibly();
                }
                holding.write(b);
            }
        });
        guest.setDaemon(true);
        guest.start();
        HostSide.await("a held guest", () -> !holding.ready());
        assertThat(HostSide.read(pipe[1].fd(), sent.length)).isEqualTo(sent);
        guest.join();
        assertThat(holding.dropped()).isZero();
    }

    @Test
    void aGuestThatDoesNotLookWaitsButNotForEver() {
        holding.attach(pipe[0].fd());
        long start = System.nanoTime();
        int written = 0;
        while (holding.dropped() == 0) {
            holding.write((byte) written);
            written++;
        }
        holding.write((byte) written); // the second one is not waited for
        long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
        assertThat(millis).isBetween((long) Patience.host().millis(900), (long)
                Patience.host().millis(15_000));
        assertThat(holding.dropped()).isEqualTo(2);
        byte[] read = HostSide.read(pipe[1].fd(), written - 1);
        for (int i = 0; i < written - 1; i++) {
            assertThat(read[i]).isEqualTo((byte) i);
        }
    }

    @Test
    void dropsTheNewestWhenToldSo() {
        dropping.attach(pipe[0].fd());
        int written = 0;
        while (dropping.dropped() < 1000) {
            assertThat(dropping.ready()).isTrue();
            dropping.write((byte) written);
            written++;
        }
        byte[] read = HostSide.read(pipe[1].fd(), SerialWriter.CAPACITY);
        for (int i = 0; i < read.length; i++) {
            assertThat(read[i]).isEqualTo((byte) i);
        }
    }

    @Test
    void countsWhatGoesToAClosedPipeOrNowhere() throws InterruptedException {
        holding.write((byte) 1);
        assertThat(holding.dropped()).isEqualTo(1);
        holding.attach(pipe[0].fd());
        pipe[1].close();
        for (int i = 0; i < 10; i++) {
            holding.write((byte) i);
        }
        HostSide.await("all dropped", () -> holding.dropped() == 11);
        assertThat(holding.ready()).isTrue();
    }

    @Test
    void lettingGoInterruptsAWriteThatBlocks() throws InterruptedException {
        dropping.attach(pipe[0].fd());
        while (dropping.dropped() == 0) {
            dropping.write((byte) 0);
        }
        dropping.detach();
        UnixSocket[] other = UnixSocket.pair(UnixSocket.Kind.STREAM);
        dropping.attach(other[0].fd());
        dropping.write((byte) 'x');
        assertThat(HostSide.read(other[1].fd(), 1)).containsExactly((byte) 'x');
        dropping.close();
        other[0].close();
        other[1].close();
    }

    @Test
    void closingWritesWhatIsPending() {
        holding.attach(pipe[0].fd());
        byte[] last = ascii("reboot: Power down\n");
        for (byte b : last) {
            holding.write(b);
        }
        holding.close();
        assertThat(HostSide.available(pipe[1].fd())).isEqualTo(last.length);
        holding.write((byte) 'x');
        assertThat(holding.dropped()).isEqualTo(1);
    }

    @Test
    void closingDoesNotWaitForEverForAReader() {
        holding.attach(pipe[0].fd());
        while (holding.dropped() == 0) {
            holding.write((byte) 0);
        }
        long start = System.nanoTime();
        holding.close();
        assertThat(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start))
                .isBetween((long) Patience.host().millis(1900), (long)
                        Patience.host().millis(15_000));
    }

    @Test
    void aDescriptorThatSomeoneMadeNonBlockingWorksToo() {
        pipe[0].fd().setNonBlocking(true);
        holding.attach(pipe[0].fd());
        byte[] sent = new byte[500_000];
        new Random(6).nextBytes(sent);
        Thread guest = new Thread(() -> {
            for (byte b : sent) {
                holding.write(b);
            }
        });
        guest.setDaemon(true);
        guest.start();
        assertThat(HostSide.read(pipe[1].fd(), sent.length)).isEqualTo(sent);
    }
}
