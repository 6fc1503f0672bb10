package dev.holdover.virtio;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;

/** Waits for a host descriptor, for just what its device can use at the moment. On the loop's thread only. */
final class FdWatch {
    private final EventLoop loop;
    private final Fd fd;
    private final EventLoop.Handler handler;
    private boolean pollable = true;
    private long key;
    private int interest;

    FdWatch(EventLoop loop, Fd fd, EventLoop.Handler handler) {
        this.loop = loop;
        this.fd = fd;
        this.handler = handler;
    }

    /**
     * Waits for these epoll(7) events from now on; with none, a hang-up is not reported either.
     *
     * @return false if it cannot be waited for because it is always ready, as a regular file is
     */
    boolean want(int events) {
        if (!pollable || events == interest) {
            return pollable;
        }
        if (events == 0) {
            loop.unwatch(key);
        } else if (interest != 0) {
            loop.modify(key, events);
        } else {
            try {
                key = loop.watch(fd, events, handler);
            } catch (ErrnoException e) {
                if (e.errno() != Errno.EPERM) {
                    throw e;
                }
                pollable = false;
                return false;
            }
        }
        interest = events;
        return true;
    }
}
