package dev.holdover.virtio;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestAddressException;
import java.util.ArrayList;
import java.util.List;

/**
 * A virtio device behind its transport. It works on a thread of its own, so that its I/O may block without delay to
 * anybody else; only that thread touches rings and guest buffers.
 *
 * <p>It works between {@link #start} and {@link #stop}, unless it is paused, or broken by what its driver did. What
 * ends the thread itself (guest RAM that is gone, a defect) is told to the failure handler given to the constructor;
 * the machine cannot go on then.
 */
public abstract class VirtioDevice implements AutoCloseable {
    static final long F_INDIRECT_DESC = 1L << 28;
    static final long F_EVENT_IDX = 1L << 29;
    static final long F_VERSION_1 = 1L << 32;

    private final String name;
    private final int deviceId;
    private final long features;
    private final EventLoop loop;
    private final List<EventFd> notifiers = new ArrayList<>();
    private volatile ConfigSpace config;

    /** Asks the thread to come to an end with what it does: somebody waits. */
    private volatile boolean halting;

    // The rest is the loop thread's.
    private VirtQueue[] queues;
    private DriverSignals signals;
    private boolean started;
    private boolean paused;
    private boolean broken;

    /**
     * Starts the device's thread.
     *
     * @param name for people and for the thread
     * @param deviceId virtio 1.2, section 5
     * @param features what it offers beyond the features of queues and transport
     * @param config its configuration space
     */
    VirtioDevice(
            String name,
            int deviceId,
            int queueCount,
            long features,
            ConfigSpace config,
            EventLoop.FailureHandler onFailure) {
        this.name = name;
        this.deviceId = deviceId;
        this.features = features | F_INDIRECT_DESC | F_EVENT_IDX | F_VERSION_1;
        this.config = config;
        for (int i = 0; i < queueCount; i++) {
            notifiers.add(new EventFd());
        }
        this.loop = new EventLoop(name, onFailure);
        loop.run(new Runnable() {
            @Override
            public void run() {
                for (int i = 0; i < notifiers.size(); i++) {
                    loop.watch(notifiers.get(i).fd(), Epoll.EPOLLIN, new Notified(i));
                }
            }
        });
    }

    private final class Notified implements EventLoop.Handler {
        private final int index;

        Notified(int index) {
            this.index = index;
        }

        @Override
        public void ready(int events) {
            notifiers.get(index).drain();
            serve(index);
        }
    }

    // What a device does, on its thread.

    /**
     * Serves a queue: its driver has notified, or what the device waited for has come. Takes not many more requests
     * than the queue has entries, and none once {@link #halting}, so that others get their turn; {@link #again} has it
     * called again.
     */
    abstract void process(int index, VirtQueue queue);

    /** The driver is ready; what was negotiated counts from now on. */
    void starting(long negotiated) {}

    /** Work ends or pauses: give back what was taken from queues but not answered, watch nothing. */
    void halted() {}

    /** The driver has reset it: what it began with the old driver is over. */
    void forget() {}

    // What it has for that.

    final EventLoop loop() {
        return loop;
    }

    final boolean halting() {
        return halting;
    }

    /** Serves a queue if the device is at work; a driver that breaks the rules breaks the device. */
    final void serve(int index) {
        if (!working() || !queues[index].isReady()) {
            return;
        }
        try {
            process(index, queues[index]);
        } catch (MalformedRequestException | GuestAddressException e) {
            halted();
            broken = true;
            signals.needsReset("queue " + index + ": " + e.getMessage());
        }
    }

    private boolean working() {
        return started && !paused && !broken;
    }

    private void serveAll() {
        for (int i = 0; i < queues.length; i++) {
            serve(i);
        }
    }

    /** Has a queue served again after others had their turn. */
    final void again(int index) {
        notifiers.get(index).signal();
    }

    /** Interrupts the driver if it wants that for what was published. */
    final void interrupt(VirtQueue queue) {
        if (queue.wantsInterrupt()) {
            signals.usedBuffers(queue.index());
        }
    }

