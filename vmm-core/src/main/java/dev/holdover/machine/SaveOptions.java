package dev.holdover.machine;

/**
 * How a state is to be saved.
 *
 * @param ignoreShared whether shared RAM stays where it is instead of being copied into the state
 * @param force whether to save even a state whose RAM would be gone with this process
 */
public record SaveOptions(boolean ignoreShared, boolean force) {
    /** Shared RAM stays where it is, which has to outlive this process. */
    public static final SaveOptions IN_PLACE = new SaveOptions(true, false);
}
