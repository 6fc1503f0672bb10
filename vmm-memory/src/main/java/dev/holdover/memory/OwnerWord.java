package dev.holdover.memory;

import dev.holdover.linux.Fd;
import dev.holdover.linux.FileStat;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * Who owns a guest that is being handed over: one word in a page that both VMMs map. It is changed once, by
 * compare-and-set: by the incoming side right before its first KVM_RUN, or by the outgoing side right before it resumes.
 * Messages may be lost and either process may be stopped at any point; exactly one of the two can win all the same.
 *
 * <p>A word is for one attempt. Any thread.
 */
public final class OwnerWord implements AutoCloseable {
    private static final long SIZE = 4096;
    private static final int UNDECIDED = 0x484f4c44;
    private static final int TAKEN = 0x54414b45;
    private static final int KEPT = 0x4b455054;
    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();

    private final Fd fd;
    private final Mapping mapping;

    private OwnerWord(Fd fd, Mapping mapping) {
        this.fd = fd;
        this.mapping = mapping;
    }

    /** A new, undecided word, in a memfd of its own. */
    public static OwnerWord create() {
        Fd fd = Memfd.create("holdover-owner", SIZE);
        try {
            Memfd.seal(fd, Memfd.F_SEAL_GROW | Memfd.F_SEAL_SHRINK | Memfd.F_SEAL_SEAL);
            OwnerWord word = new OwnerWord(fd, Mapping.shared(fd, 0, SIZE));
            WORD.setVolatile(word.mapping.segment(), 0L, UNDECIDED);
            return word;
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** The word that the other side made; takes the descriptor over. VmmException if it is none, or could be cut. */
    public static OwnerWord adopt(Fd fd) {
        try {
            FileStat stat = fd.stat();
            if (!stat.isRegular() || stat.size() != SIZE || !Memfd.isSafeFromOthers(fd)) {
                throw new VmmException("the page that says who owns the guest is no memfd of " + SIZE + " bytes");
            }
            return new OwnerWord(fd, Mapping.shared(fd, 0, SIZE));
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** The descriptor to pass to the other side. */
    public Fd fd() {
        return fd;
    }

    /** The incoming side takes the guest; false if the outgoing one has kept it: then it must never run here. */
    public boolean take() {
        return WORD.compareAndSet(mapping.segment(), 0L, UNDECIDED, TAKEN);
    }

    /** The outgoing side keeps the guest; false if the incoming one has taken it: then it must never run here again. */
    public boolean keep() {
        return WORD.compareAndSet(mapping.segment(), 0L, UNDECIDED, KEPT);
    }

    /** Whether the incoming side has taken it. */
    public boolean isTaken() {
        return (int) WORD.getVolatile(mapping.segment(), 0L) == TAKEN;
    }

    @Override
    public void close() {
        mapping.close();
        fd.close();
    }
}