    /** Changes the configuration space and tells the driver. Any thread. */
    final synchronized void changeConfig(byte[] bytes) {
        config = config.changedTo(bytes);
        loop.run(new Runnable() {
            @Override
            public void run() {
                if (started) {
                    signals.configChanged();
                }
            }
        });
    }

    /** Sets the configuration space of a device that has no driver yet. */
    final void initConfig(byte[] bytes) {
        config = new ConfigSpace(bytes);
    }

    /** EFAULT from a call on checked guest buffers means just this. */
    static VmmException ramLost(String during) {
        return new VmmException("guest RAM is lost: " + during
                + " met EFAULT; the file behind the RAM must not be cut while a guest runs on it");
    }

    // What the transport calls, on vCPU threads.

    final int deviceId() {
        return deviceId;
    }

    final long features() {
        return features;
    }

    final int queueCount() {
        return notifiers.size();
    }

    final List<EventFd> notifiers() {
        return notifiers;
    }

    final ConfigSpace config() {
        return config;
    }

    final void restoreGeneration(int generation) {
        config = config.atGeneration(generation);
    }

    /** The driver has set up these queues and is ready. Does not wait. */
    final void start(VirtQueue[] driverQueues, long negotiated, DriverSignals driverSignals) {
        loop.run(new Runnable() {
            @Override
            public void run() {
                queues = driverQueues;
                signals = driverSignals;
                broken = driverSignals.trouble() != null;
                for (VirtQueue queue : queues) {
                    queue.start((negotiated & F_INDIRECT_DESC) != 0, (negotiated & F_EVENT_IDX) != 0);
                }
                started = true;
                starting(negotiated);
                serveAll();
            }
        });
    }

    /** The driver resets the device. Returns when it touches rings and buffers no more. */
    final void stop() {
        halt(new Runnable() {
            @Override
            public void run() {
                started = false;
                forget();
            }
        });
    }

    /** The driver takes one queue away. Returns when the device touches it no more. */
    final void disable(VirtQueue queue) {
        halt(new Runnable() {
            @Override
            public void run() {
                queue.disable();
            }
        });
        loop.run(new Runnable() {
            @Override
            public void run() {
                if (started) {
                    serveAll();
                }
            }
        });
    }

    /** Comes to an end with the request under way, then makes a change to the device that is at rest. */
    private void halt(Runnable change) {
        beginHalt(change).await();
    }

    private EventLoop.AwaitedTask beginHalt(Runnable change) {
        halting = true;
        return loop.begin(new Runnable() {
            @Override
            public void run() {
                halting = false;
                if (working()) {
                    halted();
                }
                change.run();
            }
        });
    }

    // What the machine calls.

    /** What it is, for people. */
    public final String name() {
        return name;
    }

    /**
     * Answers the request under way and touches neither rings nor buffers until {@link #resume}; requests not yet taken
     * stay in their rings. Returns when that is so. The transport's state can be read then.
     */
    public final void pause() {
        beginPause().await();
    }

    /**
     * As {@link #pause}, but does not wait: whoever does need not do so for ever. {@link #resume} takes it back, even
     * before it has come about.
     */
    public final EventLoop.AwaitedTask beginPause() {
        return beginHalt(new Runnable() {
            @Override
            public void run() {
                paused = true;
            }
        });
    }

    /**
     * Goes on. All queues are served and the driver is interrupted once for each, whether it asked or not: a notification or an
     * interrupt that was under way when the machine was paused may be lost. Does not wait.
     */
    public final void resume() {
        loop.run(new Runnable() {
            @Override
            public void run() {
                paused = false;
                if (started) {
                    serveAll();
                    for (VirtQueue queue : queues) {
                        signals.usedBuffers(queue.index());
                    }
                }
            }
        });
    }

    /** Ends the thread and closes what the device owns, after the machine has unbound the notifiers. */
    @Override
    public void close() {
        halting = true;
        loop.close();
        for (EventFd notifier : notifiers) {
            notifier.close();
        }
    }
}
