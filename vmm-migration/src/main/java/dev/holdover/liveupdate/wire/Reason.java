package dev.holdover.liveupdate.wire;

/** What one process says of a failure and others pass on: it fits into a line of the protocol, and stays on its own in a log. */
public final class Reason {
    /** Characters that fit into a line beside all else, however they are escaped. */
    private static final int MAX = 600;

    private Reason() {}

    public static String of(String text) {
        StringBuilder reason = new StringBuilder();
        for (int i = 0; i < text.length() && i < MAX; i++) {
            char c = text.charAt(i);
            reason.append(Character.isISOControl(c) ? '?' : c);
        }
        return text.length() > MAX ? reason.append('…').toString() : reason.toString();
    }
}
