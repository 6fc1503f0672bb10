package dev.holdover.virtio;

import dev.holdover.linux.Errno;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;

/** An entropy device: virtio 1.2, section 5.4. Fills guest buffers from /dev/urandom. */
public final class VirtioRng extends VirtioDevice {
    private static final int ID = 4;
    /** The most that one request gets; the driver asks again for more. */
    private static final int MAX_BYTES = 64 * 1024;

    private final Fd source;

    public VirtioRng(EventLoop.FailureHandler onFailure) {
        this(Fd.open("/dev/urandom", Fd.O_RDONLY), onFailure);
    }

    private VirtioRng(Fd source, EventLoop.FailureHandler onFailure) {
        super("virtio-rng", ID, 1, 0, new ConfigSpace(new byte[0]), onFailure);
        this.source = source;
    }

    @Override
    void process(int index, VirtQueue queue) {
        int budget = queue.size();
        while (!halting()) {
            if (budget-- == 0) {
                again(index);
                break;
            }
            DescriptorChain chain = queue.next();
            if (chain == null) {
                break;
            }
            queue.push(chain.head(), fill(chain.writable));
            queue.publish();
        }
        interrupt(queue);
    }

    private long fill(GuestBuffers buffers) {
        if (buffers.count() == 0) {
            throw new MalformedRequestException("entropy request without room");
        }
        buffers.truncate(MAX_BYTES);
        long done = 0;
        while (buffers.byteSize() > 0) {
            long n = source.tryReadv(buffers.iovecs(), buffers.count());
            if (n > 0) {
                buffers.skip(n);
                done += n;
            } else if (Errno.EFAULT.is(n)) {
                throw ramLost("a read of " + source.name());
            } else if (!Errno.EINTR.is(n)) {
                break;
            }
        }
        return done;
    }

    @Override
    public void close() {
        super.close();
        source.close();
    }
}
