package dev.holdover.cli;

import dev.holdover.linux.Patience;
import dev.holdover.linux.SocketWait;
import dev.holdover.linux.UsageException;
import java.time.Duration;

/** {@code --wait SECONDS} of the commands that connect to a socket. */
final class WaitOption {
    static final String NAME = "--wait";
    /** For the help. */
    static final String VALUES = "Default: " + SocketWait.DEFAULT_SECONDS + ", more on a slow host; 0: not at all.";

    private static final int MOST_SECONDS = 86_400;

    private WaitOption() {}

    /**
     * How long to wait.
     *
     * @param text what the user gave; null for the default
     */
    static Duration limit(String text) {
        if (text == null) {
            return Duration.ofSeconds(Patience.host().seconds(SocketWait.DEFAULT_SECONDS));
        }
        try {
            int seconds = Integer.parseInt(text);
            if (seconds >= 0 && seconds <= MOST_SECONDS) {
                return Duration.ofSeconds(seconds);
            }
        } catch (NumberFormatException e) {
            // the same to its user
        }
        throw new UsageException(NAME + " " + text + ": expected a number of seconds from 0 to " + MOST_SECONDS);
    }
}
