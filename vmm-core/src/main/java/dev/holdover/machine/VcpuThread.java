package dev.holdover.machine;

import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.VcpuExit;
import dev.holdover.linux.Signals;
import dev.holdover.platform.Bus;
import java.util.concurrent.TimeUnit;

/**
 * The thread that runs one vCPU and serves its exits; a small state machine: parked, running, ended.
 *
 * <p>A parked vCPU has completed its last port or memory access: it parks only when KVM_RUN says that it was interrupted,
 * which comes after the completion, and serves every exit until then (an access in several pieces has several).
 */
final class VcpuThread {
    private enum Request {
        RUN,
        PARK,
        END
    }

    private final KvmVcpu vcpu;
    private final Bus ports;
    private final Bus mmio;
    private final Events events;
    private final Thread thread;
    private final Object lock = new Object();
    // Written under the lock; read without it on the way out of KVM_RUN.
    private volatile Request request = Request.PARK;
    /** Also before the thread has come as far as to wait: it finds its first request when it does. */
    private boolean parked = true;

    private int threadId;
    /** When the guest was first seen to have run since {@link #run}; 0 before. */
    private long enteredNanos;

    private boolean probed;
    /** Until it is known that the guest was entered. */
    private FlightPhases entering = FlightPhases.OFF;

    /** What ends a vCPU's run for good; called on its thread. */
    interface Events {
        void crashed(int vcpu, String why);

        void failed(int vcpu, Throwable cause);

        /** KVM could not reach guest RAM; {@code gpa} is -1 if it does not say where. */
        void memoryFault(int vcpu, long gpa);

        /** An MMIO exit within RAM: a store to ROM, or RAM that is gone. */
        boolean isRam(long gpa);
    }

    VcpuThread(KvmVcpu vcpu, Bus ports, Bus mmio, Events events) {
        this.vcpu = vcpu;
        this.ports = ports;
        this.mmio = mmio;
        this.events = events;
        this.thread = Thread.ofPlatform().daemon().name("vcpu" + vcpu.id()).unstarted(this::loop);
    }

    KvmVcpu vcpu() {
        return vcpu;
    }

    /** Starts the thread, which is parked; that it has come as far as to wait is not waited for. */
    void start() {
        thread.start();
    }

