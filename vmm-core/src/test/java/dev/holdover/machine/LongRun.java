package dev.holdover.machine;

/** How much of a test that takes long is run: with LONG=1 in the environment all of it. */
public final class LongRun {
    private LongRun() {}

    public static int rounds(int ordinary, int all) {
        return "1".equals(System.getenv("LONG")) ? all : ordinary;
    }

    /** Likewise; without LONG=1 less in an emulated host, where the start of a process takes ten seconds. */
    public static int rounds(int emulated, int ordinary, int all) {
        return rounds(System.getenv("HOLDOVER_EMULATED_HOST") == null ? ordinary : emulated, all);
    }
}
