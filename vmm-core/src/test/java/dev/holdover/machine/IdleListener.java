package dev.holdover.machine;

import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.UpdateListener;
import java.util.concurrent.CountDownLatch;

/** Takes part in updates and preserves nothing. */
public class IdleListener implements UpdateListener {
    /** When it is at zero, luod has said that the generation has turned. */
    public final CountDownLatch turned = new CountDownLatch(1);

    public IdleListener() {}

    @Override
    public void prepare(Session session) {}

    @Override
    public void preserve(Session session) {}

    @Override
    public void aborted(String reason) {}

    @Override
    public void turned() {
        turned.countDown();
    }
}
