package dev.holdover.luod;

import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import java.util.concurrent.atomic.AtomicReference;

/** A session that this process holds, without a luod. */
public final class HeldPeer implements AutoCloseable {
    private final EventLoop loop;
    private final HoldBackend backend;
    private final Holding session;

    public HeldPeer(String name, boolean incoming) {
        loop = new EventLoop("held", cause -> {
            throw new AssertionError(cause);
        });
        backend = new HoldBackend(loop, () -> {});
        session = backend.create(name);
        if (incoming) {
            loop.runAndWait(() -> backend.turned(session));
        }
    }

    public Fd lend() {
        AtomicReference<Fd> lent = new AtomicReference<>();
        loop.runAndWait(() -> lent.set(session.lend(0)));
        return lent.get();
    }

    @Override
    public void close() {
        loop.runAndWait(backend::close);
        loop.close();
    }
}
