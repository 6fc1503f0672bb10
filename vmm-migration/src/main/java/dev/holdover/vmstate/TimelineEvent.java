package dev.holdover.vmstate;

import java.time.Instant;

/**
 * When a phase was reached, by three clocks: none of them alone goes on rightly through a reboot.
 *
 * @param phase its number, from 1
 * @param monotonic CLOCK_MONOTONIC, ns; starts anew with the kernel
 * @param realtime CLOCK_REALTIME, ns; jumps by up to a second in a reboot
 * @param tsc the host's time-stamp counter; runs on through a kexec
 */
public record TimelineEvent(int phase, long monotonic, long realtime, long tsc) {
    /** A phase that is reached now, without the host's TSC, which only a VM tells. */
    public static TimelineEvent now(Phase phase) {
        return new TimelineEvent(phase.code(), System.nanoTime(), realtimeNow(), 0);
    }

    /** CLOCK_REALTIME, ns. */
    public static long realtimeNow() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000_000L + now.getNano();
    }
}
