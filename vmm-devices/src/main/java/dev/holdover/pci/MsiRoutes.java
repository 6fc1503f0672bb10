package dev.holdover.pci;

import dev.holdover.kvm.KvmVm;
import dev.holdover.kvm.MsiRoute;
import dev.holdover.linux.VmmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * The machine's table of GSIs that are messages: an irqfd is bound to a GSI, and the guest says what message that is.
 * Only for interrupts that the kernel raises; what a device here raises it sends as the message itself.
 *
 * <p>KVM takes the table whole and waits for all its readers, so changes are gathered until {@link #flush}; while {@link
 * #hold} is on, flushes are gathered, too. Any thread.
 */
public final class MsiRoutes {
    /** Where the messages of x86 go, one of 4 GiB - 18 MiB: all else is memory, and none of KVM's business. */
    private static final long MESSAGE_ADDRESS = 0xfee;

    /** By the GSI, less the first one's. */
    private final MsiRoute[] routes = new MsiRoute[KvmVm.MAX_MSI_ROUTES];

    private int allocated;
    private Consumer<List<MsiRoute>> kvm;
    private boolean changed;
    private boolean held;

    /** An empty table, which KVM is told of by nobody yet. */
    public MsiRoutes() {}

    /** Whether a message of this address is an interrupt. */
    public static boolean isMessage(long address) {
        return address >>> 20 == MESSAGE_ADDRESS;
    }

    /** From now on {@code kvm} is given the whole table at each flush that has something to tell; now, if there is any. */
    public synchronized void connect(Consumer<List<MsiRoute>> kvm) {
        this.kvm = kvm;
        flush();
    }

    /**
     * Takes {@code count} neighbouring GSIs; they have no message yet, and what is raised on them is lost.
     *
     * @return the first
     * @throws VmmException if there are not so many
     */
    public synchronized int allocate(int count) {
        if (count > routes.length - allocated) {
            throw new VmmException("the machine's PCI functions have more interrupts than the " + routes.length
                    + " that KVM has room for; pass fewer of them through");
        }
        int first = KvmVm.FIRST_MSI_GSI + allocated;
        allocated += count;
        return first;
    }

    /** GSI {@code gsi} is this message from the next flush on; an address that is no interrupt's makes it none. */
    public synchronized void set(int gsi, long address, int data) {
        MsiRoute route = isMessage(address) ? new MsiRoute(gsi, address, data) : null;
        int index = gsi - KvmVm.FIRST_MSI_GSI;
        if (!Objects.equals(route, routes[index])) {
            routes[index] = route;
            changed = true;
        }
    }

    /** Tells KVM, if anything has changed. May take milliseconds. */
    public synchronized void flush() {
        if (!changed || held || kvm == null) {
            return;
        }
        List<MsiRoute> table = new ArrayList<>();
        for (int i = 0; i < allocated; i++) {
            if (routes[i] != null) {
                table.add(routes[i]);
            }
        }
        kvm.accept(table);
        changed = false;
    }

    /** Flushes do nothing until {@link #letGo}: for one who changes many functions, as a restore does. */
    public synchronized void hold() {
        held = true;
    }

    /** Ends {@link #hold}, with one flush. */
    public synchronized void letGo() {
        held = false;
        flush();
    }
}
