package dev.holdover.passthrough;

import dev.holdover.kvm.KvmVm;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventFd;
import dev.holdover.pci.MsiListener;
import dev.holdover.pci.MsiRoutes;
import dev.holdover.vfio.VfioDevice;
import dev.holdover.vfio.VfioIrqs;
import java.util.BitSet;

/**
 * The message interrupts of a device, MSI or MSI-X. The device signals an eventfd for each vector that the guest has used;
 * KVM makes the guest's message of it while the guest has the vector unmasked. While it is masked, or no VM listens, the
 * eventfd counts: whoever listens next finds that there was one.
 *
 * <p>An eventfd stays its vector's for as long as the device is open, so that another VMM can be given it before the guest
 * is stopped.
 *
 * <p>Any thread. Its lock comes after the capability's that calls it, and before that of the routes.
 */
final class VfioInterrupts implements MsiListener {
    private final VfioDevice device;
    private final VfioIrqs irqs;
    private final MsiRoutes routes;
    private final int firstGsi;
    private final InterruptFailure failure;
    private final Runnable beforeOn;
    private final Runnable afterOff;
    private final EventFd[] eventFds;
    /** The vectors that the guest has unmasked. */
    private final BitSet usable = new BitSet();
    /** Those whose eventfd the device signals. */
    private final BitSet attached = new BitSet();
    /** Those whose eventfd the VM listens to. */
    private final BitSet bound = new BitSet();

    /** Null while the device is another VMM's, which alone tells it what to do. */
    private KvmVm vm;

    private boolean on;

    /**
     * Of a device whose interrupts of that kind are off.
     *
     * @param beforeOn is run before they are switched on, for a device has one kind at a time; {@code afterOff} likewise
     */
    VfioInterrupts(VfioDevice device, VfioIrqs irqs, MsiRoutes routes, Runnable beforeOn, Runnable afterOff) {
        this.device = device;
        this.irqs = irqs;
        this.routes = routes;
        this.failure = new InterruptFailure(device, "as that wants");
        this.beforeOn = beforeOn;
        this.afterOff = afterOff;
        this.eventFds = new EventFd[irqs.count()];
        this.firstGsi = routes.allocate(irqs.count());
    }

    /** Which kind, as VFIO numbers them. */
    int index() {
        return irqs.index();
    }

    /** From now on the device and KVM are told what the guest wants; once. */
    synchronized void connect(KvmVm to) {
        vm = to;
        if (on) {
            settled();
        } else {
            attached.clear(); // it was switched off by who had it, after the eventfds were handed over
        }
    }

    /** The device signals this eventfd for that vector: another VMM has set it up so. Taken over. */
    synchronized void inherit(int vector, EventFd eventFd) {
        if (vector < 0 || vector >= eventFds.length || eventFds[vector] != null) {
            eventFd.close();
            return;
        }
        eventFds[vector] = eventFd;
        attached.set(vector);
    }

    /** The eventfd of a vector that the device signals, to be passed on; null if it signals none. */
    synchronized EventFd attached(int vector) {
        return attached.get(vector) ? eventFds[vector] : null;
    }

    int count() {
        return eventFds.length;
    }

    @Override
    public synchronized void enabled(boolean nowOn) {
        if (nowOn == on) {
            return;
        }
        on = nowOn;
        if (nowOn) {
            beforeOn.run();
            return;
        }
        for (int vector = bound.nextSetBit(0); vector >= 0; vector = bound.nextSetBit(vector + 1)) {
            unbind(vector);
        }
        usable.clear();
        detachAll();
        afterOff.run();
    }

    private void detachAll() {
        if (vm != null && !attached.isEmpty()) {
            attached.clear();
            try {
                device.disableInterrupts(irqs.index());
            } catch (ErrnoException e) {
                failure.say(e);
            }
        }
    }

    @Override
    public synchronized void unmasked(int vector, long address, int data) {
        routes.set(firstGsi + vector, address, data);
        usable.set(vector);
    }

    @Override
    public synchronized void masked(int vector) {
        usable.clear(vector);
        unbind(vector);
    }

    private void unbind(int vector) {
        if (bound.get(vector)) {
            bound.clear(vector);
            vm.unbindInterrupt(eventFds[vector], firstGsi + vector);
        }
    }

    @Override
    public synchronized void settled() {
        if (vm != null) {
            try {
                listen();
            } catch (ErrnoException e) {
                failure.say(e);
            }
        }
    }

    /** Makes KVM and the device do what the guest wants of them. The routes first: an irqfd without one loses what comes. */
    private void listen() {
        routes.flush();
        for (int vector = usable.nextSetBit(0); vector >= 0; vector = usable.nextSetBit(vector + 1)) {
            if (!bound.get(vector)) {
                vm.bindInterrupt(eventFd(vector), firstGsi + vector);
                bound.set(vector);
            }
        }
        if (irqs.noResize() && usable.length() > attached.length()) {
            programAll();
        }
        for (int vector = usable.nextSetBit(0); vector >= 0; vector = usable.nextSetBit(vector + 1)) {
            if (!attached.get(vector)) {
                device.setInterrupts(irqs.index(), vector, eventFds[vector]);
                attached.set(vector);
            }
        }
    }

    /** More vectors than the kernel has programmed the device for, which it cannot add: all anew. */
    private void programAll() {
        detachAll();
        EventFd[] all = new EventFd[usable.length()];
        for (int vector = usable.nextSetBit(0); vector >= 0; vector = usable.nextSetBit(vector + 1)) {
            all[vector] = eventFds[vector];
        }
        device.setInterrupts(irqs.index(), 0, all);
        attached.or(usable);
        signalAll(); // what came in between went nowhere
    }

    private EventFd eventFd(int vector) {
        if (eventFds[vector] == null) {
            eventFds[vector] = new EventFd();
        }
        return eventFds[vector];
    }

    @Override
    public synchronized void deliver(int vector, long address, int data) {
        eventFd(vector).signal();
    }

    @Override
    public synchronized boolean isPending(int vector) {
        EventFd eventFd = eventFds[vector];
        if (eventFd == null || bound.get(vector) || eventFd.drain() == 0) {
            return false;
        }
        eventFd.signal();
        return true;
    }

    /** Lets another VM listen: as long as this one does, none else can. The vCPUs are parked. */
    synchronized void release() {
        for (int vector = bound.nextSetBit(0); vector >= 0; vector = bound.nextSetBit(vector + 1)) {
            unbind(vector);
        }
    }

    /** Listens again after {@link #release}; one interrupt of each vector too many does no harm, one too few hangs a guest. */
    synchronized void listenAgain() {
        settled();
        signalAll();
    }

    private void signalAll() {
        for (int vector = usable.nextSetBit(0); vector >= 0; vector = usable.nextSetBit(vector + 1)) {
            eventFd(vector).signal();
        }
    }

    /** The device interrupts nobody until {@link #listenAgain}. The vCPUs are parked. */
    synchronized void silence() {
        release();
        detachAll();
    }

    void close() {
        for (EventFd eventFd : eventFds) {
            if (eventFd != null) {
                eventFd.close();
            }
        }
    }
}
