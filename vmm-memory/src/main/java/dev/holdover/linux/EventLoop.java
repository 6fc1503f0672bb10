package dev.holdover.linux;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * One thread that waits for descriptors and calls their handlers, one at a time. It is started by the first task.
 *
 * <p>Who may block in a handler has a loop of their own, so that they delay nobody else. Handlers run on the loop's
 * thread only; so does what {@link #run} is given. A handler or task that throws ends the loop, and {@code onFailure} is
 * told. After the end, descriptors are no longer watched, and tasks run on the thread that brings them, one at a time.
 */
public final class EventLoop implements AutoCloseable {
    /** Called with the epoll(7) events that are ready. */
    @FunctionalInterface
    public interface Handler {
        void ready(int events);
    }

    /** Told once, on the loop's thread, what ended it. */
    @FunctionalInterface
    public interface FailureHandler {
        void failed(Throwable cause);
    }

    private record Watch(Fd fd, Handler handler) {}

    private final Epoll epoll = new Epoll();
    private final EventFd wake = new EventFd();
    private final Map<Long, Watch> watches = new HashMap<>();
    private final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
    private final Thread thread;
    private final FailureHandler onFailure;
    private long nextKey = 1;
    private volatile boolean closing;
    /** Guarded by {@link #tasks}. */
    private boolean started;
    /** The loop's thread has run its last task and closed its descriptors. Guarded by {@link #tasks}. */
    private boolean ended;

    public EventLoop(String name, FailureHandler onFailure) {
        this.onFailure = onFailure;
        epoll.add(wake.fd(), Epoll.EPOLLIN, 0);
        this.thread = new Thread(name) {
            @Override
            public void run() {
                loop();
            }
        };
        thread.setDaemon(true);
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
            runTasks();
        } catch (Throwable t) {
            fail(t);
        } finally {
            end();
        }
    }

    private void fail(Throwable cause) {
        closing = true;
        onFailure.failed(cause);
    }

    private void runTasks() {
        for (Runnable task = nextTask(); task != null; task = nextTask()) {
            task.run();
        }
    }

    private Runnable nextTask() {
        synchronized (tasks) {
            return tasks.poll();
        }
    }

    /** Those who still wait for a task get their answer; from then on {@link #run} needs no thread. */
    private void end() {
        synchronized (tasks) {
            ended = true;
            epoll.close();
            wake.close();
            for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
                try {
                    task.run();
                } catch (RuntimeException | Error e) {
                    onFailure.failed(e);
                }
            }
        }
    }

    /**
     * Calls {@code handler} whenever {@code interest} (EPOLLIN, EPOLLOUT) is ready, or there is an error or hang-up. On
     * the loop's thread only. Throws ErrnoException with EPERM for a regular file, which is always ready.
     *
     * @return a key for {@link #modify} and {@link #unwatch}
     */
    public long watch(Fd fd, int interest, Handler handler) {
        long key = nextKey++;
        if (!hasEnded()) {
            epoll.add(fd, interest, key);
        }
        watches.put(key, new Watch(fd, handler));
        return key;
    }

    /**
     * Changes what is waited for. 0 leaves errors and hang-ups, which come again and again until {@link #unwatch}. On the
     * loop's thread only.
     */
    public void modify(long key, int interest) {
        if (!hasEnded()) {
            epoll.modify(watches.get(key).fd(), interest, key);
        }
    }

    /** Stops watching; before the descriptor is closed. On the loop's thread only. */
    public void unwatch(long key) {
        Watch watch = watches.remove(key);
        if (watch != null && !hasEnded()) {
            epoll.remove(watch.fd());
        }
    }

    private boolean hasEnded() {
        synchronized (tasks) {
            return ended;
        }
    }

    /** Runs a task on the loop's thread, soon; any thread. */
    public void run(Runnable task) {
        synchronized (tasks) {
            if (ended) {
                task.run();
            } else {
                tasks.add(task);
                wake.signal();
                if (!started) {
                    started = true;
                    thread.start();
                }
            }
        }
    }

    /**
     * Runs a task on the loop's thread and waits for it; on that thread itself at once. What the task throws comes out
     * here, and does not end the loop.
     */
    public void runAndWait(Runnable task) {
        begin(task).await();
    }

    /** As {@link #runAndWait} without the waiting, which is for the one who gets the task. */
    public AwaitedTask begin(Runnable task) {
        AwaitedTask awaited = new AwaitedTask(task);
        if (Thread.currentThread() == thread) {
            awaited.run();
        } else {
            run(awaited);
        }
        return awaited;
    }

    /** A task that somebody waits for. */
    public static final class AwaitedTask implements Runnable {
        private final Runnable task;
        private Throwable failure;
        private boolean done;

        private AwaitedTask(Runnable task) {
            this.task = task;
        }

        @Override
        public void run() {
            Throwable thrown = null;
            try {
                task.run();
            } catch (RuntimeException | Error e) {
                thrown = e;
            }
            synchronized (this) {
                failure = thrown;
                done = true;
                notifyAll();
            }
        }

        /** Waits until it is done; what it threw comes out here. */
        public void await() {
            awaitUntil(System.nanoTime() + Long.MAX_VALUE);
        }

        /**
         * As {@link #await}, but only up to a time of {@link System#nanoTime}; false if it was not done by then. It is
         * done later all the same.
         */
        public synchronized boolean awaitUntil(long deadline) {
            boolean interrupted = false;
            while (!done) {
                long left = deadline - System.nanoTime();
                if (left <= 0) {
                    break;
                }
                try {
                    TimeUnit.NANOSECONDS.timedWait(this, left);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            if (failure instanceof RuntimeException e) {
                throw e;
            }
            if (failure instanceof Error e) {
                throw e;
            }
            return done;
        }
    }

    /**
     * Ends the loop after the handler that runs and the tasks that wait, and joins its thread (unless called on it).
     * Descriptors watched stay open.
     */
    @Override
    public void close() {
        synchronized (tasks) {
            closing = true;
            if (!started) {
                end();
            } else if (!ended) {
                wake.signal();
            }
        }
        if (Thread.currentThread() == thread) {
            return;
        }
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
    }
}
