package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.LuodControl;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** The part of a {@link Trial} in which a luod holds the guest itself, without a kernel's help. */
final class HeldGuest {
    private static final String NAME = "guest";

    private final Trial trial;
    private final String socket;
    final Process luod;
    final Process vmm;

    /** Starts luod and a VMM, and waits until it takes part. */
    HeldGuest(Trial trial) throws Exception {
        this.trial = trial;
        this.socket = trial.dir.resolve("luod").toString();
        luod = trial.start("luod", "--backend", "hold", "--socket", socket);
        Vmms.await("luod listens", () -> has("", ""));
        vmm = trial.bootInMemfd("--name", NAME, "--live-update", "luod,socket=" + socket);
        Vmms.await("the VMM takes part", () -> has(NAME, "SUBSCRIBED"));
    }

    /** What restore is told, to restore it. */
    List<String> restore() {
        return List.of("--live-update", "luod,socket=" + socket, "--name", NAME);
    }

    /** Whether luod has a guest of that name in that state; with empty words, whether it answers. */
    private boolean has(String name, String state) {
        try (LuodControl control = new LuodControl(socket)) {
            return name.isEmpty()
                    ? control.status() != null
                    : control.list().stream()
                            .anyMatch(entry ->
                                    entry.id().equals(name) && entry.state().equals(state));
        } catch (VmmException e) {
            return false;
        }
    }

    /** Whether the guest waits there for a VMM. */
    boolean isKept() {
        return has(NAME, "UNCLAIMED");
    }

    /** Gives the order to turn the generation, and does not wait for it. What comes of it is true if it was turned. */
    CompletableFuture<Boolean> update(LuodControl.Progress progress) {
        return CompletableFuture.supplyAsync(() -> {
            try (LuodControl control = new LuodControl(socket)) {
                control.kexec(false, progress);
                return true;
            } catch (VmmException e) {
                return false;
            }
        });
    }

    /** As the program that a user runs for it; true as soon as that has ended well. */
    Process updateByProgram() throws Exception {
        return trial.start("luoctl", "kexec", "--socket", socket);
    }

    /** Turns the generation and waits for the VMM's end. Returns how long that took, in nanoseconds. */
    long turn() throws Exception {
        long start = System.nanoTime();
        assertThat(update((id, step) -> {}).get()).isTrue();
        assertThat(Vmms.exitCode(vmm)).as(trial.said(vmm)).isZero();
        return System.nanoTime() - start;
    }
}
