package dev.holdover.luod;

import dev.holdover.linux.VmmException;

/**
 * Whether an update turns the generation or is aborted. Both are asked for on different threads; the first one decides, for
 * good: guests of an aborted update run on, and the next kernel must not get them, too.
 *
 * <p>A doubt holds the turn up: a client whose connection is gone, and of which it is not known yet whether it has ended.
 */
final class TurnDecision {
    private enum Outcome {
        OPEN,
        TURN,
        ABORT
    }

    private Outcome outcome = Outcome.OPEN;
    private int doubts;

    /** Decides for the turn, when there is no doubt; throws {@link VmmException} if it is aborted. The line before reboot(2). */
    synchronized void requireTurn() {
        boolean interrupted = false;
        while (outcome == Outcome.OPEN && doubts > 0) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (outcome == Outcome.OPEN) {
            outcome = Outcome.TURN;
        }
        if (outcome == Outcome.ABORT) {
            throw new VmmException("the update was aborted before the kernel was left");
        }
    }

    /** Decides for the abort; false if it is too late for that. */
    synchronized boolean tryAbort() {
        if (outcome == Outcome.OPEN) {
            outcome = Outcome.ABORT;
            notifyAll();
        }
        return outcome == Outcome.ABORT;
    }

    synchronized void addDoubt() {
        doubts++;
    }

    synchronized void removeDoubt() {
        doubts--;
        notifyAll();
    }
}
