package dev.holdover.liveupdate;

import dev.holdover.linux.Fd;

/**
 * Something of a guest's that a session keeps as one file: a RAM region, the state; for a passed-through device its
 * iommufd and its VFIO cdev.
 *
 * <p>Resources are preserved and retrieved in the order of their {@link Tokens.Kind}, for each kind needs those before
 * it: an iommufd can only be kept if the memfds it maps are in the session already, a VFIO device only with its iommufd.
 * They are restored in that order, before vCPUs run; a session is finished when all of them say that it can be.
 */
public interface Resource {
    long token();

    default Tokens.Kind kind() {
        return Tokens.kind(token());
    }

    /** The file to preserve. */
    Fd fd();

    /** Takes the file up again in the new kernel, before any vCPU runs. */
    void restore(Fd retrieved);

    /** Whether FINISH may be said; a VFIO device has to be bound first. */
    boolean canFinish();
}
