package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EpollTest {
    @Test
    void anEventFdCountsSignalsAndIsReadyUntilDrained() {
        try (Epoll epoll = new Epoll();
                EventFd event = new EventFd()) {
            epoll.add(event.fd(), Epoll.EPOLLIN, 0x1234_5678_9abc_def0L);
            assertThat(epoll.await(0)).isZero();
            assertThat(event.drain()).isZero();
            event.signal();
            event.signal();
            assertThat(epoll.await(0)).isOne();
            assertThat(epoll.ready(0)).isEqualTo(Epoll.EPOLLIN);
            assertThat(epoll.data(0)).isEqualTo(0x1234_5678_9abc_def0L);
            assertThat(epoll.await(0)).as("level-triggered").isOne();
            assertThat(event.drain()).isEqualTo(2);
            assertThat(epoll.await(0)).isZero();
        }
    }

    @Test
    void aFullCounterStillSignals() {
        try (Epoll epoll = new Epoll();
                EventFd event = new EventFd();
                Arena arena = Arena.ofConfined()) {
            MemorySegment full = arena.allocateFrom(ValueLayout.JAVA_LONG, -2L);
            assertThat(event.fd().tryWrite(full)).isEqualTo(8);
            event.signal();
            epoll.add(event.fd(), Epoll.EPOLLIN, 1);
            assertThat(epoll.await(0)).isOne();
            assertThat(event.drain()).isEqualTo(-2L);
        }
    }

    @Test
    void tellsManyApart() {
        EventFd[] events = new EventFd[10];
        try (Epoll epoll = new Epoll()) {
            for (int i = 0; i < events.length; i++) {
                events[i] = new EventFd();
                epoll.add(events[i].fd(), Epoll.EPOLLIN, -i);
                if (i % 3 == 0) {
                    events[i].signal();
                }
            }
            int n = epoll.await(0);
            Map<Long, Integer> ready = new HashMap<>();
            for (int i = 0; i < n; i++) {
                ready.put(epoll.data(i), epoll.ready(i));
            }
            assertThat(ready.keySet()).containsExactlyInAnyOrder(0L, -3L, -6L, -9L);
            epoll.remove(events[3].fd());
            epoll.modify(events[6].fd(), Epoll.EPOLLOUT, 66);
            assertThat(epoll.await(0)).isEqualTo(3);
        } finally {
            for (EventFd event : events) {
                event.close();
            }
        }
    }

    @Test
    void aSignalFromAnotherThreadEndsTheWait() throws Exception {
        try (Epoll epoll = new Epoll();
                EventFd event = new EventFd()) {
            epoll.add(event.fd(), Epoll.EPOLLIN, 1);
            int[] n = new int[1];
            Thread waiter = Thread.ofPlatform()
                    .start(() -> n[0] = epoll.await(Patience.host().millis(30_000)));
            event.signal();
            waiter.join();
            assertThat(n[0]).isOne();
        }
    }

    @Test
    void anEndOfAStreamIsAHangUp() {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        try (Epoll epoll = new Epoll();
                UnixSocket here = pair[0]) {
            epoll.add(here.fd(), 0, 1);
            assertThat(epoll.await(0)).isZero();
            pair[1].close();
            assertThat(epoll.await(0)).isOne();
            assertThat(epoll.ready(0) & Epoll.EPOLLHUP).isNotZero();
        }
    }

    @Test
    void aRegularFileIsRefused(@TempDir Path dir) throws Exception {
        Path path = Files.createFile(dir.resolve("f"));
        try (Epoll epoll = new Epoll();
                Fd file = Fd.open(path.toString(), Fd.O_RDONLY)) {
            assertThat(Errno.EPERM.is(epoll.tryAdd(file, Epoll.EPOLLIN, 1))).isTrue();
            assertThatThrownBy(() -> epoll.add(file, Epoll.EPOLLIN, 1))
                    .hasMessage("epoll_ctl ADD " + path + ": EPERM (Operation not permitted)");
        }
    }
}
