package dev.holdover.serial;

/** The keys after Ctrl-A on a terminal, which are for the VMM and not for the guest. */
final class ConsoleEscape {
    private static final byte CTRL_A = 1;

    private static final String HELP = """

            Ctrl-A x       end the VMM
            Ctrl-A h       this help
            Ctrl-A Ctrl-A  send Ctrl-A to the guest
            """;

    private final Runnable quit;
    private boolean afterCtrlA;

    /** {@code quit} is called for Ctrl-A x. */
    ConsoleEscape(Runnable quit) {
        this.quit = quit;
    }

    /** Takes the escapes out of {@code bytes}, in place, and does what they say; returns how many bytes are left. */
    int filter(byte[] bytes, int from, int length) {
        int kept = 0;
        for (int i = 0; i < length; i++) {
            byte b = bytes[from + i];
            if (afterCtrlA) {
                afterCtrlA = false;
                if (b == CTRL_A) {
                    bytes[from + kept++] = b;
                } else {
                    command(b);
                }
            } else if (b == CTRL_A) {
                afterCtrlA = true;
            } else {
                bytes[from + kept++] = b;
            }
        }
        return kept;
    }

    private void command(byte key) {
        if (key == 'x') {
            quit.run();
        } else if (key == 'h' || key == '?') {
            System.err.print(HELP);
        }
    }
}
