package dev.holdover.cli;

/** What the process exits with, beside what a guest's end says. */
final class ExitCode {
    static final int OK = 0;
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int RESTORE_REFUSED = 4;
    /**
     * EX_UNAVAILABLE of sysexits.h: the demo is to be shown in an emulated host. The launcher, which knows how, does so
     * then.
     */
    static final int UNAVAILABLE = 69;

    private ExitCode() {}
}
