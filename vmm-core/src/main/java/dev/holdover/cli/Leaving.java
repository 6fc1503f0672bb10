package dev.holdover.cli;

import dev.holdover.control.ControlSocket;
import dev.holdover.machine.LiveUpdate;
import dev.holdover.machine.Machine;

/**
 * What SIGTERM, SIGINT and SIGHUP do to a process that has, or is about to have, a guest: a shutdown hook of the JVM, which
 * ends when the hook does. Everything is taken apart first: no raw terminal and no socket is left.
 *
 * <p>While a guest is {@link #hold held}, a signal waits: the process has the guest's session and has not yet run it, or
 * has run it and not yet finished the session. Its end would cost a guest that it may be all that holds.
 */
final class Leaving extends Thread {
    private boolean held;
    private String alone;
    private ControlSocket socket;
    private Machine machine;
    private LiveUpdate liveUpdate;

    Leaving() {
        super("leave");
    }

    /** A hook that is registered; a signal ends the process at once until something else is said. */
    static Leaving hook() {
        return new Leaving().register();
    }

    /** From now on a signal calls it. Nothing happens if the process is about to end already. */
    Leaving register() {
        try {
            Runtime.getRuntime().addShutdownHook(this);
        } catch (IllegalStateException e) {
            // A signal came first, and takes nothing apart: the kernel does.
        }
        return this;
    }

    /** From now on a signal waits until {@link #runs} or {@link #free} is called. */
    synchronized void hold() {
        held = true;
    }

    /**
     * Likewise, where this process is all that holds a guest.
     *
     * @param guest its name, for the sentence that tells why a signal does not end the process
     */
    synchronized void holdAlone(String guest) {
        held = true;
        alone = guest;
    }

    /** From now on a signal takes these apart; each may be null. */
    synchronized void runs(ControlSocket socket, Machine machine, LiveUpdate liveUpdate) {
        this.socket = socket;
        this.machine = machine;
        this.liveUpdate = liveUpdate;
        free();
    }

    /** From now on a signal ends the process. */
    synchronized void free() {
        held = false;
        notifyAll();
    }

    @Override
    public void run() {
        awaitFree();
        if (liveUpdate != null) {
            liveUpdate.signalled();
        }
        if (socket != null) {
            socket.signalled();
            socket.close();
        }
        if (machine != null) {
            machine.close();
        }
    }

    private synchronized void awaitFree() {
        if (held && alone != null) {
            System.err.println("vmm restore: this process is all that holds the guest " + alone
                    + ", so it ends when that is decided, and not before: SIGKILL would give the guest up");
        }
        while (held) {
            try {
                wait();
            } catch (InterruptedException e) {
                // nobody does that here
            }
        }
    }

    /** The process ends by itself. */
    void forget() {
        free();
        try {
            Runtime.getRuntime().removeShutdownHook(this);
        } catch (IllegalStateException e) {
            // A signal came first: the hook runs, and closing twice is harmless.
        }
    }
}