    /** The kernel's id of the thread, which has been started; waits for it to say so. Not from its own thread. */
    int threadId() {
        boolean interrupted = false;
        int id;
        synchronized (lock) {
            while (threadId == 0) {
                try {
                    lock.wait();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            id = threadId;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return id;
    }

    private void loop() {
        try {
            synchronized (lock) {
                threadId = Signals.threadId();
                lock.notifyAll();
            }
            Signals.unblockKick();
            while (awaitRun()) {
                serveUntilAsked();
            }
        } catch (Throwable t) {
            synchronized (lock) {
                request = Request.END;
            }
            events.failed(vcpu.id(), t);
        } finally {
            synchronized (lock) {
                parked = true;
                lock.notifyAll();
            }
        }
    }

    /** Parks while told so; false if the thread is to end. */
    private boolean awaitRun() throws InterruptedException {
        synchronized (lock) {
            while (request == Request.PARK) {
                parked = true;
                lock.notifyAll();
                lock.wait();
            }
            parked = false;
            return request == Request.RUN;
        }
    }

    private void serveUntilAsked() {
        boolean entered = false;
        boolean again = false;
        while (true) {
            VcpuExit exit = vcpu.run();
            if (!entered) {
                entered = noteEntered(exit);
            }
            if (exit instanceof VcpuExit.Failed failed && failed.maybeNot() && !again) {
                again = true;
                continue;
            }
            again = false;
            if (exit instanceof VcpuExit.Io io) {
                serve(io);
            } else if (exit instanceof VcpuExit.Mmio access) {
                if (!serve(access)) {
                    return;
                }
            } else if (exit instanceof VcpuExit.Interrupted) {
                vcpu.clearKick();
                if (request != Request.RUN) {
                    return;
                }
            } else {
                end(exit);
                return;
            }
        }
    }

    /** An exit proves that the guest was entered; so does a signal that ends a KVM_RUN which has gone on for long. */
    private boolean noteEntered(VcpuExit exit) {
        boolean proof = exit instanceof VcpuExit.Io || exit instanceof VcpuExit.Mmio;
        synchronized (lock) {
            if (proof || (exit instanceof VcpuExit.Interrupted && probed)) {
                enteredNanos = System.nanoTime();
                lock.notifyAll();
                entering.done("FIRST_EXIT");
                entering = FlightPhases.OFF;
                return true;
            }
        }
        return false;
    }

    /**
     * Waits until the guest has run since {@link #run}: until its first exit, or, for a guest that needs none or sleeps, a
     * signal after {@code patienceMillis} that finds it in KVM_RUN. Returns when that was (CLOCK_MONOTONIC, ns), 0 if
     * the vCPU ended instead.
     */
    long awaitEntered(int patienceMillis) {
        boolean interrupted = false;
        synchronized (lock) {
            long probeAt = System.nanoTime() + patienceMillis * 1_000_000L;
            while (enteredNanos == 0 && request == Request.RUN) {
                long left = (probeAt - System.nanoTime()) / 1_000_000;
                if (left <= 0) {
                    // No immediate_exit: with it the guest would not be entered at all.
                    probed = true;
                    Signals.kick(threadId);
                    left = patienceMillis;
                    probeAt = System.nanoTime() + patienceMillis * 1_000_000L;
                }
                try {
                    lock.wait(left);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            return enteredNanos;
        }
    }

    private void serve(VcpuExit.Io io) {
        int port = io.port();
        int width = io.width();
        int count = io.count();
        if (io.isWrite()) {
            for (int i = 0; i < count; i++) {
                ports.write(port, width, io.get(i));
            }
        } else {
            for (int i = 0; i < count; i++) {
                io.put(i, ports.read(port, width));
            }
        }
    }

    private boolean serve(VcpuExit.Mmio access) {
        long address = access.address();
        if (events.isRam(address)) {
            synchronized (lock) {
                request = Request.END;
            }
            events.memoryFault(vcpu.id(), address);
            return false;
        }
        if (access.isWrite()) {
            mmio.write(address, access.width(), access.get());
        } else {
            access.put(mmio.read(address, access.width()));
        }
        return true;
    }

    private void end(VcpuExit exit) {
        synchronized (lock) {
            request = Request.END;
        }
        if (exit instanceof VcpuExit.TripleFault) {
            events.crashed(vcpu.id(), "triple fault" + vcpu.registers());
        } else if (exit instanceof VcpuExit.Failed failed) {
            events.crashed(vcpu.id(), failed.why());
        } else if (exit instanceof VcpuExit.MemoryFault) {
            events.memoryFault(vcpu.id(), -1);
        } else {
            events.crashed(vcpu.id(), "HLT left the kernel although the interrupt controllers are there");
        }
    }

    /** Asks it to park; does not wait. Also from its own thread: it then parks once the exit it serves is completed. */
    void askToPark() {
        ask(Request.PARK);
    }

    private void ask(Request wanted) {
        synchronized (lock) {
            if (request == Request.END) {
                return;
            }
            request = wanted;
            if (parked) {
                lock.notifyAll();
            } else {
                vcpu.kick(threadId);
            }
        }
    }

    /** Waits until it is parked or has ended. Not from its own thread. */
    void awaitParked() {
        awaitParkedUntil(System.nanoTime() + Long.MAX_VALUE);
    }

    /** As {@link #awaitParked}, but only up to a time of {@link System#nanoTime}; false if it was not parked by then. */
    boolean awaitParkedUntil(long deadline) {
        boolean interrupted = false;
        boolean is;
        synchronized (lock) {
            long left = deadline - System.nanoTime();
            while (!parked && left > 0) {
                try {
                    TimeUnit.NANOSECONDS.timedWait(lock, left);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
                left = deadline - System.nanoTime();
            }
            is = parked;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return is;
    }

    /**
     * Lets a parked vCPU run.
     *
     * @param phases one ends with the guest's first exit
     */
    void run(FlightPhases phases) {
        synchronized (lock) {
            if (request == Request.PARK) {
                request = Request.RUN;
                entering = phases;
                enteredNanos = 0;
                probed = false;
                lock.notifyAll();
            }
        }
    }

    /** Ends the thread and waits for it; then closes the vCPU. Not from its own thread. */
    void close() {
        ask(Request.END);
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        vcpu.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
