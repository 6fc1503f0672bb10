package dev.holdover.control;

import dev.holdover.linux.VmmException;
import dev.holdover.machine.HandOverReport;
import dev.holdover.machine.RunState;
import dev.holdover.machine.SaveOptions;
import dev.holdover.machine.SaveReport;
import dev.holdover.memory.RamConfig;
import dev.holdover.vmstate.TimelineEvent;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** What there is with {@code --machine none}, and while a guest that was preserved could not be restored. */
final class NoGuest implements Guest {
    private final Events events;
    private final String why;
    private final Runnable beforeQuit;
    private final CountDownLatch quit = new CountDownLatch(1);

    NoGuest(Events events) {
        this(events, "there is no guest: this VMM was started with --machine none", () -> {});
    }

    /**
     * @param why the sentence for every command that needs a guest
     * @param beforeQuit throws a VmmException if the VMM must not end
     */
    NoGuest(Events events, String why, Runnable beforeQuit) {
        this.events = events;
        this.why = why;
        this.beforeQuit = beforeQuit;
    }

    @Override
    public String name() {
        return "";
    }

    @Override
    public RamConfig ram() {
        return null;
    }

    @Override
    public int[] vcpuThreadIds() {
        return new int[0];
    }

    @Override
    public RunState state() {
        return RunState.PRELAUNCH;
    }

    private VmmException none() {
        return new VmmException(why);
    }

    @Override
    public void resume() {
        throw none();
    }

    @Override
    public void pause() {
        throw none();
    }

    @Override
    public void reset() {
        throw none();
    }

    @Override
    public void pressPowerButton() {
        throw none();
    }

    @Override
    public SaveReport save(String path, SaveOptions options) {
        throw none();
    }

    @Override
    public HandOverReport handOver(String path) {
        throw none();
    }

    @Override
    public void leave() {}

    @Override
    public void prepareLiveUpdate() {
        throw none();
    }

    @Override
    public void preserveForLiveUpdate() {
        throw none();
    }

    @Override
    public void abortLiveUpdate() {
        throw none();
    }

    @Override
    public List<TimelineEvent> timeline() {
        return List.of();
    }

    @Override
    public int tscKhz() {
        return 0;
    }

    @Override
    public long saveProgressBytes() {
        return 0;
    }

    @Override
    public void quit() {
        beforeQuit.run();
        events.shutdown(false, "host-qmp-quit");
        quit.countDown();
    }

    void awaitQuit() throws InterruptedException {
        quit.await();
    }
}
