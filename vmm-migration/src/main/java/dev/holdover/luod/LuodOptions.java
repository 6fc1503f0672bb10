package dev.holdover.luod;

/**
 * How luod is run.
 *
 * @param socket where it listens
 * @param group whose members may connect beside root and luod's own user; null for none
 * @param hold whether luod holds the sessions itself, instead of the kernel
 * @param prepareSeconds how long clients may take to preserve RAM while their guests run
 * @param readySeconds how long they may take to stop their guests and preserve the rest
 */
public record LuodOptions(String socket, String group, boolean hold, int prepareSeconds, int readySeconds) {
    public static final String DEFAULT_SOCKET = "/run/luod/liveupdate.sock";
    /** Base limits, for {@link dev.holdover.linux.Patience#seconds}. */
    public static final int DEFAULT_PREPARE_SECONDS = 300;

    public static final int DEFAULT_READY_SECONDS = 60;
}
