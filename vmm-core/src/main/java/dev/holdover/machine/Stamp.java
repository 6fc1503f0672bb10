package dev.holdover.machine;

import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.TimelineEvent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;

/** When a phase is reached: now, by the clocks that can be read. */
final class Stamp {
    private Stamp() {}

    static long realtime() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000_000L + now.getNano();
    }

    /** Without the host's TSC, which only a VM tells. */
    static TimelineEvent withoutTsc(Phase phase) {
        return new TimelineEvent(phase.code(), System.nanoTime(), realtime(), 0);
    }

    /** When this kernel began, by its own uptime. */
    static TimelineEvent ofBoot() {
        long now = realtime();
        try {
            String uptime = Files.readString(Path.of("/proc/uptime"));
            double seconds = Double.parseDouble(uptime.substring(0, uptime.indexOf(' ')));
            return new TimelineEvent(Phase.KERNEL_UP.code(), 0, now - (long) (seconds * 1e9), 0);
        } catch (IOException | NumberFormatException e) {
            return new TimelineEvent(Phase.KERNEL_UP.code(), 0, now, 0);
        }
    }
}
