package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;

/**
 * The part of a {@link Trial} in which a guest that no process has is restored: by a VMM that meets a fault.
 *
 * @param arguments of restore, but for where it is controlled
 */
record Restoring(Trial trial, List<String> arguments) {
    /** Says that nothing of a guest can be restored: it has run since, or luod is gone or has no descriptors left. */
    private static final List<String> GONE = List.of(
            "moved on", "holds no guest", "session is finished", "cannot reach luod", "does not take a command");

    /** Of a JVM that cannot open its own files. */
    private static final int ABORTED = 128 + 6;

    /** What else is done at the random instant. */
    interface Step {
        void run() throws Exception;
    }

    /** The fault may be null; if it is met by another process, {@code step} does so. */
    Trial.Outcome run(Fault fault, Step step) throws Exception {
        long span = span();
        Process first = start(1);
        trial.letPass(span * 5 / 4);
        List<Process> all = new ArrayList<>(List.of(first));
        step.run();
        if (fault == Fault.TWICE) {
            all.add(start(2));
        } else if (fault != null) {
            fault.meet(first, trial.random);
        }
        if (fault != null && fault.ends()) {
            Vmms.exitCode(first);
        }
        awaitOneOrNone(all);
        Process runs = null;
        for (Process process : all) {
            if (process.isAlive()) {
                assertThat(runs).as("the other VMM has ended").isNull();
                runs = process;
            } else if (fault == null || !fault.ends()) {
                assertThat(process.exitValue())
                        .as(trial.said(process))
                        .isIn(
                                ExitCode.FAILED,
                                ExitCode.RESTORE_REFUSED,
                                fault == Fault.NO_DESCRIPTORS ? ABORTED : ExitCode.FAILED);
            }
        }
        if (runs == null) {
            return again(fault != null && fault.ends());
        }
        trial.awaitLetters(runs);
        trial.end(runs);
        trial.verify();
        refused();
        return Trial.Outcome.MOVED;
    }

    /** How long a restore takes from its process's start on: as long as a VMM takes to refuse a state that is not there. */
    private long span() throws Exception {
        long start = System.nanoTime();
        Process refused = trial.start("restore", trial.dir.resolve("nothing").toString());
        assertThat(Vmms.exitCode(refused)).isNotZero();
        return (System.nanoTime() - start) * 2;
    }

    private Process start(int number) throws Exception {
        List<String> words = new ArrayList<>(List.of("restore"));
        words.addAll(arguments);
        words.addAll(List.of("--control", trial.control("restored" + number).toString()));
        return trial.start(words.toArray(new String[0]));
    }

    /** Waits until one VMM is left and its guest writes, or none. */
    private void awaitOneOrNone(List<Process> all) throws Exception {
        long before = trial.letters();
        Vmms.await("one VMM with a guest that writes, or none", () -> {
            long living = all.stream().filter(Process::isAlive).count();
            return living == 0 || (living == 1 && trial.letters() > before + 3);
        });
    }

    /** No VMM has the guest. */
    private Trial.Outcome again(boolean mayBeGone) throws Exception {
        Process vmm = start(3);
        if (!trial.awaitLettersOrEnd(vmm)) {
            assertThat(mayBeGone).as("the guest is lost: %s", trial.said(vmm)).isTrue();
            assertThat(trial.said(vmm)).containsAnyOf(GONE.toArray(new String[0]));
            trial.verify();
            return Trial.Outcome.ENDED;
        }
        trial.end(vmm);
        trial.verify();
        refused();
        return Trial.Outcome.RESTORED;
    }

    private void refused() throws Exception {
        Process vmm = start(4);
        assertThat(Vmms.exitCode(vmm)).as(trial.said(vmm)).isIn(ExitCode.FAILED, ExitCode.RESTORE_REFUSED);
        assertThat(trial.said(vmm)).containsAnyOf(GONE.toArray(new String[0]));
    }
}
