package dev.holdover.memory;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * The mark of RAM that takes no attribute along, as through a live update: a {@link RamIdentity} in a memfd of one page.
 *
 * <p>All processes that have it map it, and the generation is changed by compare-and-exchange only: of two that were given
 * the same session, however they came by it, one gets the guest. Any thread.
 */
public final class IdentityPage implements AutoCloseable {
    private static final long SIZE = 4096;
    private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

    private final Fd fd;
    private final Mapping mapping;
    private final MemorySegment page;

    private IdentityPage(Fd fd) {
        this.fd = fd;
        this.mapping = Mapping.shared(fd, 0, SIZE);
        this.page = mapping.segment();
    }

    /** A new page, with nothing in it. */
    public static IdentityPage create() {
        Fd fd = Memfd.create("holdover-identity", SIZE);
        try {
            Memfd.seal(fd, Memfd.F_SEAL_GROW | Memfd.F_SEAL_SHRINK | Memfd.F_SEAL_SEAL);
            return new IdentityPage(fd);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** The page that another VMM made; takes the descriptor over. VmmException if it cannot be such a page. */
    public static IdentityPage adopt(Fd fd) {
        try {
            if (fd.stat().size() != SIZE) {
                throw new VmmException(
                        "the page that says which RAM it is, " + fd.name() + ", has not " + SIZE + " bytes");
            }
            return new IdentityPage(fd);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** The descriptor to pass on; stays this object's. */
    public Fd fd() {
        return fd;
    }

    /** What stands in it; null if there is nothing. */
    public RamIdentity read() {
        return (long) LONG.getVolatile(page, 0L) == RamIdentity.PAGE_MAGIC
                ? RamIdentity.decode(page.asSlice(Long.BYTES))
                : null;
    }

    /** Writes the identity of RAM that nobody else has yet. */
    public void write(RamIdentity identity) {
        identity.encode(page.asSlice(Long.BYTES));
        LONG.setVolatile(page, 0L, RamIdentity.PAGE_MAGIC);
    }

    /**
     * Replaces one generation of the same RAM by another; false if it is not that generation that stands there: another
     * process was faster, and has the guest.
     */
    public boolean replace(RamIdentity from, RamIdentity to) {
        RamIdentity there = read();
        if (there == null || !there.id().equals(from.id()) || !from.id().equals(to.id())) {
            return false;
        }
        long generation = Long.BYTES + RamIdentity.GENERATION;
        if (!LONG.compareAndSet(page, generation, from.generation(), to.generation())) {
            return false;
        }
        page.set(
                ValueLayout.JAVA_INT, Long.BYTES + RamIdentity.CAUSE, to.cause().code());
        return true;
    }

    @Override
    public void close() {
        mapping.close();
        fd.close();
    }
}
