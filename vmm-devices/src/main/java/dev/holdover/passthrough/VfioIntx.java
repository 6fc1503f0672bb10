package dev.holdover.passthrough;

import dev.holdover.kvm.KvmVm;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventFd;
import dev.holdover.vfio.VfioDevice;

/**
 * The INTx pin of a device. It is level-triggered: the kernel masks the device's as it signals, KVM holds the guest's line
 * high until the guest has ended the interrupt, and then signals back, which unmasks the device's.
 *
 * <p>Any thread. Its lock comes after that of the message interrupts.
 */
final class VfioIntx {
    private final VfioDevice device;
    private final int gsi;
    private final InterruptFailure failure;
    private EventFd trigger = new EventFd();
    private EventFd unmask = new EventFd();
    /** Null while the device is another VMM's. */
    private KvmVm vm;
    /** Not while the guest uses messages. */
    private boolean on = true;
    /** The device signals the eventfds. */
    private boolean attached;

    private boolean bound;

    VfioIntx(VfioDevice device, int gsi) {
        this.device = device;
        this.gsi = gsi;
        this.failure = new InterruptFailure(device, "by INTx");
    }

    /** From now on the device and KVM are told what the guest wants; once. */
    synchronized void connect(KvmVm to) {
        vm = to;
        if (on) {
            start();
        } else {
            attached = false; // it was switched off by who had it
        }
    }

    /** The device signals these eventfds: another VMM has set it up so. Taken over. */
    synchronized void inherit(EventFd itsTrigger, EventFd itsUnmask) {
        if (itsTrigger == null || itsUnmask == null) {
            return;
        }
        close();
        trigger = itsTrigger;
        unmask = itsUnmask;
        attached = true;
    }

    /** Whether the device signals the eventfds. */
    synchronized boolean isAttached() {
        return attached;
    }

    EventFd trigger() {
        return trigger;
    }

    EventFd unmask() {
        return unmask;
    }

    /** Whether the guest's interrupts come by it: not if they come by messages. */
    synchronized void set(boolean nowOn) {
        on = nowOn;
        if (vm == null) {
            return;
        }
        if (on) {
            start();
        } else {
            silence();
        }
    }

    private void start() {
        try {
            if (!bound) {
                vm.bindInterrupt(trigger, unmask, gsi);
                bound = true;
            }
            if (!attached) {
                device.setInterrupts(VfioDevice.INTX, 0, trigger);
                attached = true;
                device.setUnmask(VfioDevice.INTX, unmask);
            }
        } catch (ErrnoException e) {
            failure.say(e);
        }
    }

    /** Lets another VM listen. */
    synchronized void release() {
        if (bound) {
            vm.unbindInterrupt(trigger, gsi);
            bound = false;
        }
    }

    /** Listens again; an interrupt that is still pending is signalled anew. */
    synchronized void listenAgain() {
        if (on) {
            start();
        }
        if (on && attached) {
            try {
                device.unmaskInterrupt(VfioDevice.INTX);
            } catch (ErrnoException e) {
                failure.say(e);
            }
        }
    }

    /** The device interrupts nobody. */
    synchronized void silence() {
        release();
        if (attached) {
            attached = false;
            try {
                device.disableInterrupts(VfioDevice.INTX);
            } catch (ErrnoException e) {
                failure.say(e);
            }
        }
    }

    void close() {
        trigger.close();
        unmask.close();
    }
}
