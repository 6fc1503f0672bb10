package dev.holdover.device;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * One thread that waits for descriptors and calls their handlers, one at a time.
 *
 * <p>A device whose I/O may block has a loop of its own, so that it delays nobody else. Handlers run on the loop's
 * thread only; so does what {@link #run} is given. A handler that throws ends the loop, and {@code onFailure} is told.
 */
public final class EventLoop implements AutoCloseable {
    /** Called with the epoll(7) events that are ready. */
    @FunctionalInterface
    public interface Handler {
        void ready(int events);
    }

    private record Watch(Fd fd, Handler handler) {}

    private final Epoll epoll = new Epoll();
    private final EventFd wake = new EventFd();
    private final Map<Long, Watch> watches = new HashMap<>();
    private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final Thread thread;
    private final FailureHandler onFailure;
    private long nextKey = 1;
    private volatile boolean closing;
    private volatile boolean ended;

    /** Told once, on the loop's thread, what ended it. */
    @FunctionalInterface
    public interface FailureHandler {
        void failed(Throwable cause);
    }

    public EventLoop(String name, FailureHandler onFailure) {
        this.onFailure = onFailure;
        epoll.add(wake.fd(), Epoll.EPOLLIN, 0);
        this.thread = Thread.ofPlatform().daemon().name(name).unstarted(this::loop);
        thread.start();
    }

    private void loop() {
        try {
            while (!closing) {
                int n = epoll.await(-1);
                for (int i = 0; i < n && !closing; i++) {
                    long key = epoll.data(i);
                    if (key == 0) {
                        wake.drain();
                        runTasks();
                    } else {
                        // A handler earlier in this round may have unwatched it.
                        Watch watch = watches.get(key);
                        if (watch != null) {
                            watch.handler().ready(epoll.ready(i));
                        }
                    }
                }
            }
        } catch (Throwable t) {
            closing = true;
            onFailure.failed(t);
        } finally {
            ended = true;
            runTasks(); // whoever waits for one gets its answer
        }
    }

    private void runTasks() {
        for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
            task.run();
        }
    }

    /**
     * Calls {@code handler} whenever {@code interest} (EPOLLIN, EPOLLOUT) is ready, or there is an error or hang-up. On
     * the loop's thread only.
     *
     * @return a key for {@link #modify} and {@link #unwatch}
     */
    public long watch(Fd fd, int interest, Handler handler) {
        long key = nextKey++;
        watches.put(key, new Watch(fd, handler));
        epoll.add(fd, interest, key);
        return key;
    }

    /** Changes what is waited for; 0 leaves errors and hang-ups. On the loop's thread only. */
    public void modify(long key, int interest) {
        epoll.modify(watches.get(key).fd(), interest, key);
    }

    /** Stops watching; before the descriptor is closed. On the loop's thread only. */
    public void unwatch(long key) {
        Watch watch = watches.remove(key);
        if (watch != null) {
            epoll.remove(watch.fd());
        }
    }

    /** Runs a task on the loop's thread, soon, or here once the loop has ended; any thread. */
    public void run(Runnable task) {
        tasks.add(task);
        if (ended) {
            runTasks();
        } else {
            wake.signal();
        }
    }

    /** Runs a task on the loop's thread and waits for it. Not from the loop's own thread. */
    public void runAndWait(Runnable task) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        run(() -> {
            try {
                task.run();
                done.complete(null);
            } catch (RuntimeException | Error e) {
                done.completeExceptionally(e);
            }
        });
        done.join();
    }

    /** Ends the loop after the handler that runs, and joins its thread. Descriptors watched stay open. */
    @Override
    public void close() {
        closing = true;
        wake.signal();
        if (Thread.currentThread() != thread) {
            boolean interrupted = false;
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            epoll.close();
            wake.close();
        }
    }
}
