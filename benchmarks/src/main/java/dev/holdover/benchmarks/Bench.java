package dev.holdover.benchmarks;

/** x */
public final class Bench {
    private Bench() {}

    public static void main(String[] args) throws Exception {
        org.openjdk.jmh.Main.main(args);
    }
}
