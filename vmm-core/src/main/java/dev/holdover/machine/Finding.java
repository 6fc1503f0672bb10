package dev.holdover.machine;

/**
 * What was found about this host.
 *
 * @param subject what was looked at
 * @param grade whether it is as it should be
 * @param text what was found
 * @param advice what to do about it; empty where there is nothing to do
 */
public record Finding(String subject, Grade grade, String text, String advice) {
    /** How it stands. */
    public enum Grade {
        /** As it should be. */
        OK,
        /** Works, with a limit that the text names. */
        LIMITED,
        /** Guests cannot run, or what the subject names cannot be used. */
        LACKING
    }
}
