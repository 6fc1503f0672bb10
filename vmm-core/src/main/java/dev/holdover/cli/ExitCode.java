package dev.holdover.cli;

/** What the process exits with, beside what a guest's end says. */
final class ExitCode {
    static final int OK = 0;
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int RESTORE_REFUSED = 4;

    private ExitCode() {}
}
