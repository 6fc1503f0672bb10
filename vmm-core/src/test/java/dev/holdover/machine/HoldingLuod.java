package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.liveupdate.LuodControl;
import dev.holdover.luod.Luod;
import dev.holdover.luod.LuodOptions;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** A luod in this process that holds sessions itself, without a kernel's help. */
final class HoldingLuod implements AutoCloseable {
    private final Luod luod;
    private final String socket;

    /** @param patienceSeconds with its clients */
    HoldingLuod(Path dir, int patienceSeconds) {
        socket = dir.resolve("luod").toString();
        luod = Luod.open(new LuodOptions(socket, null, true, patienceSeconds, patienceSeconds));
    }

    String socket() {
        return socket;
    }

    void awaitSubscribers(int count) throws InterruptedException {
        long start = System.nanoTime();
        while (true) {
            try (LuodControl control = new LuodControl(socket)) {
                if (control.status().clients() == count) {
                    return;
                }
            }
            assertThat(System.nanoTime() - start)
                    .as("until they have subscribed")
                    .isLessThan(Patience.host().nanos(20_000));
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    void update() {
        try (LuodControl control = new LuodControl(socket)) {
            control.kexec(false, (id, step) -> {});
        }
    }

    @Override
    public void close() {
        luod.close();
    }
}
