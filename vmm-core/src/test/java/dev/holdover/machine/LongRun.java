package dev.holdover.machine;

/** How much of a test that takes long is run: with LONG=1 in the environment all of it. */
public final class LongRun {
    private LongRun() {}

    public static int rounds(int ordinary, int all) {
        return "1".equals(System.getenv("LONG")) ? all : ordinary;
    }
}
